"""Sentences on a measurement: what was measured, what came out, what to know and what to try."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from erf.layers.measured_layer import LayerMeasurement, Setting
from erf.layers.numbers import axes_text, is_cut
from erf.maps.statistic import Statistic
from erf.metrics.erf_size import TWO_SIGMA_MASS

WIDE = 0.1  # share of a size: an interval as wide asks for more images
SMALL = 0.5  # ratio of ERF to TRF below which the field says little of what counts
THIN = 2  # r95 over ERF size from which on much of the influence is spread thinly
STATISTICS = {
    Statistic.mean_abs: "the mean absolute value",
    Statistic.rms: "the root of the mean square",
    Statistic.mean_square: "the mean square",
    Statistic.signed_mean: "the mean",
}
AS_MANY = {1: "as many samples", 2: "the side of a square of as many pixels", 3: "the side of a cube of as many pixels"}


def headline(layer: LayerMeasurement) -> str:
    """Return how far the deepest layer sees, in a sentence or two."""
    sizes, pixels = layer.field.size, pixels_of(layer)
    reach = f"All {pixels}" if math.inf in sizes else f"{_sides(sizes)} {pixels}"
    if layer.erf_size is None:
        return f"{reach} can reach a unit of {layer.name}, but none has an influence on it."
    bound = "at least " if is_cut(layer) else ""
    share = "" if layer.ratio is None else f", {bound}{100 * layer.ratio:.0f} % of that along an axis"
    return (
        f"{reach} can reach a unit of {layer.name}. "
        f"Those that count cover about {_sides([min(layer.erf_size, size) for size in sizes])}{share}."
    )


def _sides(sizes: Sequence[float]) -> str:
    return " x ".join(f"{size:.0f}" for size in sizes)


def pixels_of(layer: LayerMeasurement) -> str:
    """Return what the values of an input are called."""
    return "samples" if layer.map.values.ndim == 1 else "pixels"


def about(layers: Sequence[LayerMeasurement], on: Setting) -> tuple[str, str]:
    """Return what was measured and how, in two sentences."""
    imap, pixels = layers[-1].map, pixels_of(layers[-1])
    return (
        f"For the unit in the middle of each layer: which of {_sides(imap.values.shape)} {pixels} can reach it (the "
        "theoretical receptive field, TRF), and how much each of them counts (the effective receptive field, ERF), "
        f"over {on.images}.",
        f"How much a {pixels[:-1]} counts is {STATISTICS[imap.statistic]} of the unit's gradient there. The "
        f"ERF size is {AS_MANY[imap.values.ndim]} as count more than {100 * (1 - TWO_SIGMA_MASS):.2f} % of what the "
        "unit's own place does.",
    )


def lengths(layer: LayerMeasurement) -> str:
    """Return what lengths are in."""
    axes = layer.map.values.ndim
    order = "" if axes == 1 else "; rows come before columns where they differ"
    return f"{pixels_of(layer)}{order}"


def maps(layer: LayerMeasurement) -> str:
    """Return how the maps are to be read."""
    shape = layer.map.values.shape
    if len(shape) == 1:
        return f"How much each sample counts for the layer's unit, over the peak. From sample 0 to {shape[0] - 1}."
    frames = " All are summed over frames." if len(shape) == 3 else ""
    return f"How much each pixel counts for the layer's unit. Every map shows the whole image.{frames}"


def sizes(layer: LayerMeasurement) -> str:
    """Return what a layer's map shows: its two sizes."""
    return f"TRF {axes_text(layer.field.size)}, ERF {axes_text([layer.erf_size], 0)} {pixels_of(layer)}"


def notes(layers: Sequence[LayerMeasurement]) -> list[tuple[str, str]]:
    """Return what is noted of layers, each note once, with the names of the layers that it is of."""
    texts = dict.fromkeys(note for layer in layers for note in layer.notes)
    return [(text, _names([layer for layer in layers if text in layer.notes], layers)) for text in texts]


def _names(some: Sequence[LayerMeasurement], layers: Sequence[LayerMeasurement]) -> str:
    return "all layers" if len(some) == len(layers) > 1 else ", ".join(layer.name for layer in some)


def advice(layers: Sequence[LayerMeasurement], on: Setting) -> Iterator[str]:
    """Yield what to try next, one sentence or two each."""
    if names := _names([layer for layer in layers if is_cut(layer)], layers):
        larger = _sides([2 * side for side in layers[-1].map.values.shape])
        yield f"The image ends where the ERF of {names} does not. Measure on larger ones, for example {larger}."
    if on.example is None:
        yield "Noise compares architectures. To see what a trained network uses, give it images of your own."
    if any(_is_wide(layer) for layer in layers):
        yield "Some intervals are wider than a tenth of the size. Four times as many images make them half as wide."
    if names := _names([layer for layer in layers if (layer.r95 or 0) > THIN * (layer.erf_size or math.inf)], layers):
        yield (
            f"Much of the influence on {names} lies outside of the ERF, spread thinly. Its r95 says how far, and the "
            "inspector's log scale shows it."
        )
    uncut = [layer for layer in layers if layer.ratio is not None and not is_cut(layer)]
    if uncut and (uncut[-1].ratio or 0) < SMALL:
        yield (
            f"Most of the TRF of {uncut[-1].name} counts little. What a unit must see should fit into its ERF. "
            "Strides, dilation and larger kernels widen an ERF faster than more layers do."
        )


def _is_wide(layer: LayerMeasurement) -> bool:
    if layer.interval is None or not layer.erf_size:
        return False
    low, high = layer.interval
    return (high - low) / layer.erf_size > WIDE


def call(layers: Sequence[LayerMeasurement], on: Setting) -> str:
    """Return the lines of Python that measure the same again."""
    imap = layers[0].map
    images = f"input_size={imap.values.shape}, samples={int(imap.samples) + imap.skipped}"
    settings = f"{images if on.example is None else 'images'}, layers={[layer.name for layer in layers]}"
    settings += f", statistic='{imap.statistic}', aggregation={imap.aggregation!r}, seed={on.seed}, mode={on.mode!r}"
    settings += ", theory=True" if layers[0].expected else ""
    return f"import erf\n\nm = erf.measure(network, {settings})\nm.save('card.html')"
