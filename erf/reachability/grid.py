"""Where the units of a layer stand in its output, and the box of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from erf.errors import InvalidInput
from erf.reachability.digit import NOTHING, NUMBERS, Digit, Floats, Integers
from erf.reachability.one_sided import Side, standing_side
from erf.reachability.reach import Reach
from erf.reachability.record import IMAGES
from erf.reachability.union import aligned


@dataclass(frozen=True)
class Grid:
    """The units of a layer, by row and column (or however many axes the input has).

    Attributes:
        shape: Units per axis; None if the layer has no spatial axes.
        boxes: Per input axis ``[4, *shape]``, as in :class:`Reach`, the channels joined; 1 wide where constant.
        digits: Per input axis, how the boxes go on from unit to unit; None where there is nothing to count.
        exact: Per input axis, as in :class:`Reach`.
        dims: Per input axis, the output's dimension that runs along it; None where there is none.
        tokens: Where one dimension runs along all axes: the position of each unit along it, ``[*shape]``.
        each: Where the output's first dimension runs through an image's units and then through the next one's: how many
            of its positions are one image's; None where it does not.
    """

    shape: tuple[int, ...] | None
    boxes: tuple[Floats, ...]
    digits: tuple[Digit | None, ...]
    exact: tuple[bool, ...]
    dims: tuple[int | None, ...]
    tokens: Integers | None = None
    each: int | None = None

    def index(self, unit: Sequence[int]) -> tuple[int | slice, ...]:
        """Return the index of a unit in the output; the dimensions that it leaves are the images and the channels."""
        places: dict[int | None, int | slice]
        if self.tokens is not None:
            places = {self.dims[0]: int(self.tokens[tuple(unit)])}
        else:
            places = dict(zip(self.dims, unit, strict=True))
        if self.each is not None:
            places[0] = slice(places.get(0, 0), None, self.each)
        last = max((dim for dim in places if dim is not None), default=-1)
        return tuple(places.get(dim, slice(None)) for dim in range(last + 1))

    def line(self, axis: int, unit: Sequence[int]) -> Floats:
        """Return the boxes ``[4, n]`` of the units along one axis through ``unit``."""
        box = self.boxes[axis]
        index = [slice(None) if k == axis else min(u, box.shape[1 + k] - 1) for k, u in enumerate(unit)]
        return box[(slice(None), *index)]

    def spacing(self, axis: int, unit: Sequence[int], side: Side | None) -> tuple[float, float] | None:
        """Return the distance of the units along an axis and where unit 0 stands; None if they are unevenly spaced.

        They stand at one side of their fields, or at the center.
        """
        line, digit = self.line(axis, unit), self.digits[axis]
        if not np.isfinite(line[:2]).all():
            return None
        places = {Side.first: line[0], Side.last: 0 - line[1], None: (line[0] - line[1]) / 2}[side]
        steps = set(np.diff(places).tolist())
        if digit and digit.period:
            steps.add(digit.shift / digit.period)
        known = digit is None or digit.period < 2 or len(places) >= digit.period
        return (steps.pop(), float(places[0])) if known and len(steps) == 1 and steps != {0.0} else None

    def side(self, axis: int, unit: Sequence[int], size: int) -> Side | None:
        """Return the side of their fields at which the units along an axis stand, of an image of that size."""
        firsts, minus_lasts = self.line(axis, unit)[:2]
        lasts = 0 - minus_lasts
        digit = self.digits[axis]
        law = digit.law if digit and digit.period else None
        return standing_side(firsts, lasts, law, size) if np.isfinite([firsts, lasts]).all() else None

    def box(self, axis: int, unit: Sequence[int]) -> Floats:
        """Return the numbers of a unit."""
        line = self.line(axis, unit)
        return line[:, min(unit[axis], line.shape[1] - 1)]


def grid_of(reaches: Sequence[Reach]) -> Grid:
    """Find the spatial axes of a layer's output: maps in any order of dimensions, or tokens.

    Raises:
        InvalidInput: If its units are not the rows and columns of one map.
    """
    of_one = _of_one_image(reaches)
    return replace(_grid_of(of_one), each=of_one[0].shape[0]) if of_one else _grid_of(reaches)


def _of_one_image(reaches: Sequence[Reach]) -> list[Reach] | None:
    """Return the boxes of the first image's positions where the first dimension runs through those of all images."""
    if not any(reach.ndim and reach.along(0) for reach in reaches) or reaches[0].shape[0] % IMAGES:
        return None
    images = [reach.reshape((IMAGES, reach.shape[0] // IMAGES, *reach.shape[1:])) for reach in reaches]
    alike = all(reach.constant(0) for reach in images)
    return [reach.resized(0, 1).remove([0]) for reach in images] if alike else None


def _grid_of(reaches: Sequence[Reach]) -> Grid:
    axes = range(len(reaches))
    along = [[dim for dim in range(reach.ndim) if reach.along(dim)] for reach in reaches]
    if not any(along):
        is_map = reaches[0].ndim == len(axes) + 2  # of the same boxes everywhere
        return _map(reaches, [2 + axis for axis in axes]) if is_map else _pooled(reaches)
    # Channels may hold the one row or column of a map of one unit.
    if reaches[0].ndim == len(axes) + 2 and all({*along[axis]} - {1} == {2 + axis} for axis in axes):
        return _map(reaches, [2 + axis for axis in axes])
    if any(len(dims) > 1 for dims in along):
        return _pooled(reaches)  # between pairs of positions, as scores and distances: one unit, all of the output
    dims = [next(iter(each), None) for each in along]
    dim = next(each for each in dims if each is not None)
    together = all(_varies(reach, dim) if d is None else d == dim for reach, d in zip(reaches, dims, strict=True))
    if together and (len(reaches) > 1 or _has_prefix(reaches[0], dim)):
        try:
            return _tokens(reaches, dim)
        except InvalidInput:
            if reaches[0].ndim > 2:
                raise
            return _pooled(reaches)  # one vector of an image, as of its flattened map
    return _map(reaches, dims)


def _varies(reach: Reach, dim: int) -> bool:
    """Whether units along the dimension have different pixels."""
    line = _joined(reach.single(dim), [dim])[:2]
    return bool((line != line[:, :1]).any())


def _pooled(reaches: Sequence[Reach]) -> Grid:
    """No axis is left."""
    boxes = tuple(reach.hull(range(reach.ndim)).values.reshape(NUMBERS, *(1,) * len(reaches)) for reach in reaches)
    nowhere = (None,) * len(reaches)
    return Grid(None, boxes, nowhere, tuple(reach.exact for reach in reaches), nowhere)


def _map(reaches: Sequence[Reach], dims: Sequence[int | None]) -> Grid:
    shape = tuple(1 if dim is None else reaches[0].shape[dim] for dim in dims)
    own = [dim for dim in dims if dim is not None]
    pooled = [reach for reach, dim in zip(reaches, dims, strict=True) if dim is None]
    if len(set(own)) < len(own) or any(_varies(reach, dim) for reach in pooled for dim in own):
        raise InvalidInput("its units are not the rows and columns of one map")
    boxes, digits = [], []
    for axis, reach in enumerate(reaches):
        for dim in own:
            reach = reach.single(dim)
        boxes.append(_joined(reach, dims))
        along = dims[axis]
        digits.append(None if along is None else reach.dims[along][0])
    return Grid(shape, tuple(boxes), tuple(digits), tuple(reach.exact for reach in reaches), tuple(dims))


def _joined(reach: Reach, dims: Sequence[int | None]) -> Floats:
    """Join everything but the given dimensions, and put those in order."""
    others = [dim for dim in range(reach.ndim) if dim not in dims]
    own = [dim for dim in dims if dim is not None]
    values = reach.hull(others).permute([*own, *others]).values
    widths = iter(values.shape[1:])
    return values.reshape(NUMBERS, *(1 if dim is None else next(widths) for dim in dims))


def _has_prefix(reach: Reach, dim: int) -> bool:
    """Whether some positions along the one axis are tokens without a place."""
    return bool(np.isinf(_joined(reach.single(dim), [dim])[0]).any())


def _tokens(reaches: Sequence[Reach], dim: int) -> Grid:
    """Find the row and column of each token; prefix tokens have none, as they have no pixels of their own."""
    lines = [np.broadcast_to(_joined(reach.single(dim), [dim]), (NUMBERS, reaches[0].shape[dim])) for reach in reaches]
    placed = np.isfinite(lines[0][0])
    if not placed.any():
        return _pooled(reaches)
    places = _places_by_digits(reaches, dim) if placed.all() else None
    places = places or [np.unique(line[0, placed], return_inverse=True)[1] for line in lines]
    shape = tuple(int(place.max()) + 1 for place in places)
    cells = np.ravel_multi_index(tuple(places), shape)
    if len(np.unique(cells)) != len(cells) or len(cells) != np.prod(shape):
        raise InvalidInput("its tokens are not the rows and columns of one map")
    boxes = [np.full((NUMBERS, *shape), NOTHING) for _ in lines]
    for box, line in zip(boxes, lines, strict=True):
        box.reshape(NUMBERS, -1)[:, cells] = line[:, placed]
    if not all(_goes_one_way(box, axis) for axis, box in enumerate(boxes)):
        raise InvalidInput("its tokens are not the rows and columns of one map")
    tokens = np.empty(shape, dtype=np.int64)
    tokens.reshape(-1)[cells] = np.flatnonzero(placed)
    exact = tuple(reach.exact for reach in reaches)
    return Grid(shape, tuple(boxes), (None,) * len(reaches), exact, (dim,) * len(reaches), tokens)


def _places_by_digits(reaches: Sequence[Reach], dim: int) -> list[Integers] | None:
    """Count along each axis by the digits that vary along that axis; None unless each varies along one."""
    digits = list(zip(*(reach.dims[dim] for reach in aligned(reaches, [dim])), strict=True))
    sizes = [parts[0].size for parts in digits]
    axes = [[axis for axis, part in enumerate(parts) if not part.constant] for parts in digits]
    if any(len(varying) != 1 for varying in axes):
        return None
    counts = np.unravel_index(np.arange(np.prod(sizes)), sizes)
    places = []
    for axis in range(len(reaches)):
        own = [k for k, varying in enumerate(axes) if varying == [axis]]
        places.append(np.ravel_multi_index([counts[k] for k in own], [sizes[k] for k in own]) if own else 0 * counts[0])
    return places


def _goes_one_way(box: Floats, axis: int) -> bool:
    """Whether from row to row, or column to column, the boxes go forward, or all go back."""
    first, minus_last = (np.moveaxis(part, axis, 0) for part in box[:2])
    forward = (first[1:] >= first[:-1]) & (minus_last[1:] <= minus_last[:-1])
    back = (first[1:] <= first[:-1]) & (minus_last[1:] >= minus_last[:-1])
    return bool(forward.all() or back.all())
