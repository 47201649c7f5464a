"""Field and ERF against depth, as the lines, ticks and marks of an SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from erf.layers.measured_layer import LayerMeasurement
from erf.reachability.layers import Layer

WIDTH, HEIGHT = 480, 260
LEFT, RIGHT, TOP, BOTTOM = 40, 12, 24, 34  # margins
BELOW, ABOVE = 1.5, 1.15  # factors by which the scale goes beyond the sizes; below marks stand their numbers
MOST_TICKS = 10


@dataclass(frozen=True)
class Size:
    """The ERF of a layer: its number, its depth as an index into all layers, its size and interval in pixels."""

    number: int
    depth: int
    size: float
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Mark:
    """A measured size: its layer's number, where it lies, and the ends of its interval."""

    number: int
    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True)
class Chart:
    """What is drawn, in units of the SVG: paths of both fields, the height of the input's side, ticks and marks."""

    field: str
    local: str
    input_y: float
    ticks: tuple[tuple[float, str], ...]
    marks: tuple[Mark, ...]


def depth_chart(layers: Sequence[LayerMeasurement]) -> Chart:
    """Return the chart of measured layers among all that have run before the last of them."""
    rows = max((layer.field.layers for layer in layers), key=len)
    known = [row for row in rows if row.size]
    fields = accumulate((_side(row.size) for row in known), max)
    locals_ = accumulate((_side(row.local_size) for row in known), max)
    sizes = [
        Size(number, _depth(layer, known), layer.erf_size, layer.interval)
        for number, layer in enumerate(layers, 1)
        if layer.erf_size is not None
    ]
    return chart(list(fields), list(locals_), sizes, _side(layers[0].map.values.shape))


def _depth(layer: LayerMeasurement, rows: Sequence[Layer]) -> int:
    """Return where a layer stands among ``rows``: with the last of the layers that run in it."""
    until = [row for row in layer.field.layers if row.size]
    return min(len(until) - (rows[: len(until)] != until), len(rows)) - 1


def _side(sizes: Sequence[float | None]) -> float:
    """Return the geometric mean of the sides; 0 where nothing is left along an axis."""
    return math.prod(size or 0 for size in sizes) ** (1 / len(sizes))


def chart(fields: Sequence[float], locals_: Sequence[float], measured: Sequence[Size], input_side: float) -> Chart:
    """Return the drawing of fields and ERFs; the scale of pixels is logarithmic.

    Args:
        fields: The sides in pixels of the largest field of all layers called until each one, as branches have smaller
            fields than what they branch off; infinite where that is.
        locals_: Likewise of the local fields; 0 where there is none.
        measured: Layers among them.
        input_side: Of the image; of several axes their geometric mean, as all sizes here.
    """
    sizes = [size for size in (*fields, *locals_) if 0 < size < math.inf]
    sizes += [side for one in measured for side in (one.size, *(one.interval or ())) if side > 0]
    sizes.append(input_side)
    low, high = min(sizes) / BELOW, max(sizes) * ABOVE

    def x(depth: int) -> float:
        return round(LEFT + (depth + 0.5) / len(fields) * (WIDTH - LEFT - RIGHT), 1)

    def y(size: float) -> float:
        share = math.log(max(size, low) / low) / math.log(high / low)
        return round(HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP), 1)

    return Chart(
        field=_path(fields, x, y),
        local=_path(locals_, x, y),
        input_y=y(input_side),
        ticks=tuple((y(tick), f"{tick:g}") for tick in _ticks(low, high)),
        marks=tuple(
            Mark(one.number, x(one.depth), y(one.size), *map(y, one.interval or (one.size,) * 2)) for one in measured
        ),
    )


def _path(sizes: Sequence[float], x: Callable[[int], float], y: Callable[[float], float]) -> str:
    """Return a line through the sizes that are finite and not 0; what stands alone is a dot."""
    parts, before = [], False
    for at, size in enumerate(sizes):
        if drawn := 0 < size < math.inf:
            parts.append(f"L{x(at)} {y(size)}" if before else f"M{x(at)} {y(size)}h0")
        before = drawn
    return "".join(parts)


def _ticks(low: float, high: float) -> list[float]:
    """Return 1, 2, 5 times powers of ten, or these alone where there would be too many."""
    powers = [10.0**power for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]
    ticks = [tick for power in powers for tick in (power, 2 * power, 5 * power) if low <= tick <= high]
    return ticks if len(ticks) <= MOST_TICKS else [tick for tick in powers if low <= tick <= high]
