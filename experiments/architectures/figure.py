"""ERF against TRF and against depth for networks of different families, and the last stage's maps."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.architectures.experiment import Result, Stage
from experiments.architectures.families import Family, family_of
from experiments.harness.style import PAGE, bar_lengths, entitle, map_colour_bar, new_figure, show_map

# Okabe & Ito (2008).
COLOURS = {
    Family.plain: "#000000",
    Family.inception: "#CC79A7",
    Family.residual: "#0072B2",
    Family.dense: "#D55E00",
    Family.depthwise: "#009E73",
    Family.transformer: "#E69F00",
    Family.unlisted: "#56B4E9",
}
MARKERS = "os^vD*P"
DASHES = dict(zip(MARKERS, ("-", "--", ":", "-.", (0, (5, 1)), (0, (1, 1)), (0, (3, 3))), strict=True))
PER_ROW = 7
MAP_LETTERS = 14  # of a map's title
BEYOND = 1.8  # infinite TRFs stand between this multiple of the largest finite one and its square
CAPTION = (
    "Untrained, {config.input_size} x {config.input_size} pixels of {config.noise} noise, {config.draws} draws of "
    "weights and {config.samples} images each, batch norm {config.batch_norm}, {config.statistic}, seed {config.seed}. "
    "Points: ends of stages; bars: 95 % over draws; hollow: the ERF reaches the border (grey line: the image's side). "
    "Maps: the last stage, mean over draws. What the start causes, not the architecture: ERFs that do not grow where "
    "residual branches start near 0 (ConvNeXt) or where attention is weak at first (ViT)."
)


def draw(result: Result) -> Figure:
    """Draw sizes against TRFs and depths, and a map for each network."""
    networks = result.config.networks
    rows = -(-len(networks) // PER_ROW)
    figure = new_figure(PAGE, 4.6 + 1.2 * rows)
    graphs, maps = figure.subfigures(2, 1, squeeze=False, height_ratios=[4.2, 1.2 * rows])[:, 0]
    against_trf, against_depth = graphs.subplots(1, 2, sharey=True)
    for network in networks:
        _draw_against_trf(against_trf, result, network)
        _draw_network(against_depth, result, network, [stage.depth for stage in result.of_network(network)])
    _finish_trf(against_trf, result)
    _finish_depth(against_depth, result)
    graphs.legend(*against_trf.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    panels = maps.subplots(rows, min(len(networks), PER_ROW), squeeze=False).ravel()
    _draw_maps(panels, result)
    map_colour_bar(maps, list(panels))
    entitle(figure, message(result), CAPTION, config=result.config)
    return figure


def message(result: Result) -> str:
    """Return the range of ERF over TRF at the networks' ends, of those whose ERF is whole."""
    lasts = [result.of_network(network)[-1] for network in result.config.networks]
    shares = [last.size / last.trf_size for last in lasts if last.size and last.trf_size and not last.cut]
    if not shares:
        return "ERF against TRF and depth of untrained networks"
    return f"Untrained networks use {min(shares):.1%} to {max(shares):.0%} of the side of their last layer's field"


def _broken(name: str) -> str:
    """Return a network's name, on two lines if it is long."""
    return name if len(name) <= MAP_LETTERS else name.replace("_", "_\n", 1)


def _short(layer: str) -> str:
    """Return the last part of a layer's name, unless it is a number."""
    last = layer.rpartition(".")[2]
    return layer if last.isdigit() else last


def _draw_against_trf(axes: Axes, result: Result, network: str) -> None:
    stages = result.of_network(network)
    infinite = list(dict.fromkeys(stage.network for stage in result.stages if stage.trf_size is None))
    place = infinite.index(network) / len(infinite) if network in infinite else 0
    beyond = _edge(result) * BEYOND ** (1 + place)  # beside each other
    _draw_network(axes, result, network, [beyond if s.trf_size is None else s.trf_size for s in stages])


def _draw_network(axes: Axes, result: Result, network: str, x: list[float]) -> None:
    stages = result.of_network(network)
    colour, marker = COLOURS[family_of(network)], _marker(result, network)
    sizes = np.array([np.nan if s.size is None else s.size for s in stages])
    bars = bar_lengths(sizes, [s.interval for s in stages])
    axes.errorbar(x, sizes, bars, fmt="none", ecolor=colour, capsize=2, lw=0.8)
    axes.plot(x, sizes, color=colour, lw=0.8, ls=DASHES[marker], alpha=0.7, marker=marker, ms=0)
    faces = ["white" if stage.cut else colour for stage in stages]
    for at, size, face in zip(x, sizes, faces, strict=True):
        axes.plot([at], [size], marker=marker, ms=4, mec=colour, mfc=face, ls="none", zorder=3)
    axes.plot([], [], color=colour, marker=marker, ms=4, lw=0.8, ls=DASHES[marker], label=network)


def _marker(result: Result, network: str) -> str:
    """Return a marker of its own within the family."""
    family = family_of(network)
    same = [other for other in result.config.networks if family_of(other) is family]
    return MARKERS[same.index(network) % len(MARKERS)]


def _edge(result: Result) -> float:
    """Return where finite TRFs end."""
    return max((stage.trf_size for stage in result.stages if stage.trf_size), default=result.config.input_size)


def _finish_trf(axes: Axes, result: Result) -> None:
    edge = _edge(result)
    smallest = min((stage.trf_size for stage in result.stages if stage.trf_size), default=1)
    axes.plot([smallest, edge], [smallest, edge], color="black", lw=0.8, ls="--", label="ERF = TRF")
    axes.axhline(result.config.input_size, color="grey", lw=0.8)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log", base=2)
    ticks = [2.0**power for power in range(2, 20, 2) if 2.0**power <= edge]
    axes.set_xticks([*ticks, edge * BEYOND**1.5], [*(f"{tick:g}" for tick in ticks), "∞"])
    if any(stage.trf_size is None for stage in result.stages):
        axes.axvspan(edge * BEYOND**0.8, edge * BEYOND**2.2, color="grey", alpha=0.15, lw=0)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_ylim(top=result.config.input_size * 1.3)
    axes.set(xlabel="TRF size (pixels)", ylabel="ERF size (pixels)")
    axes.grid()


def _finish_depth(axes: Axes, result: Result) -> None:
    axes.axhline(result.config.input_size, color="grey", lw=0.8)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("depth (convolutions and linear layers)")
    axes.grid()


def _draw_maps(panels: np.ndarray, result: Result) -> None:
    networks = result.config.networks
    for network, axes in zip(networks, panels, strict=False):
        last: Stage = result.of_network(network)[-1]
        show_map(axes, result.arrays[f"map/{network}"].astype(np.float32))
        axes.set_title(f"{_broken(network)}\n{_short(last.layer)}", fontsize="medium")
        axes.set(xticks=[], yticks=[])
    for axes in panels[len(networks) :]:
        axes.set_axis_off()
