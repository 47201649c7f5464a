"""The figure of an ERF in training: before and after as in Figure 3 of the paper, the trajectory, and a filmstrip."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from erf.metrics.erf_size import TWO_SIGMA_MASS
from experiments.harness.intervals import interval_text
from experiments.harness.style import map_colour_bar, new_figure, show_map
from experiments.trainings.growth_result import Growth
from experiments.trainings.growth_tables import in_words

BEFORE, AFTER, METRIC = "#0072B2", "#D55E00", "#009E73"  # Okabe & Ito (2008)
CAPTION = (
    "Unit {unit} of the top layer; {statistic} over {images} {probe}, peak 1; seed {seed}. ERF size: root of the "
    "number of pixels above 4.55 % of the {reference}{dotted}; bands: 95 % over images. Maps: the image of {height} x "
    "{width} pixels. The top layer's theoretical receptive field is {trf} x {trf} pixels{clipped}."
)


def draw_growth(result: Growth, metric: str, tested: str) -> Figure:
    """Draw maps before and after, size and validation ``metric`` by epoch, sizes of other units, and a filmstrip."""
    figure = new_figure(11, 7.8)
    top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=(2.4, 1))[:, 0]
    maps, curves = top.subfigures(1, 2, squeeze=False, width_ratios=(1, 1.05))[0]
    _draw_maps(maps, result)
    trajectory, units = curves.subplots(2, 1, height_ratios=(1.7, 1))
    _draw_trajectory(trajectory, result, metric)
    _draw_units(units, result)
    _draw_filmstrip(bottom, result)
    figure.suptitle(_headline(result, tested), fontsize=11)
    figure.supxlabel(_caption(result, dotted=" (dotted)"), fontsize=8, wrap=True)
    return figure


def draw_layers(result: Growth) -> Figure:
    """Draw ERF sizes of every layer's middle unit before and after training, and below them all maps."""
    figure = new_figure(11, 5.4)
    top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=(2.4, 1))[:, 0]
    _draw_layer_sizes(top.subplots(), result)
    axes = bottom.subplots(2, len(result.layers), squeeze=False)
    for row, name, title in zip(axes, ("before", "after"), ("before", f"epoch {result.best_epoch}"), strict=True):
        for one, values in zip(row, result.arrays[f"layers/{name}"].astype(np.float32), strict=True):
            show_map(one, values)
            one.set_xticks([])
            one.set_yticks([])
        row[0].set_ylabel(title, fontsize=8)
    figure.suptitle("ERF of every layer before and after training", fontsize=11)
    caption = _caption(result).replace(f"Unit {result.center_unit} of the top layer", "Each layer's middle unit")
    figure.supxlabel(caption, fontsize=8, wrap=True)
    return figure


def _draw_layer_sizes(axes: Axes, result: Growth) -> None:
    places = np.arange(len(result.layers))
    for name, title, colour in (("before", "before training", BEFORE), ("after", f"epoch {result.best_epoch}", AFTER)):
        sizes = [getattr(layer, f"erf_size_{name}") for layer in result.layers]
        ends = [getattr(layer, f"erf_size_{name}_interval") or (np.nan, np.nan) for layer in result.layers]
        low, high = np.array(ends).T
        axes.fill_between(places, low, high, color=colour, alpha=0.25, lw=0)
        axes.plot(places, [np.nan if size is None else size for size in sizes], "o-", ms=3, color=colour, label=title)
    inside = [math.sqrt(math.prod(min(layer.trf_size, side) for side in result.input_size)) for layer in result.layers]
    axes.plot(places, inside, color="grey", lw=0.8, ls=":", label="root of the theoretical field's area in the image")
    axes.set_xticks(places, [layer.layer for layer in result.layers], fontsize=7, rotation=45, ha="right")
    axes.set_ylabel("ERF size (pixels)")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="upper left")


def _headline(result: Growth, tested: str) -> str:
    growth = interval_text(result.growth_interval, 1)
    return (
        f"ERF size {result.erf_size_before:.1f} before training, {result.erf_size_after:.1f} at epoch "
        f"{result.best_epoch}: growth {result.growth:.1f} ({growth}) pixels, "
        f"factor {result.growth_factor:.2f}\n{tested}"
    )


def _caption(result: Growth, dotted: str = "") -> str:
    config = result.config
    height, width = result.input_size
    return CAPTION.format(
        unit=result.center_unit,
        statistic=config.statistic,
        images=result.images,
        probe="held-out images" if config.probe == "images" else "noise images",
        seed=config.seed,
        reference="center" if config.reference == "center" else "peak",
        dotted=dotted,
        height=height,
        width=width,
        trf=result.theoretical_receptive_field,
        clipped=" and leaves the image: only what lies inside is shown and counted" if any(result.clipped) else "",
    )


def _draw_maps(part: SubFigure, result: Growth) -> None:
    """Draw each map above its values along the unit's row, with the threshold of the ERF size."""
    axes = part.subplots(2, 2, height_ratios=(1.7, 1), squeeze=False)
    named = (("before", "before training", BEFORE), ("after", f"epoch {result.best_epoch}", AFTER))
    for column, (name, title, colour) in enumerate(named):
        values = result.arrays[name] / result.arrays[name].max()
        show_map(axes[0, column], values)
        axes[0, column].set_title(title, fontsize=10)
        axes[0, column].set_xlabel("column (pixels)", fontsize=8)
        row, middle = (int(pixel) for pixel in result.center_pixel)
        level = 1.0 if result.config.reference == "peak" else values[row, middle]
        axes[1, column].plot(values[row], color=colour, lw=1.2)
        axes[1, column].axhline((1 - TWO_SIGMA_MASS) * level, color="grey", lw=0.8, ls=":")
        axes[1, column].set_ylim(0, 1.05)
        axes[1, column].set_xlabel(f"column (pixels) at row {row}", fontsize=8)
        axes[1, column].tick_params(labelsize=7)
    axes[0, 0].set_ylabel("row (pixels)", fontsize=8)
    axes[1, 0].set_ylabel("influence / peak", fontsize=8)
    map_colour_bar(part, list(axes[0]))


def _draw_trajectory(axes: Axes, result: Growth, metric: str) -> None:
    epochs, measured = [at.epoch for at in result.trajectory], [at.epoch for at in result.measured()]
    low, high = np.array([at.erf_size_interval for at in result.measured()]).T
    axes.fill_between(measured, low, high, color=AFTER, alpha=0.25, lw=0)
    axes.plot(measured, np.array([at.erf_size for at in result.measured()]), "o-", ms=3, color=AFTER)
    axes.axvline(result.best_epoch, color="black", lw=0.8, ls="--")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch (dashed: best validation)", fontsize=8)
    axes.set_ylabel("ERF size (pixels)", color=AFTER)
    axes.grid(alpha=0.3)
    beside = axes.twinx()
    beside.plot(epochs, [at.validation[metric] for at in result.trajectory], "s-", ms=3, color=METRIC)
    beside.set_ylabel(f"validation {in_words(metric)}", color=METRIC)


def _draw_units(axes: Axes, result: Growth) -> None:
    places = np.arange(len(result.units))
    axes.bar(places - 0.2, [unit.erf_size_before for unit in result.units], 0.4, color=BEFORE, label="before")
    axes.bar(places + 0.2, [unit.erf_size_after for unit in result.units], 0.4, color=AFTER, label="after")
    axes.set_xticks(places, [f"{unit.unit[0]},{unit.unit[1]}" for unit in result.units], fontsize=7)
    axes.set_xlabel("unit (row, column); the center first", fontsize=8)
    axes.set_ylabel("ERF size (pixels)")
    axes.margins(y=0.3)  # for the legend above the bars
    axes.legend(fontsize=7, loc="upper right", ncols=2)


def _draw_filmstrip(part: SubFigure, result: Growth) -> None:
    frames, maps = result.arrays["frames"], result.arrays["maps"].astype(np.float32)
    axes = part.subplots(1, len(frames), squeeze=False)[0]
    for one, epoch, values in zip(axes, frames, maps, strict=True):
        show_map(one, values)
        one.set_title(f"epoch {epoch}\n{result.trajectory[epoch].erf_size:.1f} px", fontsize=8)
        one.set_xticks([])
        one.set_yticks([])
