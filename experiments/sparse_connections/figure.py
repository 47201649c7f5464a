"""Maps of sparse connections, and sigma, ERF size and distance to the normal distribution over the depth."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.harness.style import PAGE, entitle, error_bars, log_log, map_row, new_figure, ticks_within
from experiments.sparse_connections.experiment import Layout, Result

# Okabe & Ito (2008), as the kinds of stacks.
COLOURS = {"adjacent": "#0072B2", "dilated": "#D55E00", "scattered": "#009E73", "deformable": "#CC79A7"}
MARKERS = {"adjacent": "o", "dilated": "s", "scattered": "^", "deformable": "D"}
QUANTITIES = {
    "sigma": "σ of the map (pixels)",
    "size": "ERF size (pixels)",
    "distance": "distance to the normal",
}
TICKS = {
    "sigma": (1, 2, 3, 4, 5, 6, 8, 10, 15, 20),
    "size": (5, 7, 10, 15, 20, 30, 40, 60, 80),
    "distance": (0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.15, 0.2),
}
NETWORKS = "scattered, single networks (95 %)"
CAPTION = (
    "{connections} connections of each unit to each channel; linear, {config.channels} channels, {config.statistic}, "
    "{config.runs} runs a point (positions and weights drawn for each run), seed {config.seed}; bars: 95 % over runs; "
    "lines: exact theory. Sizes and distances: of the map averaged over the period of its holes; half of a "
    "distribution function's step is 0.2 / σ. Maps: depth {depth}. Grey: exact, of {config.networks} "
    "single networks of scattered positions, middle 95 %."
)


def draw(result: Result) -> Figure:
    """Draw the maps at the largest depth above the three quantities over the depth."""
    config = result.config
    titles = {layout: label(result, layout) for layout in config.layouts}
    figure = new_figure(PAGE, 4.6)
    maps, curves = figure.subfigures(2, 1, squeeze=False, height_ratios=[1, 1.2])[:, 0]
    half = 4 * max(points[-1].predicted_sigma for points in map(result.of_layout, titles))
    keys = [*(f"map/{layout}" for layout in titles), "network"]
    names = [*titles.values(), "scattered,\none network (exact)"]
    for axes in map_row(maps, [result.arrays[key] for key in keys], names, fontsize="medium"):
        _center(axes, half)
    panels = curves.subplots(1, len(QUANTITIES))
    for one, name in zip(panels, QUANTITIES, strict=True):
        _draw_quantity(one, result, name)
    curves.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    values = {"connections": config.kernel_size**2, "depth": config.depths[-1]}
    entitle(figure, message(result), CAPTION, config=config, **values)
    return figure


def message(result: Result) -> str:
    """Return sigma of adjacent and of the widest connections at the largest depth."""
    ends = [result.of_layout(layout)[-1] for layout in result.config.layouts]
    narrow, wide = (choose(ends, key=lambda point: point.sigma) for choose in (min, max))
    return (
        f"Connections spread over a larger area widen the map: σ {narrow.sigma:.1f} ({narrow.layout}) to "
        f"{wide.sigma:.1f} pixels ({wide.layout}) at depth {wide.depth}"
    )


def label(result: Result, layout: Layout) -> str:
    """Return a layout's name with its area."""
    config = result.config
    side = config.kernel_size if layout is Layout.adjacent else config.area
    return f"{layout},\n{side} x {side}" + (f", dilation {config.dilation}" if layout is Layout.dilated else "")


def _center(axes: Axes, half: float) -> None:
    """Show a map about its unit, over the same extent as the others, on black where nothing can reach."""
    (image,) = axes.images
    edge = image.get_size()[0] / 2
    image.set_extent((-edge, edge, edge, -edge))
    axes.set(facecolor="black", xlim=(-half, half), ylim=(half, -half))


def _draw_quantity(axes: Axes, result: Result, name: str) -> None:
    if name != "size":
        for number, networks in enumerate(result.networks):
            low, high = np.quantile(getattr(networks, name), (0.025, 0.975))
            look = {"color": "0.7", "lw": 6, "solid_capstyle": "butt", "zorder": 0}
            axes.plot([networks.depth] * 2, [low, high], **look, label=None if number else NETWORKS)
    for layout in result.config.layouts:
        points = result.of_layout(layout)
        depths, colour = [p.depth for p in points], COLOURS[layout]
        axes.plot(depths, [getattr(p, f"predicted_{name}") for p in points], color=colour, lw=1)
        look = {"fmt": MARKERS[layout], "ms": 4, "color": colour, "mfc": "white"}
        error_bars(axes, depths, points, name, label=label(result, layout).replace("\n", " "), **look)
    log_log(axes, result.config.depths, "depth (convolutions)")
    ticks_within(axes.yaxis, TICKS[name])
    axes.set_ylabel(QUANTITIES[name])
