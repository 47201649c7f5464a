r"""For each position of one tensor: which pixels, along one axis of the input, can reach it.

A box is four numbers that all join by the minimum: the first pixel, minus the last pixel, and the numbers of the first
operators that joined all pixels before, and all pixels after, on the way. Each is :data:`NOTHING` where there is none.
Where an operator spanned the axis, the first and last pixels are those of what is left without it: the local box. The
boxes of a tensor are an array over its positions that is 1 wide along every direction in which they do not vary, so
that it stays small.

Each dimension of the tensor is a sequence of *digits*, the outermost first, because networks flatten rows and columns
into tokens, cut maps into windows and put both together again: position ``r * W + c`` has the digits ``r`` and ``c``.
Moving ``period`` positions along a digit moves the boxes by ``shift`` pixels. So they are known beyond the border too:
padding does not clip a receptive field.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, reduce
from itertools import islice
from math import prod
from typing import NamedTuple

import numpy as np
from torch import Tensor

from erf.reachability.digit import (
    NOTHING,
    NOWHERE,
    NUMBERS,
    Digit,
    Floats,
    Integers,
    boxes_at,
    moved_by_ends,
    narrowed,
    refined,
    regroup,
)

Digits = tuple[Digit, ...]


class Joiner(NamedTuple):
    """The operator that joins positions.

    Attributes:
        number: Of its call in the pass.
        extent: Of the input axis, in pixels; infinite where the borders are taken as they are, and nothing spans it.
    """

    number: int
    extent: float


@dataclass(frozen=True)
class Reach:
    """The boxes of one tensor along one input axis.

    Attributes:
        dims: The digits of each dimension.
        values: ``[4, *digits]``; 1 wide where the boxes do not vary.
        exact: False once padding was read where the boxes beyond the border are unknown; then they are clipped.
        data: The tensor itself where its values are known, as those of indices are.
    """

    dims: tuple[Digits, ...]
    values: Floats
    exact: bool = True
    data: Tensor | None = None

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """The tensor's shape."""
        return tuple(prod(digit.size for digit in digits) for digits in self.dims)

    @cached_property
    def digits(self) -> Digits:
        """The digits of all dimensions, one after the other."""
        return tuple(digit for digits in self.dims for digit in digits)

    @property
    def ndim(self) -> int:
        """The tensor's number of dimensions."""
        return len(self.dims)

    @cached_property
    def is_nothing(self) -> bool:
        """Whether no pixel reaches any position."""
        return self.values.size == NUMBERS and bool(np.isinf(self.values).all())

    @property
    def has_pixels(self) -> bool:
        """Whether a pixel is left in any position's local box."""
        return not np.isinf(self.values[0]).all()

    def outline(self, most: int) -> Reach:
        """Return it without boxes if they take more than so many bytes, as those between all pairs of tokens do."""
        return self if self.values.nbytes <= most else replace(self, values=np.empty((NUMBERS, 0)))

    def along(self, dim: int) -> bool:
        """Whether the dimension runs along the input axis; one position among others does not make them run."""
        size = self.shape[dim]
        return any(digit.along and (digit.size > 1 or size == 1) for digit in self.dims[dim])

    def constant(self, dim: int) -> bool:
        """Whether the boxes are the same everywhere along the dimension."""
        return all(digit.constant for digit in self.dims[dim])

    def place(self, dim: int) -> int:
        """Return the first axis of ``values`` that belongs to the dimension."""
        return 1 + sum(map(len, self.dims[:dim]))

    def dense(self) -> Floats:
        """Return ``[4, *shape]`` with every position written out."""
        sizes = [digit.size for digit in self.digits]
        return np.broadcast_to(self.values, (NUMBERS, *sizes)).reshape(NUMBERS, *self.shape)

    def with_digits(self, new: dict[int, Digits], values: Floats | None = None) -> Reach:
        """Replace the digits of some dimensions, and what fits them 1 wide if no values are given."""
        dims = tuple(new.get(dim, digits) for dim, digits in enumerate(self.dims))
        if values is None:
            widths, places = [NUMBERS], iter(self.values.shape[1:])
            for dim, digits in enumerate(self.dims):
                own = [next(places) for _ in digits]
                widths += [1] * len(new[dim]) if dim in new else own
            values = self.values.reshape(widths)
        return Reach(dims, values, self.exact, self.data)

    def with_each(self, digits: Iterable[Digit], values: Floats | None = None) -> Reach:
        """Put other digits, all of them in their order, in the place of its own, and other values if they are given."""
        following = iter(digits)
        dims = tuple(tuple(islice(following, len(own))) for own in self.dims)
        return Reach(dims, self.values if values is None else values, self.exact, self.data)

    def widths(self, dim: int) -> tuple[int, ...]:
        """Return the extent of ``values`` along the dimension's digits."""
        place = self.place(dim)
        return self.values.shape[place : place + len(self.dims[dim])]

    def permute(self, dims: Sequence[int]) -> Reach:
        """Reorder the dimensions."""
        order = [dim % self.ndim for dim in dims]
        places = [self.place(dim) + k for dim in order for k in range(len(self.dims[dim]))]
        return replace(self, dims=tuple(self.dims[dim] for dim in order), values=self.values.transpose(0, *places))

    def reshape(self, shape: Sequence[int]) -> Reach:
        """View the same positions, in the same order, as another shape."""
        if 0 in shape:
            return nothing(shape)
        groups, values = regroup(self.digits, self.values, shape)
        return replace(self, dims=tuple(map(tuple, groups)), values=values)

    def single(self, dim: int) -> Reach:
        """Write the dimension with one digit."""
        digits = self.dims[dim]
        if len(digits) == 1:
            return self
        merged = reduce(Digit.followed_by, digits)
        if self.constant(dim) or max(self.widths(dim)) == 1:
            return self.with_digits({dim: (merged,)})
        place, count = self.place(dim), len(digits)
        full = list(self.values.shape)
        full[place : place + count] = [digit.size for digit in digits]
        values = np.broadcast_to(self.values, full)
        return self.with_digits({dim: (merged,)}, values.reshape(*full[:place], merged.size, *full[place + count :]))

    def divided(self, dim: int, sizes: Sequence[int]) -> Reach:
        """Write the dimension with digits of these sizes."""
        if self.constant(dim):
            return self.with_digits({dim: tuple(Digit(size) for size in sizes)})
        if len(sizes) == 1:
            return self.single(dim)
        digits, values = refined(self.dims[dim], self.values, self.place(dim), sizes)
        return self.with_digits({dim: tuple(digits)}, values)

    def expand(self, shape: Sequence[int]) -> Reach:
        """Repeat dimensions of size 1, and add new ones in front."""
        if tuple(shape) == self.shape:
            return self
        extra = len(shape) - self.ndim
        values = self.values.reshape(NUMBERS, *(1,) * extra, *self.values.shape[1:])
        padded = replace(self, dims=((Digit(1),),) * extra + self.dims, values=values)
        grown = {dim: (Digit(n),) for dim, n in enumerate(shape) if n != padded.shape[dim]}
        return padded.with_digits(grown)

    def remove(self, dims: Sequence[int]) -> Reach:
        """Drop dimensions of size 1."""
        others = [dim for dim in range(self.ndim) if dim not in dims]
        widths = sum((self.widths(dim) for dim in others), ())
        return replace(self, dims=tuple(self.dims[dim] for dim in others), values=self.values.reshape(NUMBERS, *widths))

    def resized(self, dim: int, size: int) -> Reach:
        """Change the size of a dimension along which the boxes are constant."""
        if self.shape[dim] == size and len(self.dims[dim]) == 1:
            return self
        return self.with_digits({dim: (Digit(size, along=self.along(dim)),)})

    def read(self, dim: int, table: Integers, step: tuple[int, int] = (1, 1), bounded: Integers | None = None) -> Reach:
        """Let position ``i`` of the dimension join the positions ``table[i, :]`` of the old one.

        Args:
            dim: The dimension.
            table: ``[size, taps]``; may point beyond the border, or to :data:`NOWHERE`.
            step: ``(outputs, inputs)``: in the table, this many rows further means this much more.
            bounded: Stands for ``table`` where the boxes beyond the border are unknown.
        """
        if self.constant(dim):
            return self.resized(dim, len(table))
        source = self.single(dim)
        place, digit = source.place(dim), source.dims[dim][0]
        if digit.period == 1 and digit.size and table.size and table.min() > NOWHERE:
            new, values = digit.step(*step, len(table)), moved_by_ends(source.values, place, digit.shift, table)
            dims = (*source.dims[:dim], (new,), *source.dims[dim + 1 :])
            return Reach(dims, narrowed(values, place) if new.constant else values, self.exact)
        return self.take(dim, table, step, bounded).hull([dim + 1]).remove([dim + 1])

    def take(
        self, dim: int, table: Integers, step: tuple[int, int] = (1, 1), bounded: Integers | None = None, tap: int = 0
    ) -> Reach:
        """Like :meth:`read`, with the taps, ``tap`` positions apart, not joined but in a dimension after ``dim``."""
        source = self.single(dim)
        place, digit = source.place(dim), source.dims[dim][0]
        values, exact = boxes_at(source.values, place, digit, table, bounded)
        digits = digit.step(*step, len(table)), replace(digit.step(1, tap, table.shape[1]), along=False)
        for axis, new in enumerate(digits, place):
            values = narrowed(values, axis) if new.constant else values
        dims = (*source.dims[:dim], *((new,) for new in digits), *source.dims[dim + 1 :])
        return Reach(dims, values, self.exact and exact)

    def contract(self, dims: Sequence[int], operator: Joiner) -> Reach:
        """Join all positions along the dimensions, which become 1 wide.

        Where that spans the input axis, the operator's number says so, and no local pixel is left.
        """
        joined = self.hull(dims)
        if any(self.along(dim) for dim in dims):
            values = joined.values
            missing = np.maximum(values[0], values[1] + operator.extent - 1)
            spanned = missing <= 0
            if not spanned.all():  # a slice or half of the axis does not go from one end to the other
                spanned |= missing < self.spacing(dims)
            numbers = np.where(spanned, np.minimum(values[2:], operator.number), values[2:])
            values = np.concatenate([np.where(spanned, NOTHING, values[:2]), numbers])
            joined = Reach(joined.dims, values, joined.exact)
        return joined if joined.has_pixels else joined.settled()

    def hull(self, dims: Sequence[int]) -> Reach:
        """Join all positions along the dimensions, which become 1 wide, whatever that spans."""
        places = tuple(self.place(dim) + k for dim in dims for k in range(len(self.dims[dim])))
        wide = tuple(place for place in places if self.values.shape[place] > 1)
        joined = replace(self, values=self.values.min(axis=wide, keepdims=True)) if wide else self
        return joined.with_digits({dim: (Digit(1),) for dim in dims})

    def settled(self) -> Reach:
        """Forget how boxes without pixels would go on along the digits along which they are all the same."""
        values, digits = self.values, []
        for place, digit in enumerate(self.digits, 1):
            values = narrowed(values, place)
            digits.append(Digit(digit.size, along=digit.along) if values.shape[place] == 1 else digit)
        return self.with_each(digits, values)

    def in_windows(self, dim: int) -> bool:
        """Whether the dimension runs along windows of the input axis, so that its ends are not the image's."""
        return not self.along(dim) and not self.constant(dim)

    def whole(self, operator: Joiner) -> Reach:
        """Join all positions into a tensor without dimensions."""
        if self.is_nothing:
            return nothing(())
        return self.contract(range(self.ndim), operator).remove(range(self.ndim))

    def spacing(self, dims: Sequence[int]) -> float:
        """The most pixels from one position to the next: strides leave out fewer than that at the end of the image."""
        along = [digit for dim in dims for digit in self.dims[dim] if digit.along]
        if all(digit.period for digit in along):
            return max(abs(digit.shift) for digit in along)
        return float(np.diff(self.firsts()).max(initial=1))

    def firsts(self) -> Floats:
        """Return the first pixels of all boxes that have any, each once, in order."""
        return np.unique(self.values[0][np.isfinite(self.values[0])])

    def everywhere(self, dims: Sequence[int], shape: Sequence[int], operator: Joiner) -> Reach:
        """Let all of a new shape depend on all along the dimensions, which still run along the axis if they did."""
        joined = self.contract(dims, operator)
        return joined.with_digits({dim: (Digit(shape[dim], along=self.along(dim)),) for dim in dims}).expand(shape)


def nothing(shape: Sequence[int], data: Tensor | None = None) -> Reach:
    """Return the boxes of a tensor that no pixel reaches."""
    known = _nothing(tuple(shape))
    return known if data is None else replace(known, data=data)


@lru_cache
def _nothing(shape: tuple[int, ...]) -> Reach:
    values = np.full((NUMBERS, *(1,) * len(shape)), NOTHING)
    values.flags.writeable = False  # it stands for many
    return Reach(tuple((Digit(size),) for size in shape), values)
