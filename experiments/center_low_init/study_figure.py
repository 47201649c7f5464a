"""Does a center-low initialization train faster? Curves, steps saved by seed, and what chance alone does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from erf.inits import Init
from experiments.center_low_init.pairs import PAPER_REDUCTION
from experiments.center_low_init.study import Arm, Study
from experiments.harness.style import new_figure

# Okabe & Ito (2008): the standard, then strengths in increasing order; the null is grey.
COLOURS = ("#000000", "#56B4E9", "#0072B2", "#009E73", "#D55E00", "#CC79A7")
FRESH = "0.55"
MARKERS = ("o", "s", "^", "D", "v")
RATIOS = (0.03, 0.06, 0.12, 0.25, 0.35, 0.5, 0.6, 0.7, 0.8, 1, 1.2, 1.4, 1.7, 2, 3, 4, 8)  # ticks, where shown
CAPTION = (
    "Small CNN on {training} images of CIFAR-10, {steps} steps of {batch} images, accuracy on {held_out} held-out "
    "ones. Each row: one init and kernel size; curves: means over seeds. Steps: each dot is a pair of one seed, same "
    "data order and same draw of the weights, of which the profile alone differs; 'fresh weights': the null, another "
    "draw in the same order. Bars: median and 95 % by drawing pairs anew; hollow: one of the pair is censored and "
    "counts with the whole budget. Below the dotted line: {large:.0%} fewer steps or better. Final accuracy: mean and "
    "95 %. ERF: middle unit of the top layer, mean_abs over {images} images, σ of the map."
)


def draw(study: Study) -> Figure:
    """Draw one row for each init and kernel size: accuracy and the ERF's σ by step, steps and accuracy by pair."""
    rows = sorted({(study.inits().index(arm.start.init), arm.start.kernel_size) for arm in study.arms})
    figure = new_figure(15, 3 * len(rows) + 1)
    panels = figure.subplots(len(rows), 4, squeeze=False, width_ratios=(1, 1, 1.7, 0.8))
    for axes, (place, kernel_size) in zip(panels, rows, strict=True):
        _draw_row(list(axes), study, study.inits()[place], kernel_size)
    for axes in panels[-1, :2]:
        axes.set_xlabel("step")
    for column in (2, 3):  # rows are compared by them
        for axes in panels[1:, column]:
            axes.sharey(panels[0, column])
        panels[0, column].autoscale(axis="y")
    for axes in panels[:, 2]:
        _label_ratios(axes)
    figure.set_label(_caption(study))
    return figure


def _caption(study: Study) -> str:
    config = study.config
    return CAPTION.format(
        training=config.training_images,
        steps=config.steps,
        batch=config.batch_size,
        held_out=config.held_out,
        images=config.images,
        large=PAPER_REDUCTION,
    )


def _draw_row(panels: list[Axes], study: Study, init: Init, kernel_size: int) -> None:
    arms = [arm for arm in study.arms if (arm.start.init, arm.start.kernel_size) == (init, kernel_size)]
    colours = _colours(study, arms)
    accuracy, sigma, steps, final = panels
    for arm, colour in zip(arms, colours, strict=True):
        style = "--" if arm.start.fresh else "-"
        for axes, name in ((accuracy, "accuracy"), (sigma, "sigma")):
            curve = study.arrays[f"{name}/{arm.start.key}"].mean(0)
            axes.plot(study.arrays["steps"], curve, style, lw=1.2, color=colour, label=arm.start.name)
    for level in study.config.levels:
        accuracy.axhline(level, color="0.8", lw=0.7, zorder=0)
    accuracy.set_ylabel("accuracy")
    accuracy.set_title(f"{init}, {kernel_size}x{kernel_size}, n = {len(arms[0].seeds)} seeds")
    accuracy.legend(loc="lower right")
    sigma.set_ylabel("σ (pixels)")
    sigma.set_title("σ of the ERF")
    for axes in (accuracy, sigma):
        axes.set_xlim(0, study.config.steps)
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
    axes.set_yscale("log")
    axes.set_ylabel("steps / standard's steps")
    words = [f"{level:.0%}" for level in levels]
    axes.set_title(f"to accuracy {', '.join(words)} (left to right); below 1: faster")


def _label_ratios(axes: Axes) -> None:
    low, high = axes.get_ylim()
    ticks = [tick for tick in RATIOS if low <= tick <= high]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()


def _draw_final(axes: Axes, study: Study, compared: Sequence[tuple[Arm, str]]) -> None:
    for place, (arm, colour) in enumerate(compared):
        gain = next(one for one in study.accuracies if one.start == arm.start)
        axes.plot([place, place], np.multiply(100, gain.interval), color=colour, lw=1.5)
        axes.plot(place, 100 * gain.difference, "s", ms=5, color=colour)
    axes.axhline(0, color="black", lw=0.7)
    axes.set_ylabel("percentage points")
    axes.set_title("final accuracy less the standard's")
