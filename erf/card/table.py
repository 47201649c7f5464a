"""The table of measured layers, on a card, in a notebook and on a terminal: its columns, and how cells are written."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from erf.layers.measured_layer import LayerMeasurement
from erf.layers.numbers import axes_text, ratio_text, size_text
from erf.reachability.receptive_field import ReceptiveField


class Column(NamedTuple):
    """Its title, what it holds, and its cell of a layer."""

    title: str
    meaning: str
    text: Callable[[LayerMeasurement], str]


def columns(layers: Sequence[LayerMeasurement]) -> list[Column]:
    """Return the columns of a table of these layers.

    Local fields stand in it where a field has another, what theory expects where that was asked for.
    """
    absent = set() if any(has_local(layer.field) for layer in layers) else {LOCAL}
    absent |= set() if layers[0].expected else {THEORY}
    return [column for column in COLUMNS if column.title not in absent]


def has_local(field: ReceptiveField) -> bool:
    """Return whether a field spans an axis whole, so that its local field is another."""
    return math.inf in field.size


LOCAL, THEORY, RAW = "local TRF", "theory", "raw ERF"
COLUMNS = (
    Column("TRF", "side of the theoretical field; inf: the whole image", lambda layer: axes_text(layer.field.size)),
    Column(
        LOCAL,
        "the TRF with all that spans the image, as attention does, held constant; -: nothing is left",
        lambda layer: axes_text(layer.field.local.size),
    ),
    Column(
        "ERF",
        "side of the region that counts more than 4.55 % of the unit's own place, on the map averaged over the grid of "
        "units, which may make it larger than a small TRF; in brackets its 95 % interval over images",
        lambda layer: size_text(layer.erf_size, layer.interval),
    ),
    Column("ERF / TRF", "raw ERF over the TRF's side, as in the paper", lambda layer: ratio_text(layer, 2)),
    Column(
        THEORY,
        "the ERF that is expected over fresh weights of the same variances",
        lambda layer: axes_text([layer.expected and layer.expected.erf_size], 1),
    ),
    Column(RAW, "the ERF of the map as it is", lambda layer: axes_text([layer.raw_size], 1)),
    Column("sigma", "of a Gaussian fit; -: it explains too little", lambda layer: axes_text(layer.sigma, 1)),
    Column("r50", "radius that holds half of the influence", lambda layer: axes_text([layer.r50], 1)),
    Column("r95", "radius that holds 95 % of it", lambda layer: axes_text([layer.r95], 1)),
    Column("jump", "from a unit to the next", lambda layer: axes_text(layer.field.jump)),
    Column("units", "number of units along each axis", lambda layer: axes_text(layer.field.grid)),
)
