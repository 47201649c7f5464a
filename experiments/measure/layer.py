"""What is measured of a layer, and how it is read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from erf.metrics.erf_size import Reference
from experiments.harness.intervals import Interval


@dataclass(frozen=True)
class Layer:
    """One layer's fields, in input pixels and by axis; what cannot be read off an empty map is None.

    ``trf_size`` is None where it is infinite, and ``spanned_by`` then names the module. ``local_size`` is the TRF's
    side with all that spans the image held constant, None along an axis where nothing local is left; it is None as a
    whole in records that are older. ``cut``: whether the image ends where the influence is still above the size's
    threshold. The interval is 95 %, over images and their random signs. ``assumptions`` are those of the field.
    ``area_ratios`` are RepLKNet's (t, r(t)) where its compatibility is asked for, None where no square of its script
    holds t. The rest is that of ``erf.Comparison``.
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


def layer_notes(layer: Layer) -> Iterator[str]:
    """Yield what the reader must know about a layer's numbers, one sentence each."""
    if layer.reference == Reference.peak:
        yield "the ERF size is relative to the peak, because the center is 0 or outside the image"
    if is_cut(layer):
        yield "the ERF leaves the image, so its size is that of the part inside; a larger input_size shows the rest"
        if layer.ratio is not None:
            yield "its ratio is a lower bound for the same reason"
    elif any(layer.clipped) and layer.erf_size is not None:
        yield "the TRF is clipped, but the ERF ends inside the image, so its size is whole"
    yield from layer.diagnostics
    if None in layer.trf_size and layer.local_size is not None:
        yield _local_note(layer.local_size)
    yield from (f"assumed: {assumption}" for assumption in layer.assumptions)
    if layer.area_ratios:
        ratios = [f"{100 * mass:g} % in {'no square' if r is None else percent(r)}" for mass, r in layer.area_ratios]
        yield f"RepLKNet's share of the scores, and the share of the image that holds it: {', '.join(ratios)}"


def _local_note(sizes: Sequence[int | None]) -> str:
    held = "with all that spans the image held constant"
    if not any(sizes):
        return f"{held}, no pixel reaches the unit: there is no local TRF"
    return f"{held}, the TRF is {axes_text(sizes)} pixels"


def is_cut(layer: Layer) -> bool:
    """Return whether the image ends where the ERF does not."""
    return any(layer.cut or ())


def percent(share: float) -> str:
    """Return a share for a table or title."""
    return f"{100 * share:.1f} %"


def trf_text(layer: Layer) -> str:
    """Return the TRF's side in pixels, by axis where they differ; beside an infinite one the local TRF's."""
    size = axes_text([math.inf if size is None else size for size in layer.trf_size])
    if None in layer.trf_size and layer.local_size is not None:
        return f"{size} (local {axes_text(layer.local_size)})"
    return size


def ratio_text(layer: Layer, digits: int) -> str:
    """Return the ratio of ERF to TRF; it is a lower bound where the image cuts the ERF off."""
    bound = "≥ " if is_cut(layer) and layer.ratio is not None else ""
    return bound + axes_text([layer.ratio], digits)


def axes_text(values: Sequence[float | None] | None, digits: int | None = None) -> str:
    """Return one value for all axes, or "rows x columns" where they differ; "-" for None."""
    texts = [_axis_text(value, digits) for value in values or [None]]
    return texts[0] if len(set(texts)) == 1 else " x ".join(texts)


def _axis_text(value: float | None, digits: int | None) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if digits is None else f"{value:.{digits}f}"
