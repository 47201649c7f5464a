"""Does a center-low initialization train faster? Steps saved by seed, and what chance alone does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from erf.inits import Init
from experiments.center_low_init.pairs import PAPER_REDUCTION
from experiments.center_low_init.study import Arm, Study
from experiments.harness.style import PAGE, entitle, new_figure, ticks_within

# Okabe & Ito (2008): the standard, then strengths in increasing order; the null is grey.
COLOURS = ("#000000", "#56B4E9", "#0072B2", "#009E73", "#D55E00", "#CC79A7")
FRESH = "0.55"
MARKERS = ("o", "s", "^", "D", "v")
RATIOS = (0.03, 0.06, 0.12, 0.25, 0.35, 0.5, 0.7, 1, 1.4, 2, 3, 4, 8)  # ticks, where shown
CAPTION = (
    "Small CNN on {config.training_images} images of CIFAR-10, {config.steps} steps of {config.batch_size} images, "
    "accuracy on {config.held_out} held-out ones. Each row: one init and kernel size. Left: steps to an accuracy over "
    "those of the standard; each dot is a pair of one seed, same data order and same draw of the weights, of which the "
    "profile alone differs; 'fresh weights': the null, another draw in the same order. Bars: median and 95 % by "
    "drawing pairs anew; hollow: one of the pair never got there and counts with the whole budget. Below the dotted "
    "line: {large:.0%} fewer steps or better. Markers, from left: accuracy {levels}. Right: mean and 95 %."
)


def draw(study: Study) -> Figure:
    """Draw one row for each init and kernel size: steps and final accuracy by pair."""
    rows = sorted({(study.inits().index(arm.start.init), arm.start.kernel_size) for arm in study.arms})
    figure = new_figure(PAGE, 1.9 * len(rows) + 0.6)
    panels = figure.subplots(len(rows), 2, squeeze=False, width_ratios=(2.2, 1), sharey="col")
    for (steps, final), (place, kernel_size) in zip(panels, rows, strict=True):
        _draw_row(steps, final, study, study.inits()[place], kernel_size)
    for axes in panels[:, 0]:
        ticks_within(axes.yaxis, RATIOS)
        axes.minorticks_off()
    levels = ", ".join(f"{level:.0%}" for level in study.config.levels)
    entitle(figure, message(study), CAPTION, config=study.config, large=PAPER_REDUCTION, levels=levels)
    return figure


def message(study: Study) -> str:
    """Return in how many comparisons the paper's saving is reached, and in how many any is certain."""
    compared = [one for one in study.comparisons if not one.start.fresh]
    large, faster = sum(one.reduction >= PAPER_REDUCTION for one in compared), sum(one.faster for one in compared)
    return (
        f"A center-low start saves {100 * PAPER_REDUCTION:.0f} % of the steps or more in {large} of {len(compared)} "
        f"comparisons; it is clearly faster in {faster}"
    )


def _draw_row(steps: Axes, final: Axes, study: Study, init: Init, kernel_size: int) -> None:
    arms = [arm for arm in study.arms if (arm.start.init, arm.start.kernel_size) == (init, kernel_size)]
    colours = _colours(study, arms)
    steps.set_title(f"{init}, {kernel_size}x{kernel_size} kernels, n = {len(arms[0].seeds)} seeds")
    compared = [pair for pair in zip(arms, colours, strict=True) if pair[0].start != pair[0].start.standard]
    _draw_steps(steps, study, compared)
    _draw_final(final, study, compared)
    names = [arm.start.name for arm, _ in compared]
    for axes, words in ((steps, names), (final, [name.removeprefix("strength ") for name in names])):
        axes.set_xticks(range(len(words)), [word.replace(" ", "\n") for word in words])
        axes.set_xlim(-0.5, max(len(words), 1) - 0.5)


def _colours(study: Study, arms: Sequence[Arm]) -> list[str]:
    strengths = sorted({arm.start.strength for arm in study.arms})  # one colour for each, whatever the init
    return [FRESH if arm.start.fresh else COLOURS[strengths.index(arm.start.strength) % len(COLOURS)] for arm in arms]


def _draw_steps(axes: Axes, study: Study, compared: Sequence[tuple[Arm, str]]) -> None:
    levels = study.config.levels
    for place, (arm, colour) in enumerate(compared):
        standard = next(other for other in study.arms if other.start == arm.start.standard)
        comparisons = [one for one in study.comparisons if one.start == arm.start]
        for at, one in enumerate(comparisons):
            x = place + (at - (len(levels) - 1) / 2) * 0.8 / len(levels)
            spread = np.linspace(-0.25, 0.25, len(one.reductions)) * 0.8 / len(levels)
            ratios = 1 - np.array(one.reductions)
            reached = np.array(
                [steps[at] is not None and others[at] is not None
                 for steps, others in zip(arm.steps_to, standard.steps_to, strict=True)]
            )  # fmt: skip
            for chosen, face in ((reached, colour), (~reached, "none")):
                axes.plot((x + spread)[chosen], ratios[chosen], MARKERS[at % len(MARKERS)], ms=3, color=colour,
                          mfc=face, alpha=0.6, mew=0.7)  # fmt: skip
            low, high = (1 - end for end in one.interval)
            axes.plot([x, x], [low, high], color="black", lw=1.3)
            axes.plot([x - 0.09, x + 0.09], [1 - one.reduction] * 2, color="black", lw=1.8)
    axes.axhline(1, color="black", lw=0.7)
    axes.axhline(1 - PAPER_REDUCTION, color="black", lw=0.8, ls=":")
    axes.set(yscale="log", ylabel="steps / standard's")
    axes.grid(axis="y")


def _draw_final(axes: Axes, study: Study, compared: Sequence[tuple[Arm, str]]) -> None:
    for place, (arm, colour) in enumerate(compared):
        gain = next(one for one in study.accuracies if one.start == arm.start)
        axes.plot([place, place], np.multiply(100, gain.interval), color=colour, lw=1.5)
        axes.plot(place, 100 * gain.difference, "s", ms=5, color=colour)
    axes.axhline(0, color="black", lw=0.7)
    axes.set_ylabel("final accuracy less\nstandard's (points)")
    axes.grid(axis="y")
