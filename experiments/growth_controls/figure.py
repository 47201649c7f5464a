"""The controls for Figure 3 of the paper: growth of the ERF by way of training, on images and on noise."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from experiments.growth_controls.config import Arm
from experiments.growth_controls.experiment import Outcome, Result
from experiments.harness.style import PAGE, Look, entitle, fill, from_zero, map_colour_bar, new_figure, show_map
from experiments.trainings.plan import Probe

LOOKS = {
    Arm.batch_norm: Look("#0072B2", "o", "batch norm"),
    Arm.zero_gain: Look("#E69F00", "s", "batch norm, blocks start at 0"),
    Arm.random_labels: Look("#D55E00", "^", "random labels, batch norm"),
    Arm.folded: Look("#009E73", "D", "batch norm folded before"),
    Arm.no_batch_norm: Look("#CC79A7", "v", "never batch norm"),
}
PROBED = {Probe.images: "held-out images", Probe.noise: "normal noise"}
CAPTION = (
    "Middle unit of the top layer, normalized; {config.statistic} over {config.images} images; width {config.width}, "
    "{config.epochs} epochs, {config.seeds} trainings of each kind (seed {config.seed}). ERF size: root of the number "
    "of pixels above 4.55 % of the {config.reference}, in the image. Thin lines: trainings; thick: their mean. Bars: "
    "95 %, t over trainings; dots: trainings. Maps: mean over trainings, peak 1, on held-out images of 32 x 32 pixels."
)


def draw(result: Result) -> Figure:
    """Draw ERF sizes by epoch on images and on noise, accuracies, growth, and maps before and after."""
    count = len(result.config.arms)
    if count > 1:
        figure = new_figure(PAGE, 7.6)
        curves, maps = figure.subfigures(2, 1, squeeze=False, height_ratios=(1.9, 1))[:, 0]
    else:  # its maps have room beside the curves
        figure = new_figure(PAGE, 4.2)
        curves, maps = figure.subfigures(1, 2, squeeze=False, width_ratios=(2.6, 1))[0]
    axes = curves.subplots(2, 2)
    for one, probe in zip(axes[0], Probe, strict=True):
        _draw_sizes(one, result, probe)
    axes[0, 1].sharey(axes[0, 0])
    from_zero(axes[0, 0])
    _draw_accuracies(axes[1, 0], result)
    _draw_growth(axes[1, 1], result)
    curves.legend(
        *axes[1, 0].get_legend_handles_labels(), loc="outside lower center", ncols=min(count, 3), frameon=False
    )
    _draw_maps(maps, result)
    entitle(figure, _message(result), CAPTION, config=result.config)
    return figure


def _draw_maps(part: SubFigure, result: Result) -> None:
    """Draw a column of maps for each arm."""
    axes = part.subplots(2, len(result.config.arms), squeeze=False)
    for column, arm in zip(axes.T, result.config.arms, strict=True):
        for one, when in zip(column, ("before", "after"), strict=True):
            show_map(one, result.arrays[f"{arm}/images/{when}"].astype(np.float32))
            one.set(xticks=[], yticks=[])
        column[0].set_title(_broken(arm, 13))
    for one, title in zip(axes[:, 0], ("before", f"epoch {result.config.epochs}"), strict=True):
        one.set_ylabel(title)
    map_colour_bar(part, list(axes.flat), "right" if len(result.config.arms) > 1 else "bottom")


def _message(result: Result) -> str:
    """Return in which kinds of training the ERF clearly grows, or what the only one does."""
    outcomes = [result.outcome(arm, Probe.images) for arm in result.config.arms]
    if len(outcomes) == 1:
        (only,) = outcomes
        return (
            f"With {LOOKS[only.arm].label} and width {result.config.width} training changes the ERF by {_growth(only)}"
        )
    growing = [one for one in outcomes if one.growth_interval and one.growth_interval[0] > 0]
    said = [f"{_growth(one)} ({LOOKS[one.arm].label})" for one in growing]
    by = f": by {' and '.join(said)}" if said else ""
    return f"The ERF clearly grows in {len(said)} of {len(outcomes)} kinds of training{by}"


def _growth(outcome: Outcome) -> str:
    return f"{outcome.growth:+.1f} pixels"


def _draw_curves(axes: Axes, result: Result, arm: Arm, curves: list[tuple[float, ...]]) -> None:
    epochs = range(result.config.epochs + 1)
    look = LOOKS[arm]
    for curve in curves:
        axes.plot(epochs, curve, color=look.colour, lw=0.5, alpha=0.5)
    axes.plot(epochs, np.mean(curves, axis=0), f"{look.marker}-", ms=3, color=look.colour, label=look.label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch")
    axes.grid()


def _draw_sizes(axes: Axes, result: Result, probe: Probe) -> None:
    for arm in result.config.arms:
        _draw_curves(axes, result, arm, [one.course(probe).sizes for one in result.of_arm(arm)])
    axes.set(title=f"measured on {PROBED[probe]}", ylabel="ERF size (pixels)")


def _draw_accuracies(axes: Axes, result: Result) -> None:
    for arm in result.config.arms:
        _draw_curves(axes, result, arm, [one.accuracies for one in result.of_arm(arm)])
    axes.set(ylabel="validation accuracy", ylim=(0, 1))


def _broken(arm: Arm, letters: int) -> str:
    """Return an arm's label on short lines."""
    return fill(LOOKS[arm].label, letters)


def _draw_growth(axes: Axes, result: Result) -> None:
    """Draw each arm's growth on images (left of its place) and on noise (right)."""
    for place, arm in enumerate(result.config.arms):
        for probe, shift, face in ((Probe.images, -0.15, LOOKS[arm].colour), (Probe.noise, 0.15, "white")):
            outcome = result.outcome(arm, probe)
            low, high = outcome.growth_interval or (outcome.growth, outcome.growth)
            at = place + shift
            axes.plot([at, at], [low, high], color=LOOKS[arm].colour, lw=1.5)
            axes.plot(at, outcome.growth, LOOKS[arm].marker, ms=5, color=LOOKS[arm].colour, mfc=face)
            each = [one.course(probe).growth for one in result.of_arm(arm)]
            axes.plot([at + 0.07] * len(each), each, ".", ms=4, color=LOOKS[arm].colour)
    axes.axhline(0, color="black", lw=0.8)
    axes.set_xticks(range(len(result.config.arms)), [_broken(arm, 9) for arm in result.config.arms])
    axes.set_xlim(-0.5, len(result.config.arms) - 0.5)
    axes.set(ylabel="growth (pixels)", title="filled: on images; open: on noise")
