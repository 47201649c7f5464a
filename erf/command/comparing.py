"""Several networks on the same images: the ERF of each of their layers, and its difference to the first network's."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from erf.card.numbers import size_text
from erf.card.table import LOCAL, RAW, Column, columns
from erf.card.words import pixels_of
from erf.measurement.layer import LayerMeasurement
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


def comparison_text(measurements: Sequence[Measurement], order: str | None = None, width: int | None = None) -> str:
    """Return which network sees farthest, on what was measured, and the table, in lines of ``width`` columns."""
    width = width or shutil.get_terminal_size().columns
    first = measurements[0]
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
    cells = [f"{row.network} {row.layer.name}", *(column.text(row.layer) for column in table)]
    cells.insert(at, size_text(*((row.difference.value, row.difference.interval) if row.difference else (None, None))))
    return cells


def _headline(rows: Sequence[Row]) -> str:
    """Return which network's deepest layer sees farthest, and which least far."""
    sized = sorted((row for row in rows if row.layer.erf_size is not None), key=ORDERS["erf_size"])
    if not sized:
        return "No image has an influence on any of these layers."
    least, most = (f"{row.network} {row.layer.name}" for row in (sized[0], sized[-1]))
    small, large = (size_text(row.layer.erf_size, row.layer.interval) for row in (sized[0], sized[-1]))
    return f"{most} sees farthest, {large} {pixels_of(rows[0].layer)}, and {least} least far, {small}."
