"""Residual against plain stacks: maps, sizes over the branch gain, and the mixture that predicts them."""

from __future__ import annotations

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from experiments.harness.style import PAGE, Look, entitle, error_bars, map_row, new_figure
from experiments.skip_connections.experiment import Design, Point, Result

LOOKS = {
    Design.linear: Look("#000000", "o", "linear"),
    Design.post_activation: Look("#D55E00", "o", "ReLU after"),
    Design.post_activation_bn: Look("#E69F00", "o", "ReLU after, batch norm"),
    Design.pre_activation: Look("#0072B2", "o", "ReLU before"),
    Design.pre_activation_bn: Look("#56B4E9", "o", "ReLU before, batch norm"),
}
CAPTION = (
    "{config.depth} convolutions, {config.branch_depth} in a branch, init {config.init}, statistic {config.statistic}, "
    "{config.runs} runs a point, seed {config.seed}; bars: 95 % over runs; lines: the mixture over numbers of branches "
    "taken (linear: {exact}; ReLU, batch norm: of wide layers)."
)


def draw(result: Result) -> Figure:
    """Draw the first design's maps, above sizes over gains, numbers of branches taken, and central rows."""
    config = result.config
    first = config.designs[0]
    figure = new_figure(PAGE, 5.2)
    maps, rest = figure.subfigures(2, 1, squeeze=False, height_ratios=[0.7, 1])[:, 0]
    points = [*result.of_design(first), result.plain(first)]
    titles = [f"{_name(point)}\nERF {point.size:.1f}\nTRF {point.trf_size}" for point in points]
    map_row(maps, [result.arrays[f"map/{point.key}"] for point in points], titles, fontsize="medium")
    sizes, branches, rows = rest.subplots(1, 3, width_ratios=[1.25, 1, 1.1])
    _draw_sizes(sizes, result)
    rest.legend(*sizes.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    _draw_branches(branches, result)
    _draw_rows(rows, result, first)
    exact = "exact" if config.statistic == "mean_square" else "exact for mean_square, of wide layers for this one"
    entitle(figure, message(result), CAPTION, config=config, exact=exact)
    return figure


def message(result: Result) -> str:
    """Return the ERF of the weakest branches beside that without skips, of the first design."""
    first = result.config.designs[0]
    weakest, plain = min(result.of_design(first), key=lambda point: point.size), result.plain(first)
    return (
        f"Skips make the ERF smaller: {weakest.size:.1f} pixels with branches of gain {weakest.gain:g}, "
        f"{plain.size:.1f} without skips"
    )


def _name(point: Point) -> str:
    return "no skips" if point.gain is None else f"gain {point.gain:g}"


def _draw_sizes(axes: Axes, result: Result) -> None:
    gains = result.arrays["curve_gains"]
    for place, design in enumerate(result.config.designs):
        axes.plot(gains, result.arrays[f"curve/{design}"], color=LOOKS[design].colour, lw=1)
        # Apart, so that no bar hides another.
        at = np.array(result.config.gains) * 1.04 ** (place - (len(result.config.designs) - 1) / 2)
        look = {"fmt": "o", "ms": 3, "color": LOOKS[design].colour, "label": LOOKS[design].label}
        error_bars(axes, at, result.of_design(design), "size", **look)
    low, high = (f([result.plain(design).size for design in result.config.designs]) for f in (min, max))
    axes.axhspan(low - 0.05, high + 0.05, color="grey", alpha=0.4, lw=0, label="without skips, all designs")
    axes.set_xscale("log", base=2)
    axes.set_xticks(result.config.gains, [f"{gain:g}" for gain in result.config.gains])
    axes.set(xlabel="gain of the branches", ylabel="ERF size (pixels)")
    axes.set_ylim(bottom=0)
    axes.set_title("size by gain")
    axes.grid(alpha=0.3)


def _draw_branches(axes: Axes, result: Result) -> None:
    gain = min(result.config.gains, key=lambda value: abs(np.log(value)))
    for design in result.config.designs:
        (point,) = (p for p in result.of_design(design) if p.gain == gain)
        shares = result.arrays[f"branches/{point.key}"]
        label = f"{LOOKS[design].label}: mean {point.branches:.1f}"
        axes.plot(range(len(shares)), shares, "o-", ms=4, lw=1, color=LOOKS[design].colour, label=label)
    axes.set(xlabel="number of branches taken", ylabel="predicted share of E[g²]")
    axes.set_ylim(bottom=0, top=1.05 * axes.get_ylim()[1])
    axes.set_title(f"paths, gain {gain:g}")
    axes.grid(alpha=0.3)


def _draw_rows(axes: Axes, result: Result, design: Design) -> None:
    colours = matplotlib.colormaps["viridis"](np.linspace(0, 0.85, len(result.config.gains)))
    for point, colour in zip(
        [*result.of_design(design), result.plain(design)], [*map(to_hex, colours), "black"], strict=True
    ):
        measured, exact = (result.arrays[f"{kind}/{point.key}"] for kind in ("map", "theory"))
        middle = len(exact) // 2
        at = np.arange(len(exact)) - middle
        axes.semilogy(at, exact[middle] / exact.sum(), color=colour, lw=1)
        axes.semilogy(at, measured[middle] / measured.sum(), "o", ms=3, color=colour, label=_name(point))
    axes.set_ylim(bottom=1e-9)  # room for the legend
    axes.set(
        xlabel="column (pixels)", ylabel="influence / its sum, central row", title=f"central row, {LOOKS[design].label}"
    )
    axes.grid(alpha=0.3)
    axes.legend(loc="lower center", frameon=False, handlelength=0.8)
