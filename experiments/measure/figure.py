"""The influence maps of a network's layers, each with its theoretical field and its Gaussian."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from erf import GaussianFit, InfluenceMap
from erf.layers.measured_layer import FAIR_FIT
from erf.layers.numbers import ratio_text, size_text, trf_text
from erf.plotting import draw_map_on
from experiments.harness.style import map_colour_bar, new_figure, show_map
from experiments.measure.config import NOISE, Compatibility
from experiments.measure.experiment import REPLKNET_MASSES, Result
from experiments.measure.layer import Layer, percent

PER_ROW = 4
WIDTH, TALLEST, NARROWEST, CURVE = 2.8, 6.0, 6.0, 1.8  # of a map, of a map, of the figure, height of a curve; inches
CAPTION = (
    "{config.network} ({config.source}), weights {config.weights}, {images}, {config.statistic}, seed {config.seed}. "
    "Pixels; in brackets 95 %. Dashed: the TRF's box; {line}: the Gaussian fit (if its r² is above "
    "{fair}){level}.{frames}{tool}"
)
FIT_COLOUR = "#0072B2"

TOOLS = {
    Compatibility.none: "",
    Compatibility.openerf: " Below: OpenERF's map / peak.",
    Compatibility.replknet: " Below: RepLKNet's log10(scores + 1) / peak.",
}


def draw(result: Result) -> Figure:
    """Draw every layer's map over the whole image, and below them those of another tool, if asked for."""
    curves = len(result.config.input_size) == 1
    compatible = result.config.compatibility is not Compatibility.none
    columns = min(len(result.layers), PER_ROW)
    rows = -(-len(result.layers) // columns)
    panel = CURVE if curves else _height(*result.config.input_size[-2:])
    figure = new_figure(max(WIDTH * columns + 1, NARROWEST), (panel + 0.9) * rows * (1 + compatible) + 0.4)
    panels = figure.subplots(rows * (1 + compatible), columns, squeeze=False)
    for layer, axes in zip(result.layers, _used(panels[:rows], result), strict=True):
        (_draw_curve if curves else draw_map_on)(axes, *result.picture(layer))
        axes.set(title=_title(layer), xlabel="", ylabel="")
    if compatible:
        for layer, axes in zip(result.layers, _used(panels[rows:], result), strict=True):
            show_map(axes, result.compatible_picture(layer))
            axes.set_title(_compatible_title(result, layer))
    for axes in panels[:, 0]:
        axes.set_ylabel("influence / peak" if curves else "row (pixels)")
    for axes in panels[-1]:
        axes.set_xlabel("sample" if curves else "column (pixels)")
    if not curves:
        map_colour_bar(figure, list(panels.flat))
    figure.set_label(_caption(result))
    return figure


def _height(rows: int, columns: int) -> float:
    return min(WIDTH * rows / columns, TALLEST)


def _draw_curve(axes: Axes, imap: InfluenceMap, fit: GaussianFit | None) -> None:
    """Draw a map of samples, its peak 1, with its fit over all samples and its TRF's ends."""
    peak = imap.values.max() or 1.0
    places = np.arange(len(imap.values))
    axes.plot(places, imap.values / peak, color="black", lw=0.8)
    if fit is not None:
        fitted = fit.amplitude * np.exp(-((places - fit.center[0]) ** 2) / (2 * fit.covariance[0, 0]))
        axes.plot(places, fitted / peak, color=FIT_COLOUR, lw=1.2)
    for end in imap.trf_box[0]:
        axes.axvline(end - 0.5, color="grey", ls="--", lw=0.8)
    axes.set_xlim(-0.5, len(places) - 0.5)


def _used(panels: np.ndarray, result: Result) -> list[Axes]:
    """Return one panel for each layer; the others are left empty."""
    for axes in panels.flat[len(result.layers) :]:
        axes.set_axis_off()
    return list(panels.flat[: len(result.layers)])


def _compatible_title(result: Result, layer: Layer) -> str:
    ratio = dict(layer.area_ratios).get(REPLKNET_MASSES[-1])
    return f"{layer.name} by {result.config.compatibility}" + ("" if ratio is None else f"\nr(99 %) = {percent(ratio)}")


def _title(layer: Layer) -> str:
    size = size_text(layer.erf_size, layer.interval)
    clipped = ", clipped" if any(layer.clipped) else ""
    return f"{layer.name}\nTRF {trf_text(layer)}{clipped}, ratio {ratio_text(layer, 2)}\nERF {size}"


def _caption(result: Result) -> str:
    config = result.config
    samples = max(layer.samples + layer.skipped for layer in result.layers)
    images = f"{config.noise} noise" if config.images == NOISE else "pictures"
    return CAPTION.format(
        config=config,
        images=f"{samples} x {images}",
        fair=FAIR_FIT,
        line="blue" if len(config.input_size) == 1 else "line",
        level="" if len(config.input_size) == 1 else " at 4.55 % of its peak",
        frames=" Maps: sums over frames." if len(config.input_size) == 3 else "",
        tool=TOOLS[config.compatibility],
    )
