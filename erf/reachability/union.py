"""Several boxes in the place of one: joined position by position, or put side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce, wraps
from math import prod
from typing import Any

import numpy as np

from erf.reachability.digit import NUMBERS, Digit, Floats, Integers, common_sizes, join, narrowed, seen
from erf.reachability.reach import Digits, Joiner, Reach, nothing

LARGEST = 2**17  # numbers of a union that is written out


class LazyUnion(Reach):
    """Boxes between all pairs of tokens, for one: a part varies with one token of each pair, a part with the other.

    What moves positions, or joins some, acts on the parts. Where all boxes are asked for, they are written out.

    Attributes:
        parts: Of which the boxes are the union. Their directions have the same sizes.
    """

    def __init__(self, parts: Sequence[Reach]) -> None:
        exact = all(part.exact for part in parts)
        vars(self).update(parts=tuple(parts), dims=_joined_dims(parts), exact=exact, data=None)

    parts: tuple[Reach, ...]

    def each(self, operation: Callable[[Reach], Reach]) -> Reach:
        """Return the union of what an operation makes of the parts."""
        results = [operation(part) for part in self.parts]
        return union(results, results[0].shape)

    @property
    def values(self) -> Floats:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The boxes, written out."""
        return reduce(np.minimum, [part.values for part in self.parts])

    @property
    def is_nothing(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether no pixel reaches any position: such parts are left out."""
        return False

    @property
    def has_pixels(self) -> bool:
        """Whether a pixel is left in any position's local box."""
        return any(part.has_pixels for part in self.parts)

    def firsts(self) -> Floats:
        """Return the first pixels of all boxes that have any, each once, in order."""
        latest = min(part.values[0].max() for part in self.parts)
        firsts = np.unique(np.concatenate([part.firsts() for part in self.parts]))
        return firsts[firsts <= latest]

    def outline(self, most: int) -> Reach:
        """Return it without boxes."""
        return Reach(self.dims, np.empty((NUMBERS, 0)), self.exact)

    def with_digits(self, new: dict[int, Digits], values: Floats | None = None) -> Reach:
        """Replace the digits of some dimensions, and what fits them 1 wide if no values are given."""
        if values is not None:
            return super().with_digits(new, values)
        return self.each(lambda part: part.with_digits(new))

    def read(self, dim: int, table: Integers, step: tuple[int, int] = (1, 1), bounded: Integers | None = None) -> Reach:
        """Let position ``i`` of the dimension join the positions ``table[i, :]`` of the old one."""
        if np.any((table < 0) | (table >= self.shape[dim])):  # beyond, parts may go on where the union does not
            return super().read(dim, table, step, bounded)
        return self.each(lambda part: part.read(dim, table, step))


def _in_parts(method: Callable[..., Reach]) -> Callable[..., Reach]:
    """Return the method that does to each part of a union what a tensor's own does to all of it."""

    @wraps(method)
    def of_union(self: LazyUnion, *args: Any) -> Reach:
        return self.each(lambda part: method(part, *args))

    return of_union


for _name in ("permute", "reshape", "single", "divided", "expand", "remove", "resized", "hull", "settled"):
    setattr(LazyUnion, _name, _in_parts(getattr(Reach, _name)))


def union(reaches: Sequence[Reach], shape: Sequence[int]) -> Reach:
    """Return, for each position of the broadcast shape, the hull of the boxes."""
    parts = [part for reach in reaches for part in _parts(reach)]
    heard = [part.expand(shape) for part in parts if not part.is_nothing]
    if len(heard) < 2:
        return heard[0] if heard else nothing(shape)
    heard = aligned(heard, range(len(shape)))
    if prod(_widths(heard)) <= LARGEST:
        return _written_out(heard)
    widest: list[list[Reach]] = []
    for part in sorted(heard, key=lambda part: part.values.size, reverse=True):
        wider = next((group for group in widest if _widths([*group, part]) == group[0].values.shape), None)
        widest.append([part]) if wider is None else wider.append(part)
    return _written_out(heard) if len(widest) == 1 else LazyUnion(list(map(_written_out, widest)))


def _widths(reaches: Sequence[Reach]) -> tuple[int, ...]:
    return np.broadcast_shapes(*(reach.values.shape for reach in reaches))


def _written_out(reaches: Sequence[Reach]) -> Reach:
    """Return the union of boxes whose directions have the same sizes."""
    values = reduce(np.minimum, [reach.values for reach in reaches])
    return Reach(_joined_dims(reaches), values, all(reach.exact for reach in reaches))


def leaves(new: Reach, old: Reach) -> bool:
    """Whether new boxes are the old ones, and go on as those do where that is known."""
    if new.shape != old.shape:
        return False
    new, old = aligned([new, old], range(old.ndim))
    pairs = [pair for each in zip(new.dims, old.dims, strict=True) for pair in zip(*each, strict=True)]
    lawful = all(digit.law == before.law for digit, before in pairs if before.period)
    parts = _parts(new), _parts(old)
    alike = new.exact == old.exact and lawful and len(parts[0]) == len(parts[1])
    return alike and all(bool((a.values == b.values).all()) for a, b in zip(*parts, strict=True))


def _parts(reach: Reach) -> tuple[Reach, ...]:
    return reach.parts if isinstance(reach, LazyUnion) else (reach,)


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
        silent = silent or [not reach.has_pixels for reach in reaches]
        widths = zip(*(reach.widths(dim) for reach in reaches), strict=True)
        quiet = [[a and width == 1 for a, width in zip(silent, each, strict=True)] for each in widths]
        dims.append(tuple(map(join, zip(*groups, strict=True), quiet)))
    return tuple(dims)


def _without(shape: tuple[int, ...], place: int) -> tuple[int, ...]:
    return shape[:place] + shape[place + 1 :]
