"""The card's table of layers: its columns, what they mean, and how a layer's cells are written."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from erf.card.measured import MeasuredLayer
from erf.reachability.receptive_field import ReceptiveField


class Column(NamedTuple):
    """Its title, what it holds, and its cell of a layer."""

    title: str
    meaning: str
    text: Callable[[MeasuredLayer], str]


def columns(layers: Sequence[MeasuredLayer]) -> list[Column]:
    """Return the columns of a table of these layers; local fields stand in it where a field has another."""
    local = any(has_local(layer.field) for layer in layers)
    return [column for column in COLUMNS if local or column.title != LOCAL]


def has_local(field: ReceptiveField) -> bool:
    """Return whether a field spans an axis whole, so that its local field is another."""
    return math.inf in field.size


def per_axis(values: Sequence[float | None], digits: int = 0) -> str:
    """Return one number for all axes, or one for each; "all" where it is infinite, "-" where there is none."""
    texts = [_number(value, digits) for value in values]
    return texts[0] if len(set(texts)) == 1 else " x ".join(texts)


def _number(value: float | None, digits: int) -> str:
    if value is None:
        return "-"
    return "all" if math.isinf(value) else f"{value:.{digits}f}"


def erf_text(layer: MeasuredLayer) -> str:
    """Return the ERF size and its interval."""
    if layer.interval is None:
        return per_axis([layer.erf_size], 1)
    low, high = layer.interval
    return f"{per_axis([layer.erf_size], 1)} ({low:.1f} to {high:.1f})"


def _ratio(layer: MeasuredLayer) -> str:
    """Return the ratio; it is a lower bound where the image cuts the ERF off."""
    bound = "≥ " if layer.ratio is not None and any(layer.cut or ()) else ""
    return bound + per_axis([layer.ratio], 2)


LOCAL = "local TRF"
COLUMNS = (
    Column("TRF", "side of the theoretical field; all: the whole image", lambda layer: per_axis(layer.field.size)),
    Column(
        LOCAL,
        "the TRF with all that spans the image, as attention does, held constant; -: nothing is left",
        lambda layer: per_axis(layer.field.local.size),
    ),
    Column("ERF", "ERF size, of the map averaged over the grid of units, and its 95 % interval over images", erf_text),
    Column("raw ERF", "that of the map as it is, which is outlined below", lambda layer: per_axis([layer.raw_size], 1)),
    Column("ERF / TRF", "raw ERF size over the TRF's side, as in the paper", _ratio),
    Column("r50", "radius that holds half of the influence", lambda layer: per_axis([layer.r50], 1)),
    Column("r95", "radius that holds 95 % of it", lambda layer: per_axis([layer.r95], 1)),
    Column("jump", "from a unit to the next", lambda layer: per_axis(layer.field.jump)),
    Column("units", "number of units along each axis", lambda layer: per_axis(layer.field.grid or [None])),
)
