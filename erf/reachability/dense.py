"""Boxes that are written out position by position, and how they go on as far as they show it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from erf.reachability.digit import NUMBERS, Floats, explains, narrowed, seen
from erf.reachability.reach import Digits, Reach


def from_dense(values: Floats, dims: Sequence[Digits], exact: bool) -> Reach:
    """Return the boxes ``[4, *shape]`` as they are.

    Args:
        values: The boxes.
        dims: The digits that each dimension may have; where they do not explain the boxes, others are seen from these.
        exact: As in :class:`Reach`.
    """
    reach, digits = Reach(tuple(dims), values, exact), []
    values = values.reshape(NUMBERS, *(digit.size for digit in reach.digits))
    for place, digit in enumerate(reach.digits, 1):
        known = explains(digit, values, place)
        values = narrowed(values, place)
        digits.append(digit if known else seen(digit, values, place))
    return reach.with_each(digits, values)


def directed(reach: Reach, among: Collection[int] | None = None) -> Reach:
    """Let the direction in which the boxes move farthest run along the input axis, if none is known to.

    So it is where positions were computed one by one and put together.

    Args:
        reach: The boxes.
        among: The dimensions of which one may run along the axis; None is all.
    """
    digits = list(reach.digits)
    if any(digit.along and digit.size > 1 for digit in digits):  # one position has no direction
        return reach
    dims = [dim for dim, own in enumerate(reach.dims) for _ in own]
    allowed = range(reach.ndim) if among is None else among
    distances = [_distance(reach.values, place) * (dim in allowed) for place, dim in enumerate(dims, 1)]
    if max(distances, default=0) == 0:
        return reach
    k = int(np.argmax(distances))
    digits[k] = seen(replace(digits[k], along=True), reach.values, k + 1)
    return reach.with_each(digits)


def _distance(values: Floats, place: int) -> float:
    """How far an end of the boxes moves along an axis of the values; 0 if it moves to and fro."""
    ends = values[:2].min(axis=tuple(axis for axis in range(1, values.ndim) if axis != place))
    steps = np.diff(ends[:, np.isfinite(ends[0])])
    distances, ways = np.abs(steps.sum(axis=1)), np.abs(steps).sum(axis=1)
    return float(np.where(2 * distances > ways, distances, 0).max())
