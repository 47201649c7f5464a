"""What the figures show of a record, and of a study's."""

import numpy as np

from experiments.center_low_init.figure import ACCURACY, SIGMA, SIZE
from experiments.center_low_init.study_figure import COLOURS, FRESH
from tests.figures import Panel, Shown, image, level, line


def shown(result):
    config, moments = result.config, result.moments
    accuracy = [line([at.step for at in moments], [at.accuracy for at in moments], "", ACCURACY)]
    for share, steps in zip(config.levels, result.steps_to, strict=True):
        accuracy.append(level(share))
        accuracy += [] if steps is None else [line([steps], [share], "", "black")]
    sizes = []
    for label, name, colour in (("ERF size", "erf_size", SIZE), ("σ", "sigma", SIGMA)):
        known = [at for at in moments if getattr(at, name) is not None]
        sizes.append(line([at.step for at in known], [getattr(at, name) for at in known], label, colour))
    before, after = (image(result.arrays[name].astype(np.float32)) for name in ("before", "after"))
    trf = result.theoretical_receptive_field
    strength = f", center-low of strength {config.strength:g}" if config.strength else ""
    return Shown(
        [
            Panel(accuracy, "accuracy; diamonds: levels reached", "step"),
            Panel(sizes, f"ERF (TRF {trf} pixels)", "step", "pixels", legend=True),
            Panel([before], "before training", "column (pixels)", "row (pixels)"),
            Panel([after], "at the end", "column (pixels)"),
        ],
        f"{config.init}{strength}: accuracy {100 * moments[-1].accuracy:.1f}% after {config.steps} steps",
        [
            f"{config.init}{strength}, {config.kernel_size}x{config.kernel_size} kernels, seed {config.seed}, "
            f"draw {config.draw}; {config.training_images} training images, accuracy on {config.held_out} held-out",
            f"over {config.images} images",
            f"its grid of {result.period} pixels, so up to {trf + result.period - 1}",
        ],
        colour_bars=[("influence / peak", 0, 1)],
    )


def study(record):
    config = record.config
    kinds = {(arm.start.init, arm.start.kernel_size) for arm in record.arms}
    compared = [one for one in record.comparisons if not one.start.fresh]
    large, faster = sum(one.reduction >= 0.3 for one in compared), sum(one.faster for one in compared)
    kinds = sorted(kinds, key=lambda kind: (record.inits().index(kind[0]), kind[1]))
    return Shown(
        [panel for kind in kinds for panel in _row(record, kind)],
        f"A center-low start saves 30 % of the steps or more in {large} of {len(compared)} comparisons; it is clearly "
        f"faster in {faster}",
        [
            f"on {config.training_images} images of CIFAR-10, {config.steps} steps of {config.batch_size} images",
            f"on {config.held_out} held-out ones",
            "Below the dotted line: 30% fewer steps",
            f"accuracy {', '.join(f'{100 * share:.0f}%' for share in config.levels)}",
        ],
    )


def _row(record, kind):
    arms = [arm for arm in record.arms if (arm.start.init, arm.start.kernel_size) == kind]
    strengths = sorted({arm.start.strength for arm in record.arms})
    colours = {a.start: FRESH if a.start.fresh else COLOURS[strengths.index(a.start.strength) % 6] for a in arms}
    compared = [arm for arm in arms if arm.start.fresh or arm.start.strength]
    names = [arm.start.name for arm in compared]
    title = f"{kind[0]}, {kind[1]}x{kind[1]} kernels, n = {len(arms[0].seeds)} seeds"
    yield Panel(
        [level(1), level(0.7), *(m for place, arm in enumerate(compared) for m in _steps(record, place, arm, colours))],
        title, "", "steps / standard's", ("linear", "log"),
        {place: name.replace(" ", "\n") for place, name in enumerate(names)},
    )  # fmt: skip
    yield Panel(
        [level(0), *(m for place, arm in enumerate(compared) for m in _accuracy(record, place, arm, colours))],
        "", "", "final accuracy less\nstandard's (points)",
        xticks={place: name.removeprefix("strength ").replace(" ", "\n") for place, name in enumerate(names)},
    )  # fmt: skip


def _steps(record, place, arm, colours):
    levels = record.config.levels
    (standard,) = (other for other in record.arms if other.start == arm.start.standard)
    for number, share in enumerate(levels):
        (one,) = (c for c in record.comparisons if (c.start, c.level) == (arm.start, share))
        x = place + 0.8 / len(levels) * (number - (len(levels) - 1) / 2)
        at = x + 0.8 / len(levels) * np.linspace(-0.25, 0.25, len(one.reductions))
        pairs = zip(arm.steps_to, standard.steps_to, strict=True)
        reached = np.array([None not in (ours[number], theirs[number]) for ours, theirs in pairs])
        ratios = 1 - np.array(one.reductions)
        yield line(at[reached], ratios[reached], "", colours[arm.start], hollow=False)
        yield line(at[~reached], ratios[~reached], "", colours[arm.start], hollow=True)
        yield line([x, x], [1 - one.interval[0], 1 - one.interval[1]], "", "black")
        yield line([x - 0.09, x + 0.09], [1 - one.reduction] * 2, "", "black")


def _accuracy(record, place, arm, colours):
    (one,) = (c for c in record.accuracies if c.start == arm.start)
    yield line([place, place], [100 * end for end in one.interval], "", colours[arm.start])
    yield line([place], [100 * one.difference], "", colours[arm.start])
