"""Where the units of a layer stand in its output, and the box of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from erf.errors import InvalidInput
from erf.reachability.digit import Floats
from erf.reachability.reach import NOTHING, Reach


@dataclass(frozen=True)
class Grid:
    """The units of a layer, by row and column (or however many axes the input has).

    Attributes:
        shape: Units per axis; None if the layer has no spatial axes.
        boxes: Per input axis ``[3, *shape]``, as in :class:`Reach`, the channels joined; 1 wide where constant.
        jumps: Per input axis, pixels from one unit to the next where all are evenly spaced, also beyond the border.
        exact: Per input axis, as in :class:`Reach`.
    """

    shape: tuple[int, ...] | None
    boxes: tuple[Floats, ...]
    jumps: tuple[int | None, ...]
    exact: tuple[bool, ...]

    def line(self, axis: int, unit: Sequence[int]) -> Floats:
        """Return the boxes ``[3, n]`` of the units along one axis through ``unit``."""
        box = self.boxes[axis]
        index = [slice(None) if k == axis else min(u, box.shape[1 + k] - 1) for k, u in enumerate(unit)]
        return box[(slice(None), *index)]

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
    along = [[dim for dim in range(reach.ndim) if reach.whole(dim)] for reach in reaches]
    if not any(along):
        return _pooled(reaches)
    dims = [found[0] if found else None for found in along]
    if any(len(found) > 1 for found in along):
        raise InvalidInput("its units are cut into windows: not the rows and columns of one map")
    if len(axes) > 1 and len(set(dims)) == 1 or _has_prefix(reaches, dims):
        return _tokens(reaches, dims[0])
    return _map(reaches, dims)


def _pooled(reaches: Sequence[Reach]) -> Grid:
    """No axis is left."""
    boxes = tuple(reach.values.min(axis=tuple(range(1, reach.values.ndim))) for reach in reaches)
    boxes = tuple(box.reshape(3, *(1,) * len(reaches)) for box in boxes)
    return Grid(None, boxes, (None,) * len(reaches), tuple(reach.exact for reach in reaches))


def _map(reaches: Sequence[Reach], dims: Sequence[int | None]) -> Grid:
    shape = tuple(1 if dim is None else reaches[0].shape[dim] for dim in dims)
    kept = [dim for dim in dims if dim is not None]
    if len(set(kept)) < len(kept):
        raise InvalidInput("its units are not the rows and columns of one map")
    boxes, jumps = [], []
    for axis, reach in enumerate(reaches):
        for dim in kept:
            reach = reach.single(dim)
        boxes.append(_joined(reach, dims))
        digit = None if dims[axis] is None else reach.dims[dims[axis]][0]
        jumps.append(digit.shift if digit and digit.period == 1 else None)
    return Grid(shape, tuple(boxes), tuple(jumps), tuple(reach.exact for reach in reaches))


def _joined(reach: Reach, dims: Sequence[int | None]) -> Floats:
    """Join everything but the given dimensions, and put those in order."""
    kept = [reach.place(dim) for dim in dims if dim is not None]
    others = tuple(place for place in range(1, reach.values.ndim) if place not in kept)
    order = np.argsort(np.argsort(kept))
    values = reach.values.min(axis=others).transpose(0, *(1 + order))
    widths = iter(values.shape[1:])
    return values.reshape(3, *(1 if dim is None else next(widths) for dim in dims))


def _has_prefix(reaches: Sequence[Reach], dims: Sequence[int | None]) -> bool:
    """Whether some positions along the one axis are tokens without a place."""
    if len(reaches) > 1 or dims[0] is None:
        return False
    return bool(np.isinf(_joined(reaches[0].single(dims[0]), dims)[0]).any())


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
    return Grid(shape, tuple(boxes), (None,) * len(reaches), tuple(reach.exact for reach in reaches))
