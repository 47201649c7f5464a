"""Several networks on the same images: the ERF of each of their layers, and its difference to the first network's."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from erf.card.sentences import pixels_of
from erf.card.table import LOCAL, RAW, Column, columns
from erf.layers.measured_layer import LayerMeasurement
from erf.layers.numbers import is_cut, size_text
from erf.measurement.measurement import Measurement
from erf.measurement.text import filled, laid_out, measured_on
from erf.metrics.jackknife import Estimate

TITLES = ("TRF", LOCAL, "ERF", "ERF / TRF", RAW, "r50", "r95")  # of a measurement's table


@dataclass(frozen=True)
class Row:
    """One layer of one network.

    Attributes:
        network: What it is called.
        layer: As it was measured.
        difference: Its ERF size less that of the first network's layer, a paired one, as both have seen the same
            images; None for the first network, and where one has no size.
    """

    network: str
    layer: LayerMeasurement
    difference: Estimate | None

    def plain(self) -> dict[str, Any]:
        """Return the row's numbers by name."""
        names = ("trf_size", "erf_size", "interval", "raw_size", "ratio", "r50", "r95")
        return {
            "network": self.network,
            "layer": self.layer.name,
            **{name: getattr(self.layer, name) for name in names},
            "difference": self.difference and self.difference.value,
            "difference_interval": self.difference and self.difference.interval,
        }


# What a table can be sorted by: the names of numbers in JSON.
ORDERS: dict[str, Callable[[Row], Any]] = {
    "network": lambda row: row.network,
    "layer": lambda row: row.layer.name,
    "trf_size": lambda row: float(np.prod(row.layer.trf_size)),
    "erf_size": lambda row: row.layer.erf_size,
    "raw_size": lambda row: row.layer.raw_size,
    "ratio": lambda row: row.layer.ratio,
    "r50": lambda row: row.layer.r50,
    "r95": lambda row: row.layer.r95,
    "difference": lambda row: row.difference and row.difference.value,
}


def rows_of(measurements: Sequence[Measurement], order: str | None = None) -> list[Row]:
    """Return the layers that all networks have, or else the deepest of each, in ascending order of a number.

    Rows without that number come last. Without an order they are sorted by layer, networks as given.
    """
    first, *_ = measurements
    common = [[name] * len(measurements) for name in first if all(name in set(other) for other in measurements)]
    rows = [
        Row(measured.setting.network, measured[name], None if measured is first else _difference(measured[name], base))
        for names in common or [[list(measured)[-1] for measured in measurements]]
        for base in [first[names[0]]]
        for measured, name in zip(measurements, names, strict=True)
    ]
    if order is None:
        return rows
    value = ORDERS[order]
    return sorted((row for row in rows if value(row) is not None), key=value) + [r for r in rows if value(r) is None]


def _difference(layer: LayerMeasurement, base: LayerMeasurement) -> Estimate | None:
    return None if layer.size is None or base.size is None else layer.size.minus(base.size)


def comparison_text(measurements: Sequence[Measurement], order: str | None = None) -> str:
    """Return which network sees farthest, on what was measured, and the table, in lines that fit the terminal."""
    first, width = measurements[0], shutil.get_terminal_size().columns
    rows = rows_of(measurements, order)
    table = [column for column in columns([row.layer for row in rows]) if column.title in TITLES]
    at = [column.title for column in table].index(RAW) + 1
    titles = ["layer", *(column.title for column in table)]
    titles.insert(at, "difference")
    lines = laid_out(titles, [_cells(row, table, at) for row in rows], at, width)
    below = (
        f"difference: of the ERF, to that of {first.setting.network} on the same images. In brackets 95 % intervals."
    )
    parts = [_headline(rows_of(measurements)[-len(measurements) :]), measured_on(first.layers, first.setting)]
    return "\n".join([*(filled(part, width) for part in parts), "", *lines, "", filled(below, width)])


def _cells(row: Row, table: Sequence[Column], at: int) -> list[str]:
    cells = [_name(row), *(column.text(row.layer) for column in table)]
    cells.insert(at, size_text(*((row.difference.value, row.difference.interval) if row.difference else (None, None))))
    return cells


def _headline(rows: Sequence[Row]) -> str:
    """Return which network's deepest layer sees farthest, and which least far, as far as the image shows it."""
    sized = sorted((row for row in rows if row.layer.erf_size is not None), key=ORDERS["erf_size"])
    if not sized:
        return "No image has an influence on any of these layers."
    cut = [_name(row) for row in rows if is_cut(row.layer)]
    if not cut:
        return _extremes(sized)
    sides = [str(2 * side) for side in rows[0].layer.map.values.shape]
    larger = ",".join(sides if len(sides) > 1 else [*sides, ""])  # as --input takes it
    mend = f"a larger input shows more, for example --input {larger}"
    if len(cut) == len(sized):
        return f"The image limits all of these ERFs, so that their order says nothing: {mend}."
    return f"{_extremes(sized)} The image limits the ERF of {', '.join(cut)}: {mend}."


def _extremes(sized: Sequence[Row]) -> str:
    """Return what the last of the rows, in ascending order of size, and the first say."""
    small, large = (_size(row) for row in (sized[0], sized[-1]))
    pixels = pixels_of(sized[0].layer)
    if sized[0].layer.erf_size == sized[-1].layer.erf_size:
        return f"All see equally far, {large} {pixels}."
    return f"{_name(sized[-1])} sees farthest, {large} {pixels}, and {_name(sized[0])} least far, {small}."


def _name(row: Row) -> str:
    return f"{row.network} {row.layer.name}"


def _size(row: Row) -> str:
    """Return the size with its interval; that of an ERF that the image limits is a lower bound."""
    bound = "at least " if is_cut(row.layer) else ""
    return bound + size_text(row.layer.erf_size, row.layer.interval)
