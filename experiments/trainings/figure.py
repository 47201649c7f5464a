"""The figure of an ERF in training: before and after as in Figure 3 of the paper, the trajectory, and a filmstrip."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from erf.metrics.erf_size import TWO_SIGMA_MASS
from experiments.harness.intervals import interval_text
from experiments.harness.style import PAGE, entitle, from_zero, map_colour_bar, new_figure, show_map
from experiments.trainings.growth_result import Growth, Layer
from experiments.trainings.growth_tables import in_words

BEFORE, AFTER, METRIC = "#0072B2", "#D55E00", "#009E73"  # Okabe & Ito (2008)
LAYER_MAPS = 7  # at most, of layers at equal distances
CAPTION = (
    "Unit {result.center_unit} of the top layer; {config.statistic} over n = {result.images} {probe}, peak 1; one "
    "training, seed {config.seed}. ERF size: root of the number of pixels above 4.55 % of the "
    "{config.reference}{dotted}; bands: 95 % over images. Maps: the image of {result.input_size[0]} x "
    "{result.input_size[1]} pixels. The top layer's theoretical receptive field is "
    "{result.theoretical_receptive_field} x {result.theoretical_receptive_field} pixels{clipped}."
)


def draw_growth(result: Growth, metric: str, tested: str) -> Figure:
    """Draw maps before and after, size and validation ``metric`` by epoch, sizes of other units, and a filmstrip."""
    figure = new_figure(PAGE, 5.9)
    top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=(4.1, 1.2))[:, 0]
    left, right = top.subfigures(1, 2, squeeze=False, width_ratios=(1, 1.1))[0]
    _draw_maps(left, result)
    trajectory, validation, units = right.subplots(3, 1, height_ratios=(2, 1, 1.2))
    validation.sharex(trajectory)
    _draw_trajectory(trajectory, result)
    _draw_validation(validation, result, metric)
    _draw_units(units, result)
    _draw_filmstrip(bottom, result)
    growth = f"Growth: {result.growth:.1f} ({interval_text(result.growth_interval, 1)}) pixels; {tested}."
    caption = f"{_caption(result, dotted=' (dotted)')} {growth} Other units: no intervals are recorded."
    entitle(figure, _message(result), caption)
    return figure


def _message(result: Growth) -> str:
    """Return how much the ERF changes, and which way if its interval says so."""
    low, high = result.growth_interval
    verb = "grows" if low > 0 else "shrinks" if high < 0 else "changes"
    return (
        f"In training the ERF {verb} by {100 * abs(result.growth_factor - 1):.0f} %, "
        f"from {result.erf_size_before:.1f} to {result.erf_size_after:.1f} pixels"
    )


def draw_layers(result: Growth) -> Figure:
    """Draw ERF sizes of every layer's middle unit before and after training, and below them all maps."""
    figure = new_figure(PAGE, 5.2)
    top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=(2.9, 1.9))[:, 0]
    _draw_layer_sizes(sizes := top.subplots(), result)
    top.legend(*sizes.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    places = np.unique(np.linspace(0, len(result.layers) - 1, LAYER_MAPS).round().astype(int))
    axes = bottom.subplots(2, len(places), squeeze=False)
    for row, name, title in zip(axes, ("before", "after"), ("before", f"epoch {result.best_epoch}"), strict=True):
        for one, place in zip(row, places, strict=True):
            show_map(one, result.arrays[f"layers/{name}"][place].astype(np.float32))
            one.set(title=result.layers[place].layer if name == "before" else "", xticks=[], yticks=[])
        row[0].set_ylabel(title)
    map_colour_bar(bottom, list(axes.flat))
    caption = _caption(result).replace(f"Unit {result.center_unit} of the top layer", "Each layer's middle unit")
    last = result.layers[-1]
    message = (
        f"After training the ERF of the last layer is {_pixels(last.erf_size_after)} wide, "
        f"before it {_pixels(last.erf_size_before)}, of {inside(result, last):.0f} possible"
    )
    entitle(figure, message, caption)
    return figure


def inside(result: Growth, layer: Layer) -> float:
    """Return the root of the number of pixels of the layer's theoretical field in the image."""
    return math.sqrt(math.prod(min(layer.trf_size, side) for side in result.input_size))


def _pixels(size: float | None) -> str:
    return "of unknown size" if size is None else f"{size:.0f} pixels"


def _draw_layer_sizes(axes: Axes, result: Growth) -> None:
    places = np.arange(len(result.layers))
    for name, title, colour, marker in (
        ("before", "before training", BEFORE, "o"),
        ("after", f"epoch {result.best_epoch}", AFTER, "s"),
    ):
        sizes = [getattr(layer, f"erf_size_{name}") for layer in result.layers]
        ends = [getattr(layer, f"erf_size_{name}_interval") or (np.nan, np.nan) for layer in result.layers]
        low, high = np.array(ends).T
        axes.fill_between(places, low, high, color=colour, alpha=0.25, lw=0)
        axes.plot(
            places, [np.nan if size is None else size for size in sizes], f"{marker}-", ms=3, color=colour, label=title
        )
    fields = [inside(result, layer) for layer in result.layers]
    axes.plot(places, fields, color="grey", lw=0.8, ls=":", label="root of the theoretical field's area in the image")
    axes.set_xticks(places, [layer.layer for layer in result.layers], rotation=45, ha="right")
    axes.set_ylabel("ERF size (pixels)")
    axes.grid()


def _caption(result: Growth, dotted: str = "") -> str:
    return CAPTION.format(
        result=result,
        config=result.config,
        probe="held-out images" if result.config.probe == "images" else "noise images",
        dotted=dotted,
        clipped=" and leaves the image: only what lies inside is shown and counted" if any(result.clipped) else "",
    )


def _draw_maps(part: SubFigure, result: Growth) -> None:
    """Draw both maps above their values along the unit's row, with the threshold of the ERF size."""
    axes = part.subplot_mosaic([["before", "after"], ["rows", "rows"]], height_ratios=(1.2, 1))
    rows, (row, middle) = axes["rows"], (int(pixel) for pixel in result.center_pixel)
    for name, title, colour, dashes in (
        ("before", "before training", BEFORE, "--"),
        ("after", f"epoch {result.best_epoch}", AFTER, "-"),
    ):
        values = result.arrays[name] / result.arrays[name].max()
        show_map(axes[name], values)
        axes[name].set_title(title, color=colour)
        axes[name].set_xlabel("column (pixels)")
        level = 1.0 if result.config.reference == "peak" else values[row, middle]
        rows.plot(values[row], color=colour, ls=dashes, label=title)
        rows.axhline((1 - TWO_SIGMA_MASS) * level, color="grey", lw=0.8, ls=":")
    rows.set(ylim=(0, 1.05), xlabel=f"column (pixels) at row {row}", ylabel="influence / peak")
    rows.legend(frameon=False, loc="upper left")
    axes["before"].set_ylabel("row (pixels)")
    map_colour_bar(part, [axes["before"], axes["after"]], "top")


def _draw_trajectory(axes: Axes, result: Growth) -> None:
    measured = [at.epoch for at in result.measured()]
    low, high = np.array([at.erf_size_interval for at in result.measured()]).T
    axes.fill_between(measured, low, high, color=AFTER, alpha=0.25, lw=0)
    axes.plot(measured, np.array([at.erf_size for at in result.measured()]), "o-", ms=3, color=AFTER)
    axes.set_ylabel("ERF size (pixels)")
    from_zero(axes)
    _by_epoch(axes, result)


def _draw_validation(axes: Axes, result: Growth, metric: str) -> None:
    epochs = [at.epoch for at in result.trajectory]
    axes.plot(epochs, [at.validation[metric] for at in result.trajectory], "s-", ms=3, color=METRIC)
    axes.set_ylabel(f"validation\n{in_words(metric)}")
    from_zero(axes)
    axes.set_xlabel("epoch (dashed: best validation)")
    _by_epoch(axes, result)


def _by_epoch(axes: Axes, result: Growth) -> None:
    axes.axvline(result.best_epoch, color="black", lw=0.8, ls="--")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid()


def _draw_units(axes: Axes, result: Growth) -> None:
    """Draw each unit's size before and after, joined by a line."""
    places = np.arange(len(result.units))
    before, after = (
        np.array([getattr(unit, f"erf_size_{when}") for unit in result.units]) for when in ("before", "after")
    )
    axes.vlines(places, before, after, color="grey", lw=0.8)
    axes.plot(places, before, "o", color=BEFORE, mfc="white", label="before")
    axes.plot(places, after, "s", color=AFTER, label="after")
    axes.set_xticks(places, [f"{unit.unit[0]},\n{unit.unit[1]}" for unit in result.units])
    axes.set(xlabel="unit (row, column); the center first", ylabel="ERF size (pixels)")
    from_zero(axes)
    axes.legend(loc="lower right", ncols=2, frameon=False)


def _draw_filmstrip(part: SubFigure, result: Growth) -> None:
    frames, maps = result.arrays["frames"], result.arrays["maps"].astype(np.float32)
    axes = part.subplots(1, len(frames), squeeze=False)[0]
    for one, epoch, values in zip(axes, frames, maps, strict=True):
        show_map(one, values)
        one.set(title=f"epoch {epoch}\nERF {result.trajectory[epoch].erf_size:.1f}", xticks=[], yticks=[])
