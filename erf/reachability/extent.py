"""A unit's field along one axis, read off its layer's grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from erf.errors import InvalidInput
from erf.reachability.box import Box
from erf.reachability.grid import Grid
from erf.reachability.one_sided import Side
from erf.reachability.record import Unit


@dataclass(frozen=True)
class Extent:
    """A unit's field along one axis.

    Attributes:
        box: Half-open range of pixels, with the image's own end where an operator joined all to that side.
        operator: The number of the first operator that spanned the axis, to one side or both; None if none did.
        local: The range that is left where such operators are held constant; None if nothing is.
        jump: Pixels from unit to unit; None where they are not evenly spaced.
        start: Where unit 0 stands; None where ``jump`` is.
        center: Where the unit stands.
    """

    box: tuple[int, int]
    operator: int | None
    local: tuple[int, int] | None
    jump: float | None
    start: float | None
    center: float

    @property
    def size(self) -> float:
        """Of the field, in pixels."""
        return self.box[1] - self.box[0] if self.operator is None else math.inf

    @property
    def local_size(self) -> float | None:
        """Of the local field, in pixels; None if there is none."""
        return None if self.local is None else self.local[1] - self.local[0]


def extent_of(grid: Grid, axis: int, unit: Unit, side: Side | None, pixels: int) -> Extent:
    """Return the field of a unit along one axis of an image of that many pixels."""
    first, minus_last, before, after = grid.box(axis, unit)
    jump, start = grid.spacing(axis, unit, side) or (None, None)
    local = (int(first), int(1 - minus_last)) if np.isfinite(first) else None
    operator = min(before, after)
    if local is None and np.isinf(operator):
        raise InvalidInput(f"no input pixel reaches unit {unit}")
    low, high = local or (0, pixels)
    box = (0 if np.isfinite(before) else low, pixels if np.isfinite(after) else high)
    if side is not None:
        center = float(low if side is Side.first else high - 1)
    elif np.isfinite(operator) and jump is not None and start is not None:
        center = start + unit[axis] * jump
    else:
        center = (box[0] + box[1] - 1) / 2
    jump = None if jump is None else _whole(jump)
    return Extent(box, None if np.isinf(operator) else int(operator), local, jump, start, center)


def middle(grid: Grid) -> Unit:
    """Return the unit in the middle of a layer."""
    return tuple(n // 2 for n in grid.shape or (1,) * len(grid.boxes))


def _whole(value: float) -> float:
    return int(value) if value == int(value) else value


def clipped(grid: Grid, box: Box, size: Unit, finite: Sequence[bool]) -> tuple[bool, ...]:
    """Return, per axis, whether a box leaves the image, or is cut off because nothing is known beyond the border."""
    leaves = [low < 0 or high > n for (low, high), n in zip(box, size, strict=True)]
    cut = [ends and not exact for ends, exact in zip(finite, grid.exact, strict=True)]
    return tuple(a or b for a, b in zip(leaves, cut, strict=True))
