"""Inset of Figure 2 of the paper: maps of strided, pooled and dilated stacks, their sizes, shapes and grids."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from erf.metrics.grid_average import moving_mean
from experiments.harness.style import PAGE, Look, bar_lengths, entitle, map_colour_bar, new_figure
from experiments.subsampling.experiment import Measured, Result
from experiments.subsampling.variants import Variant

STRIDES, POOLING, DILATION = "#D55E00", "#0072B2", "#009E73"  # Okabe & Ito (2008)
LOOKS = {
    Variant.plain: Look("#000000", "o", "plain"),
    Variant.early_strides: Look(STRIDES, "o", "strides, early"),
    Variant.spread_strides: Look(STRIDES, "o", "strides, spread"),
    Variant.late_strides: Look(STRIDES, "o", "strides, late"),
    Variant.average_pooling: Look(POOLING, "o", "average pooling"),
    Variant.max_pooling: Look(POOLING, "o", "max pooling"),
    Variant.dilation: Look(DILATION, "o", "dilation"),
    Variant.dilated_throughout: Look(DILATION, "o", "dilation 2 throughout"),
}
HALF = 72  # pixels about the unit's center that a map shows, on each side
CAPTION = (
    "Strides and pooling leave a grid in the map, whose period is the product of the strides (last panel: three cuts; "
    "the center is at {center:.2f} of the average). Strides anywhere: exact sizes of {placements} stacks with the "
    "strides in any layers (ticks, shaded). {config.depth} convolutions, {config.kind}, statistic {config.statistic}, "
    "{config.runs} runs each, seed {config.seed}; bars: 95 % over runs; hollow: theory. Maps: peak 1, all at one "
    "scale, dashed: the TRF{beyond}. ERF size on the map averaged over its grid's period."
)


def draw(result: Result) -> Figure:
    """Draw all maps at one scale, above sizes, kurtosis and the grid's pattern in central rows."""
    figure = new_figure(PAGE, 6.9)
    columns = -(-len(result.variants) // 2)
    maps, rest = figure.subfigures(2, 1, squeeze=False, height_ratios=[1.25, 1])[:, 0]
    rows = maps.subplots(2, columns, squeeze=False)
    axes = rows.ravel()
    for one, measured in zip(axes, result.variants, strict=False):
        _draw_map(one, result, measured)
    for spare in axes[len(result.variants) :]:
        spare.set_axis_off()
    for first in rows[:, 0]:
        first.set_ylabel("row (pixels)")
    for last in rows[-1]:
        last.set_xlabel("column (pixels)")
    map_colour_bar(maps, list(axes))
    sizes, kurtosis, grid = rest.subplots(1, 3, width_ratios=[1.2, 1, 1.3])
    _draw_sizes(sizes, result)
    _draw_kurtosis(kurtosis, result)
    _draw_grid(grid, result)
    beyond = [LOOKS[measured.variant].label for measured in result.variants if measured.trf_size > 2 * HALF]
    values = {
        "placements": len(result.arrays["placements"]),
        "center": min(one.center_share for one in result.variants),
        "beyond": f" (of {', '.join(beyond)}: larger than what is shown)" if beyond else "",
    }
    entitle(figure, message(result), CAPTION, config=result.config, **values)
    return figure


def message(result: Result) -> str:
    """Return which variant's ERF is largest, and how many times that of the plain stack."""
    plain = result.of_variant(Variant.plain)
    largest = max(result.variants, key=lambda one: one.size)
    return (
        f"Strides, pooling and dilation enlarge the ERF: from {plain.size:.0f} to up to {largest.size:.0f} pixels "
        f"({LOOKS[largest.variant].label})"
    )


def _draw_map(axes: Axes, result: Result, measured: Measured) -> None:
    values = result.arrays[f"map/{measured.variant}"]
    edge = len(values) / 2  # of the map, from the unit's center
    axes.set_facecolor("black")
    axes.imshow(values, cmap="magma", vmin=0, vmax=1, interpolation="nearest", extent=(-edge, edge, edge, -edge))
    axes.add_patch(Rectangle((-edge, -edge), 2 * edge, 2 * edge, fill=False, ls="--", lw=0.8, ec="white"))
    axes.set(xlim=(-HALF, HALF), ylim=(HALF, -HALF))
    axes.set_title(f"{_name(measured)}\nERF {measured.size:.0f}, TRF {measured.trf_size}", fontsize="medium")


def _name(measured: Measured) -> str:
    """Return a variant's name and the numbers, from 1, of the layers that are not plain, unless none or all are."""
    values = measured.strides if max(measured.strides) > 1 else measured.dilations
    changed = [str(number + 1) for number, value in enumerate(values) if value > 1]
    layers = f",\nlayers {', '.join(changed)}" if 0 < len(changed) < len(values) else ""
    return LOOKS[measured.variant].label + layers


def _draw_number(axes: Axes, result: Result, name: str) -> None:
    """Draw a number of each variant, one below the other, with a line below them for strides anywhere."""
    labels = [LOOKS[measured.variant].label for measured in result.variants]
    axes.set_yticks(range(len(labels) + 1), [*labels, "strides anywhere"])
    axes.set_ylim(len(labels) + 0.5, -0.5)
    axes.grid(axis="x", alpha=0.3)
    for place, measured in enumerate(result.variants):
        value, colour = getattr(measured, name), LOOKS[measured.variant].colour
        bars = bar_lengths([value], [getattr(measured, f"{name}_interval")])
        axes.plot(getattr(measured, f"predicted_{name}"), place, "o", ms=7, mfc="none", color=colour)
        axes.errorbar([value], [place], xerr=bars, fmt="o", ms=3, capsize=2, color=colour)


def _draw_sizes(axes: Axes, result: Result) -> None:
    sizes = result.arrays["placement_sizes"]
    axes.axvspan(sizes.min(), sizes.max(), color="#D55E00", alpha=0.12, lw=0)
    axes.plot(sizes, np.full(len(sizes), len(result.variants)), "|", ms=9, color="#D55E00", alpha=0.35)
    _draw_number(axes, result, "size")
    axes.set(xlabel="ERF size (pixels)", title="sizes; hollow: exact")


def _draw_kurtosis(axes: Axes, result: Result) -> None:
    _draw_number(axes, result, "kurtosis")
    axes.axvline(-1.2, color="grey", ls=":", lw=1)
    axes.axvline(0, color="grey", ls=":", lw=1)
    axes.set(
        yticklabels=[],
        xlim=(-1.3, 0.1),
        xticks=[-1.2, -0.8, -0.4, 0.0],
        xlabel="excess kurtosis\n(box -1.2, Gaussian 0)",
        title="shape of the map",
    )


def _draw_grid(axes: Axes, result: Result) -> None:
    """Draw the exact central rows of the map whose grid has the deepest holes at its center, and of its average."""
    deepest = min(result.variants, key=lambda m: m.center_share)
    values = result.arrays[f"theory/{deepest.variant}"]
    at = np.arange(len(values)) - (len(values) - 1) / 2
    averaged = moving_mean(values, (deepest.period,) * 2)
    between = np.arange(len(averaged)) - (len(averaged) - 1) / 2
    row, half = len(values) // 2, 4 * deepest.period + 8
    near = np.abs(at) <= half
    strongest = int(values[row : row + deepest.period].sum(1).argmax())
    rows = {"row through center": (0, "#D55E00"), "strongest row": (strongest, "#E69F00")}
    for name, (shift, colour) in rows.items():
        axes.plot(at[near], values[row + shift][near], ".-", lw=0.8, ms=4, color=colour, label=name)
    middle = averaged[(len(averaged) - 1) // 2]
    near = np.abs(between) <= half
    axes.plot(between[near], middle[near], color="black", lw=1.5, label=f"average over {deepest.period} pixels")
    axes.set_xlabel("column from the center (pixels)")
    axes.set_ylabel("exact map / peak")
    axes.set_ylim(0, 1.6)  # room for the legend above the peak
    axes.set_title(f"grid of {LOOKS[deepest.variant].label}")
    axes.legend(loc="upper center", frameon=False)
    axes.grid()
