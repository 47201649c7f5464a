"""What is measured of a layer, and how it is read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from erf.layers.numbers import notes
from experiments.harness.intervals import Interval


@dataclass(frozen=True)
class Layer:
    """One layer's fields, in input pixels and by axis; what cannot be read off an empty map is None.

    ``trf_size`` is None where it is infinite, and ``spanned_by`` then names the module. ``local_size`` is the TRF's
    side with all that spans the image held constant, None along an axis where nothing local is left; it is None as a
    whole in records that are older. ``cut``: whether the image ends where the influence is still above the size's
    threshold. ``averaged_size`` is the ERF size of the map averaged over the period of the layer's grid, see
    ``erf.LayerMeasurement``. The intervals are 95 %, over images and their random signs. ``assumptions`` are those of
    the field. ``area_ratios`` are RepLKNet's (t, r(t)) where its compatibility is asked for, None where no square of
    its script holds t. The rest is that of ``erf.Comparison``.
    """

    name: str
    grid: tuple[int, ...]
    unit: tuple[int, ...]
    trf_size: tuple[int | None, ...]
    spanned_by: tuple[str | None, ...]
    box: tuple[tuple[int, int], ...]
    center: tuple[float, ...]
    clipped: tuple[bool, ...]
    effective_stride: tuple[float | None, ...]
    erf_size: float | None
    interval: Interval | None
    reference: str | None
    cut: tuple[bool, ...] | None
    ratio: float | None
    sigma: tuple[float, ...] | None
    r_squared: float | None
    r50: float | None
    r95: float | None
    samples: int
    skipped: int
    diagnostics: tuple[str, ...]
    area_ratios: tuple[tuple[float, float | None], ...] = ()
    local_size: tuple[int | None, ...] | None = None
    assumptions: tuple[str, ...] = ()
    averaged_size: float | None = None
    averaged_interval: Interval | None = None


def layer_notes(layer: Layer) -> Iterator[str]:
    """Yield what the reader must know about a layer's numbers, one sentence each."""
    yield from notes(layer)
    if layer.area_ratios:
        ratios = [f"{100 * mass:g} % in {'no square' if r is None else percent(r)}" for mass, r in layer.area_ratios]
        yield f"RepLKNet's share of the scores, and the share of the image that holds it: {', '.join(ratios)}"


def percent(share: float) -> str:
    """Return a share for a table or title."""
    return f"{100 * share:.1f} %"
