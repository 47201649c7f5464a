"""Maps of stacks with attention, and the shares of the influence that are global and that stay in the core."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from experiments.attention.experiment import Point, Result, middle_place
from experiments.harness.style import BROKEN, PAGE, entitle, error_bars, joined, new_figure

# Okabe & Ito (2008): one for each place of the block, lowest first; further ones begin anew.
COLOURS, MARKERS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00"), "os^Dv"
FAINTEST = 1e-4  # of the peak: the lower end of the maps' colour scale
SMALLEST = 1e-6  # share at which the axis turns from logarithmic to linear, so that it holds 0
CAPTION = (
    "{config.depth} convolutions of {config.kernel_size} x {config.kernel_size} ({config.kind}, {config.channels} "
    "channels, TRF {result.stack_trf_size}: white square), {config.statistic} over {config.runs} runs, seed "
    "{config.seed}. Maps: {config.side} x {config.side} pixels, block after {middle} convolutions. Bars: 95 % over "
    "runs; crosses: theory. *: the field is finite. Core: the pixels that the ERF size of the stack's exact map counts."
)


def draw(result: Result) -> Figure:
    """Draw a map for each block above its shares at each place."""
    config = result.config
    figure = new_figure(PAGE, 4.4)
    maps, shares = figure.subfigures(2, 1, squeeze=False, height_ratios=[1, 1.6])[:, 0]
    axes = maps.subplots(1, len(config.blocks), squeeze=False)[0]
    for one, block in zip(axes, config.blocks, strict=True):
        _draw_map(one, result, result.arrays[f"map/{block}"])
        one.set_title(label(result.of_block(block)[0]))
    scale = ScalarMappable(LogNorm(FAINTEST, 1), "magma")
    maps.colorbar(scale, ax=list(axes), label="influence / peak", fraction=0.02, extend="min")
    outside, core = shares.subplots(1, 2)
    _draw_shares(outside, result, "outside_stack", "share outside the stack's TRF")
    _draw_shares(core, result, "core", "share in the Gaussian core")
    core.legend(title="convolutions\nbelow the block", loc="lower left", ncols=len(config.below))
    entitle(figure, _message(result), CAPTION, config=config, result=result, middle=middle_place(config))
    return figure


def _message(result: Result) -> str:
    """Return the least and the most that blocks with an infinite field put beyond the convolutions' field."""
    infinite = [point for point in result.points if point.trf_size is None] or result.points
    least, most = (choose(infinite, key=lambda point: point.outside_stack) for choose in (min, max))
    ends = [f"{_share(p.outside_stack)} ({p.block.replace('_', ' ')})" for p in (least, most)]
    return (
        f"Fields without end, but from {' to '.join(ends)} of the influence is beyond the convolutions' field "
        f"({result.config.statistic})"
    )


def _share(share: float) -> str:
    return f"{100 * share:.2g} %"


def label(point: Point) -> str:
    """Return a block's name on short lines, with a star where its field is finite."""
    name = point.block.replace("_", BROKEN)
    return name if point.trf_size is None else f"{name}*"


def _draw_map(axes: Axes, result: Result, values: np.ndarray) -> None:
    axes.imshow(np.maximum(values, FAINTEST), cmap="magma", norm=LogNorm(FAINTEST, 1), interpolation="nearest")
    size = result.stack_trf_size
    corner = result.config.side // 2 - size // 2 - 0.5
    axes.add_patch(Rectangle((corner, corner), size, size, fill=False, edgecolor="white", lw=0.8))
    axes.set(xticks=[], yticks=[])


def _draw_shares(axes: Axes, result: Result, name: str, ylabel: str) -> None:
    blocks = result.config.blocks
    for number, below in enumerate(result.config.below):
        points = [p for p in result.points if p.below == below]
        shift = 0.22 * (number - (len(result.config.below) - 1) / 2)
        places = [blocks.index(p.block) + shift for p in points]
        style = {"fmt": MARKERS[number % 5], "color": COLOURS[number % 5], "ms": 3.5, "capsize": 2}
        error_bars(axes, places, points, name, label=str(below), **style)
        if name == "outside_stack":
            known = [(x, p.predicted) for x, p in zip(places, points, strict=True) if p.predicted is not None]
            axes.plot([x for x, _ in known], [y for _, y in known], "x", color="black", ms=6, zorder=3)
            axes.set_yscale("symlog", linthresh=SMALLEST, linscale=0.3)
    names = [joined(label(result.of_block(block)[0])) for block in blocks]
    axes.set_xticks(range(len(blocks)), names, rotation=40, ha="right", rotation_mode="anchor")
    axes.set(
        ylim=(-SMALLEST / 4 if name == "outside_stack" else 0, 1.5 if name == "outside_stack" else 1.03), ylabel=ylabel
    )
    axes.grid(axis="y")
