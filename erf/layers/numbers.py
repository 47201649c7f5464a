"""How numbers of one or several axes are written, and what must be known about a layer's numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from erf.metrics.erf_size import Reference


class Bounded(Protocol):
    """A ratio, and whether it is a bound; a record of a layer will do."""

    @property
    def cut(self) -> tuple[bool, ...] | None: ...  # noqa: D102
    @property
    def ratio(self) -> float | None: ...  # noqa: D102


class Measured(Bounded, Protocol):
    """What the sentences on a layer are made from; a record of one will do."""

    @property
    def reference(self) -> str | None: ...  # noqa: D102
    @property
    def clipped(self) -> tuple[bool, ...]: ...  # noqa: D102
    @property
    def erf_size(self) -> float | None: ...  # noqa: D102
    @property
    def diagnostics(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def trf_size(self) -> Sequence[float | None]: ...  # noqa: D102
    @property
    def local_size(self) -> Sequence[float | None] | None: ...  # noqa: D102
    @property
    def assumptions(self) -> tuple[str, ...]: ...  # noqa: D102


def notes(layer: Measured) -> Iterator[str]:
    """Yield what the reader must know about a layer's numbers, one sentence each."""
    if layer.reference == Reference.peak:
        yield "the ERF size is relative to the peak, because the center is 0 or outside the image"
    if is_cut(layer):
        rest = "" if is_infinite(layer.trf_size) else "; a larger input shows the rest"
        yield f"the ERF leaves the image, so its size is that of the part inside{rest}"
        if layer.ratio is not None:
            yield "its ratio is a lower bound for the same reason"
    elif any(layer.clipped) and layer.erf_size is not None:
        yield "the TRF is clipped, but the ERF ends inside the image, so its size is whole"
    yield from layer.diagnostics
    yield from (f"assumed: {assumption}" for assumption in layer.assumptions)


def is_cut(layer: Bounded) -> bool:
    """Return whether the image ends where the ERF does not."""
    return any(layer.cut or ())


def is_infinite(sizes: Sequence[float | None]) -> bool:
    """Return whether a TRF spans an axis whole; a record has None there."""
    return any(size in (None, math.inf) for size in sizes)


def trf_text(layer: Measured) -> str:
    """Return the TRF's side in pixels, by axis where they differ; beside an infinite one the local TRF's."""
    size = axes_text([math.inf if side is None else side for side in layer.trf_size])
    if is_infinite(layer.trf_size) and layer.local_size is not None:
        return f"{size} (local {axes_text(layer.local_size)})"
    return size


def ratio_text(layer: Bounded, digits: int) -> str:
    """Return the ratio of ERF to TRF; it is a lower bound where the image cuts the ERF off."""
    bound = "≥ " if is_cut(layer) and layer.ratio is not None else ""
    return bound + axes_text([layer.ratio], digits)


def axes_text(values: Sequence[float | None] | None, digits: int | None = None) -> str:
    """Return one value for all axes, or "rows x columns" where they differ; "-" for None."""
    texts = [_axis_text(value, digits) for value in values or [None]]
    return texts[0] if len(set(texts)) == 1 else " x ".join(texts)


def size_text(size: float | None, interval: tuple[float, float] | None) -> str:
    """Return a size in pixels and, in brackets, its interval if there is one."""
    text = axes_text([size], 1)
    return text if interval is None else f"{text} ({' to '.join(_axis_text(end, 1) for end in interval)})"


def _axis_text(value: Any, digits: int | None) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if digits is None else f"{value:z.{digits}f}"  # z: no -0.0
