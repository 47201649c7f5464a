"""Boxes of pixels."""

from __future__ import annotations

from typing import Any

from erf.arguments import is_whole, shown
from erf.errors import InvalidInput

Box = tuple[tuple[int, int], ...]  # per axis, a half-open range of pixels


def require_box(axes: int, **boxes: Box) -> None:
    """Raise InvalidInput unless every box has a half-open range of whole numbers for each axis."""
    for name, box in boxes.items():
        try:
            ranges = [tuple(side) for side in box] if len(box) == axes else []
        except Exception:  # of an object that is not ours
            ranges = []
        if len(ranges) != axes or not all(map(_is_range, ranges)):
            allowed = f"ranges (first, end) of whole numbers, one for each of {axes} axes"
            raise InvalidInput(f"{name}={shown(box)}: allowed are {allowed}")


def _is_range(side: tuple[Any, ...]) -> bool:
    return len(side) == 2 and all(map(is_whole, side)) and side[0] < side[1]
