"""The influence maps of a network's layers, each with its theoretical field and its Gaussian."""

from __future__ import annotations

from matplotlib.figure import Figure

from erf.plotting import draw_map_on
from experiments.figures.style import map_colour_bar, new_figure
from experiments.measure import FAIR_FIT, NOISE, Layer, Result, axes_text, trf_text

PER_ROW = 4
WIDTH, TALLEST, NARROWEST = 2.8, 6.0, 6.0  # of a map, of a map, of the figure; inches
CAPTION = (
    "{network} ({source}), weights {weights}, {images}, {statistic}, seed {seed}. Pixels; in brackets 95 %. "
    "Dashed: the TRF's box; line: the Gaussian fit (if its r² is above {fair}) at 4.55 % of its peak.{frames}"
)


def draw(result: Result) -> Figure:
    """Draw every layer's map over the whole image."""
    height, width = result.config.input_size[-2:]
    columns = min(len(result.layers), PER_ROW)
    rows = -(-len(result.layers) // columns)
    panel = min(WIDTH * height / width, TALLEST)
    figure = new_figure(max(WIDTH * columns + 1, NARROWEST), (panel + 0.9) * rows + 0.4)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for place, (layer, axes) in enumerate(zip(result.layers, panels, strict=False)):
        draw_map_on(axes, *result.picture(layer))
        axes.set_title(_title(layer), fontsize=9)
        axes.tick_params(labelsize=7)
        axes.set_ylabel("row (pixels)" if place % columns == 0 else "", fontsize=8)
        axes.set_xlabel("column (pixels)" if place + columns >= len(result.layers) else "", fontsize=8)
    for axes in panels[len(result.layers) :]:
        axes.set_axis_off()
    map_colour_bar(figure, list(panels))
    figure.supxlabel(_caption(result), fontsize=8, wrap=True)
    return figure


def _title(layer: Layer) -> str:
    low, high = layer.interval or (None, None)
    size = axes_text([layer.erf_size], 1)
    if layer.interval is not None:
        size += f" ({axes_text([low], 1)} to {axes_text([high], 1)})"
    clipped = ", clipped" if any(layer.clipped) else ""
    return f"{layer.name}\nTRF {trf_text(layer)}{clipped}, ratio {axes_text([layer.ratio], 2)}\nERF {size}"


def _caption(result: Result) -> str:
    config = result.config
    samples = max(layer.samples + layer.skipped for layer in result.layers)
    images = f"{samples} images of {config.noise} noise" if config.images == NOISE else f"{samples} pictures"
    return CAPTION.format(
        network=config.network,
        source=config.source,
        weights=config.weights,
        images=images,
        statistic=config.statistic,
        seed=config.seed,
        fair=FAIR_FIT,
        frames=" Maps: sums over frames." if len(config.input_size) == 3 else "",
    )
