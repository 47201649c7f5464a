"""Several boxes in the place of one: joined position by position, or put side by side."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np

from erf.reachability.digit import Digit, common_sizes, join, narrowed, seen
from erf.reachability.reach import Digits, Joiner, Reach, nothing


def union(reaches: Sequence[Reach], shape: Sequence[int]) -> Reach:
    """Return, for each position of the broadcast shape, the hull of the boxes."""
    heard = [reach.expand(shape) for reach in reaches if not reach.is_nothing]
    if len(heard) < 2:
        return heard[0] if heard else nothing(shape)
    heard = aligned(heard, range(len(shape)))
    values = reduce(np.minimum, [reach.values for reach in heard])
    return Reach(_joined_dims(heard), values, all(reach.exact for reach in heard))


def concatenate(reaches: Sequence[Reach], dim: int) -> Reach:
    """Put tensors one after the other along a dimension."""
    others = [other for other in range(reaches[0].ndim) if other != dim]
    parts = [reach.single(dim) for reach in aligned(reaches, others)]
    sizes = [part.shape[dim] for part in parts]
    dims = list(_joined_dims(parts, skip=dim))
    alike = all(part.constant(dim) and np.array_equal(part.values, parts[0].values) for part in parts)
    exact = all(part.exact for part in parts)
    if alike:
        dims[dim] = (Digit(sum(sizes)),)
        return Reach(tuple(dims), parts[0].values, exact)
    place = parts[0].place(dim)
    shape = list(np.broadcast_shapes(*(_without(part.values.shape, place) for part in parts)))
    full = [np.broadcast_to(p.values, [*shape[:place], n, *shape[place:]]) for p, n in zip(parts, sizes, strict=True)]
    values = narrowed(np.concatenate(full, axis=place), place)
    dims[dim] = (seen(Digit(sum(sizes), along=any(part.along(dim) for part in parts)), values, place),)
    return Reach(tuple(dims), values, exact)


def mixed(reach: Reach, dims: Sequence[int], operator: Joiner) -> Reach:
    """Let every position along the dimensions depend on all of them, as a norm does.

    Its own pixels stay visible where that spans the axis: they tell the units apart.
    """
    spanning = [dim for dim in dims if reach.along(dim)]
    local = reach.contract([dim for dim in dims if not reach.along(dim)], operator).expand(reach.shape)
    return union([local, local.contract(spanning, operator)], reach.shape) if spanning else local


def aligned(reaches: Sequence[Reach], dims: Sequence[int]) -> list[Reach]:
    """Write each of the dimensions with the same digits in all tensors."""
    reaches = list(reaches)
    for dim in dims:
        layouts = {_sizes(reach, dim) for reach in reaches}
        if len(layouts) == 1:
            continue
        sizes = common_sizes({_sizes(reach, dim) for reach in reaches if not reach.constant(dim)} or layouts)
        reaches = [reach if _sizes(reach, dim) == sizes else reach.divided(dim, sizes) for reach in reaches]
    return reaches


def _sizes(reach: Reach, dim: int) -> tuple[int, ...]:
    return tuple(digit.size for digit in reach.dims[dim])


def _joined_dims(reaches: Sequence[Reach], skip: int | None = None) -> tuple[Digits, ...]:
    """Return the digits of a union."""
    silent: list[bool] | None = None
    dims: list[Digits] = []
    for dim, groups in enumerate(zip(*(reach.dims for reach in reaches), strict=True)):
        if dim == skip or all(group == groups[0] for group in groups):
            dims.append(groups[0])
            continue
        silent = silent or [bool(np.isinf(reach.values[0]).all()) for reach in reaches]
        widths = zip(*(reach.widths(dim) for reach in reaches), strict=True)
        quiet = [[a and width == 1 for a, width in zip(silent, each, strict=True)] for each in widths]
        dims.append(tuple(map(join, zip(*groups, strict=True), quiet)))
    return tuple(dims)


def _without(shape: tuple[int, ...], place: int) -> tuple[int, ...]:
    return shape[:place] + shape[place + 1 :]
