"""The controls for Figure 3 of the paper: growth of the ERF by way of training, on images and on noise."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from experiments.growth_controls.config import Arm
from experiments.growth_controls.experiment import Result
from experiments.harness.style import map_colour_bar, new_figure, show_map
from experiments.trainings.plan import Probe

# Okabe & Ito (2008).
COLOURS = {
    Arm.batch_norm: "#0072B2",
    Arm.zero_gain: "#E69F00",
    Arm.random_labels: "#D55E00",
    Arm.folded: "#009E73",
    Arm.no_batch_norm: "#CC79A7",
}
LABELS = {
    Arm.batch_norm: "batch norm",
    Arm.zero_gain: "batch norm, blocks start at 0",
    Arm.random_labels: "random labels, batch norm",
    Arm.folded: "batch norm folded before",
    Arm.no_batch_norm: "never batch norm",
}
PROBED = {Probe.images: "held-out images", Probe.noise: "normal noise"}
CAPTION = (
    "Middle unit of the top layer, normalized; {statistic} over {images} images; width {width}, {epochs} epochs, "
    "{seeds} trainings of each kind (seed {seed}). ERF size: root of the number of pixels above 4.55 % of the "
    "{reference}, in the image. Thin lines: trainings; thick: their mean. Bars: 95 %, t over trainings; "
    "dots: trainings. Maps: mean over trainings, peak 1, on held-out images of 32 x 32 pixels."
)


def draw(result: Result) -> Figure:
    """Draw ERF sizes by epoch on images and on noise, accuracies, growth, and maps before and after."""
    figure = new_figure(11, 8)
    top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=(1.5, 1))[:, 0]
    axes = top.subplots(2, 2)
    for one, probe in zip(axes[0], Probe, strict=True):
        _draw_sizes(one, result, probe)
    axes[0, 1].sharey(axes[0, 0])
    _draw_accuracies(axes[1, 0], result)
    _draw_growth(axes[1, 1], result)
    count = len(result.config.arms)
    maps = bottom.subplots(*((2, count) if count > 1 else (1, 2)), squeeze=False).reshape(2, count)
    for column, arm in zip(maps.T, result.config.arms, strict=True):
        for one, when in zip(column, ("before", "after"), strict=True):
            show_map(one, result.arrays[f"{arm}/images/{when}"].astype(np.float32))
            one.set_xticks([])
            one.set_yticks([])
        column[0].set_title(LABELS[arm])
    for one, title in zip(maps[:, 0], ("before", f"epoch {result.config.epochs}"), strict=True):
        one.set_ylabel(title)
    map_colour_bar(bottom, list(maps.flat))
    figure.suptitle("How much of an ERF's growth is learning's?")
    figure.set_label(_caption(result))
    return figure


def _caption(result: Result) -> str:
    config = result.config
    return CAPTION.format(
        statistic=config.statistic,
        images=config.images,
        width=config.width,
        epochs=config.epochs,
        seeds=config.seeds,
        seed=config.seed,
        reference=config.reference,
    )


def _draw_curves(axes: Axes, result: Result, arm: Arm, curves: list[tuple[float, ...]]) -> None:
    epochs = range(result.config.epochs + 1)
    for curve in curves:
        axes.plot(epochs, curve, color=COLOURS[arm], lw=0.6, alpha=0.6)
    axes.plot(epochs, np.mean(curves, axis=0), "o-", ms=3, color=COLOURS[arm], label=LABELS[arm])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch")
    axes.grid(alpha=0.3)


def _draw_sizes(axes: Axes, result: Result, probe: Probe) -> None:
    for arm in result.config.arms:
        _draw_curves(axes, result, arm, [one.course(probe).sizes for one in result.of_arm(arm)])
    axes.set_title(f"measured on {PROBED[probe]}")
    axes.set_ylabel("ERF size (pixels)")


def _draw_accuracies(axes: Axes, result: Result) -> None:
    for arm in result.config.arms:
        _draw_curves(axes, result, arm, [one.accuracies for one in result.of_arm(arm)])
    axes.set_ylabel("validation accuracy")
    axes.set_ylim(0, 1)
    axes.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1), frameon=False)  # over no data


def _broken(label: str) -> str:
    """Return the label on two lines."""
    first, second, *rest = label.split()
    return f"{first} {second}\n{' '.join(rest)}"


def _draw_growth(axes: Axes, result: Result) -> None:
    """Draw each arm's growth on images (left of its place) and on noise (right)."""
    for place, arm in enumerate(result.config.arms):
        for probe, shift, face in ((Probe.images, -0.15, COLOURS[arm]), (Probe.noise, 0.15, "white")):
            outcome = result.outcome(arm, probe)
            low, high = outcome.growth_interval or (outcome.growth, outcome.growth)
            at = place + shift
            axes.plot([at, at], [low, high], color=COLOURS[arm], lw=1.5)
            axes.plot(at, outcome.growth, "s", ms=6, color=COLOURS[arm], mfc=face)
            each = [one.course(probe).growth for one in result.of_arm(arm)]
            axes.plot([at + 0.07] * len(each), each, ".", ms=4, color=COLOURS[arm])
    axes.axhline(0, color="black", lw=0.8)
    axes.set_xticks(range(len(result.config.arms)), [_broken(LABELS[arm]) for arm in result.config.arms])
    axes.set_xlim(-0.5, len(result.config.arms) - 0.5)
    axes.tick_params(axis="x")
    axes.set_ylabel("growth (pixels)")
    axes.set_title("filled: on held-out images; open: on noise")
