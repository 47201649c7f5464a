"""What the figure shows of a record."""

import numpy as np

from experiments.growth_controls.figure import LOOKS
from experiments.harness.style import fill
from experiments.trainings.plan import Probe
from tests.figures import Panel, Shown, image, level, line


def shown(result):
    config = result.config
    maps = [
        Panel(
            [image(result.arrays[f"{arm}/images/{when}"].astype(np.float32))],
            fill(LOOKS[arm].label, 13) if when == "before" else "",
            "",
            "" if arm is not config.arms[0] else title,
        )
        for when, title in (("before", "before"), ("after", f"epoch {config.epochs}"))
        for arm in config.arms
    ]
    outcomes = {arm: result.outcome(arm, Probe.images) for arm in config.arms}
    said = [
        f"{one.growth:+.1f} pixels ({LOOKS[arm].label})"
        for arm, one in outcomes.items()
        if one.growth_interval and one.growth_interval[0] > 0
    ]
    message = f"The ERF clearly grows in {len(said)} of {len(outcomes)} kinds of training"
    message += f": by {' and '.join(said)}" if said else ""
    if len(outcomes) == 1:
        (only,) = outcomes
        growth = f"{outcomes[only].growth:+.1f} pixels"
        message = f"With {LOOKS[only].label} and width {config.width} training changes the ERF by {growth}"
    return Shown(
        [
            _by_epoch(result, lambda one: one.course(Probe.images).sizes, "measured on held-out images"),
            _by_epoch(result, lambda one: one.course(Probe.noise).sizes, "measured on normal noise"),
            _by_epoch(result, lambda one: one.accuracies, "", "validation accuracy"),
            _growth(result),
            *maps,
        ],
        message,
        [
            f"{config.statistic} over {config.images} images; width {config.width}, {config.epochs} epochs",
            f"{config.seeds} trainings of each kind (seed {config.seed})",
            f"4.55 % of the {config.reference}",
        ],
        [("influence / peak", 0, 1)],
        [LOOKS[arm].label for arm in config.arms],
    )


def _by_epoch(result, numbers, title, ylabel="ERF size (pixels)", legend=False):
    marks, epochs = [], range(result.config.epochs + 1)
    for arm in result.config.arms:
        curves = [numbers(one) for one in result.of_arm(arm)]
        marks += [line(epochs, curve, "", LOOKS[arm].colour) for curve in curves]
        marks.append(line(epochs, np.mean(curves, 0), LOOKS[arm].label, LOOKS[arm].colour))
    return Panel(marks, title, "epoch", ylabel, legend=legend)


def _growth(result):
    marks, names = [level(0)], {}
    for place, arm in enumerate(result.config.arms):
        for probe, at in ((Probe.images, place - 0.15), (Probe.noise, place + 0.15)):
            outcome, colour = result.outcome(arm, probe), LOOKS[arm].colour
            each = [one.course(probe).growth for one in result.of_arm(arm)]
            ends = outcome.growth_interval or (outcome.growth, outcome.growth)
            marks.append(line([at, at], ends, "", colour))
            marks.append(line([at], [outcome.growth], "", colour, hollow=probe is Probe.noise))
            marks.append(line([at + 0.07] * len(each), each, "", colour))
        names[place] = fill(LOOKS[arm].label, 9)
    return Panel(marks, "filled: on images; open: on noise", "", "growth (pixels)", xticks=names)
