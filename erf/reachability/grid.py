"""Where the units of a layer stand in its output, and the box of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from erf.errors import InvalidInput
from erf.reachability.digit import Digit, Floats
from erf.reachability.reach import NOTHING, Integers, Reach


@dataclass(frozen=True)
class Grid:
    """The units of a layer, by row and column (or however many axes the input has).

    Attributes:
        shape: Units per axis; None if the layer has no spatial axes.
        boxes: Per input axis ``[3, *shape]``, as in :class:`Reach`, the channels joined; 1 wide where constant.
        digits: Per input axis, how the boxes go on from unit to unit; None where there is nothing to count.
        exact: Per input axis, as in :class:`Reach`.
        dims: Per input axis, the output's dimension that runs along it; None where there is none.
        tokens: Where one dimension runs along all axes: the position of each unit along it, ``[*shape]``.
    """

    shape: tuple[int, ...] | None
    boxes: tuple[Floats, ...]
    digits: tuple[Digit | None, ...]
    exact: tuple[bool, ...]
    dims: tuple[int | None, ...]
    tokens: Integers | None = None

    def index(self, unit: Sequence[int]) -> tuple[int | slice, ...]:
        """Return the index of a unit in the output; the dimensions that it leaves are the images and the channels."""
        if self.tokens is not None:
            places = {self.dims[0]: int(self.tokens[tuple(unit)])}
        else:
            places = dict(zip(self.dims, unit, strict=True))
        last = max((dim for dim in places if dim is not None), default=-1)
        return tuple(places.get(dim, slice(None)) for dim in range(last + 1))

    def line(self, axis: int, unit: Sequence[int]) -> Floats:
        """Return the boxes ``[3, n]`` of the units along one axis through ``unit``."""
        box = self.boxes[axis]
        index = [slice(None) if k == axis else min(u, box.shape[1 + k] - 1) for k, u in enumerate(unit)]
        return box[(slice(None), *index)]

    def spacing(self, axis: int, unit: Sequence[int]) -> tuple[float, float] | None:
        """Return the distance of the units' centres along an axis and the centre of unit 0; None if it is uneven."""
        line, digit = self.line(axis, unit), self.digits[axis]
        if not np.isfinite(line[:2]).all():
            return None
        centres = (line[0] - line[1]) / 2
        steps = set(np.diff(centres).tolist())
        if digit and digit.period:
            steps.add(digit.shift / digit.period)
        known = digit is None or digit.period < 2 or len(centres) >= digit.period
        return (steps.pop(), float(centres[0])) if known and len(steps) == 1 and steps != {0.0} else None

    def box(self, axis: int, unit: Sequence[int]) -> Floats:
        """Return the three numbers of a unit."""
        line = self.line(axis, unit)
        return line[:, min(unit[axis], line.shape[1] - 1)]


def grid_of(reaches: Sequence[Reach]) -> Grid:
    """Find the spatial axes of a layer's output: maps in any order of dimensions, or tokens.

    Raises:
        InvalidInput: If its units are not the rows and columns of one map.
    """
    axes = range(len(reaches))
    along = [[dim for dim in range(reach.ndim) if reach.along(dim)] for reach in reaches]
    if not any(along):
        return _pooled(reaches)
    if reaches[0].ndim == len(axes) + 2 and all(2 + axis in along[axis] for axis in axes):
        return _map(reaches, [2 + axis for axis in axes])
    dims = [found[0] if found else None for found in along]
    if any(len(found) > 1 for found in along):
        raise InvalidInput("its units are cut into windows: not the rows and columns of one map")
    (first, *others) = dims
    if first is not None and all(dim == first for dim in others) and (others or _has_prefix(reaches[0], first)):
        return _tokens(reaches, first)
    return _map(reaches, dims)


def _pooled(reaches: Sequence[Reach]) -> Grid:
    """No axis is left."""
    boxes = tuple(reach.values.min(axis=tuple(range(1, reach.values.ndim))) for reach in reaches)
    boxes = tuple(box.reshape(3, *(1,) * len(reaches)) for box in boxes)
    nowhere = (None,) * len(reaches)
    return Grid(None, boxes, nowhere, tuple(reach.exact for reach in reaches), nowhere)


def _map(reaches: Sequence[Reach], dims: Sequence[int | None]) -> Grid:
    shape = tuple(1 if dim is None else reaches[0].shape[dim] for dim in dims)
    kept = [dim for dim in dims if dim is not None]
    if len(set(kept)) < len(kept):
        raise InvalidInput("its units are not the rows and columns of one map")
    boxes, digits = [], []
    for axis, reach in enumerate(reaches):
        for dim in kept:
            reach = reach.single(dim)
        boxes.append(_joined(reach, dims))
        along = dims[axis]
        digits.append(None if along is None else reach.dims[along][0])
    return Grid(shape, tuple(boxes), tuple(digits), tuple(reach.exact for reach in reaches), tuple(dims))


def _joined(reach: Reach, dims: Sequence[int | None]) -> Floats:
    """Join everything but the given dimensions, and put those in order."""
    kept = [reach.place(dim) for dim in dims if dim is not None]
    others = tuple(place for place in range(1, reach.values.ndim) if place not in kept)
    order = np.argsort(np.argsort(kept))
    values = reach.values.min(axis=others).transpose(0, *(1 + order))
    widths = iter(values.shape[1:])
    return values.reshape(3, *(1 if dim is None else next(widths) for dim in dims))


def _has_prefix(reach: Reach, dim: int) -> bool:
    """Whether some positions along the one axis are tokens without a place."""
    return bool(np.isinf(_joined(reach.single(dim), [dim])[0]).any())


def _tokens(reaches: Sequence[Reach], dim: int) -> Grid:
    """Tell tokens apart by their own pixels, as they have no row and column; prefix tokens have none."""
    lines = [np.broadcast_to(_joined(reach.single(dim), [dim]), (3, reaches[0].shape[dim])) for reach in reaches]
    placed = np.isfinite(lines[0][0])
    found = [np.unique(line[0, placed], return_inverse=True) for line in lines]
    shape = tuple(len(firsts) for firsts, _ in found)
    if not placed.any():
        return _pooled(reaches)
    cells = np.ravel_multi_index(tuple(index for _, index in found), shape)
    if len(np.unique(cells)) != len(cells) or len(cells) != np.prod(shape):
        raise InvalidInput("its tokens are not the rows and columns of one map")
    boxes = [np.full((3, *shape), NOTHING) for _ in lines]
    for box, line in zip(boxes, lines, strict=True):
        box.reshape(3, -1)[:, cells] = line[:, placed]
    tokens = np.empty(shape, dtype=np.int64)
    tokens.reshape(-1)[cells] = np.flatnonzero(placed)
    exact = tuple(reach.exact for reach in reaches)
    return Grid(shape, tuple(boxes), (None,) * len(reaches), exact, (dim,) * len(reaches), tokens)
