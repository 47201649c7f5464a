"""Directions within a tensor dimension, and how they are split and put together (see :mod:`erf.reachability.reach`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from math import gcd, lcm, prod

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
NOTHING = np.inf  # in all four numbers: no pixel, no spanning operator; neutral under the minimum
NOWHERE = -(2**40)  # in a table of positions: reads nothing
DIRECTION = np.array([1.0, -1.0, 0.0, 0.0])  # how the numbers of a box move when it moves by one pixel
NUMBERS = len(DIRECTION)
FEWEST = 3  # positions from which a law is believed: any two are evenly spaced


@dataclass(frozen=True, slots=True)
class Digit:
    """One direction within a tensor dimension.

    Attributes:
        size: Number of positions.
        period: Positions after which the boxes repeat, moved by ``shift``; 0 if they do not.
        shift: Pixels.
        along: Whether it runs along the input axis, not just within a window of it.
    """

    size: int
    period: int = 1
    shift: int = 0
    along: bool = False

    @property
    def constant(self) -> bool:
        """Whether the boxes are the same everywhere along it."""
        return self.period == 1 and self.shift == 0

    @property
    def law(self) -> tuple[int, int]:
        """How the boxes go on."""
        return self.period, self.shift

    def step(self, outputs: int, inputs: int, size: int) -> Digit:
        """Return the digit of ``size`` positions of which ``outputs`` advance by ``inputs`` of this one."""
        if self.period == 0 or self.constant:
            return replace(self, size=size)
        repeats = self.period // gcd(self.period, inputs)
        return Digit(size, outputs * repeats, self.shift * inputs * repeats // self.period, self.along)

    def split(self, outer: int) -> tuple[Digit, Digit]:
        """Return ``outer`` blocks, and the positions within one: a window, which does not run along the axis."""
        inner = self.size // outer
        return self.step(1, inner, outer), replace(self, size=inner, along=False)

    def followed_by(self, inner: Digit) -> Digit:
        """Return the one digit that counts through ``inner`` first, then through this one."""
        size = self.size * inner.size
        # One position does not make others run along the axis.
        along = any(digit.along and (digit.size > 1 or size == 1) for digit in (self, inner))
        if self.constant and (self.size == 1 or inner.constant):
            return replace(inner, size=size, along=along)
        laps = Fraction(inner.size, inner.period or inner.size + 1)
        if self.period == 1 and laps.denominator == 1 and inner.shift * laps == self.shift:
            return Digit(size, inner.period, inner.shift, along)
        return Digit(size, self.period * inner.size, self.shift, along)


def join(digits: Sequence[Digit], silent: Sequence[bool]) -> Digit:
    """Return the digit along which the union of boxes goes on; silent ones hold no pixels and do not vary."""
    size, along = digits[0].size, any(digit.along for digit in digits)
    spoken = [d for d, quiet in zip(digits, silent, strict=True) if not quiet] or digits
    rates = {Fraction(d.shift, d.period) if d.period else None for d in spoken}
    if len(rates) > 1 or None in rates:
        return Digit(size, 0, 0, along)
    period = lcm(*(d.period for d in spoken))
    return Digit(size, period, spoken[0].shift * period // spoken[0].period, along)


def explains(digit: Digit, values: Floats, axis: int) -> bool:
    """Whether the boxes go on along an axis of ``values``, which is as wide as the digit, as the digit says."""
    if not 0 < digit.period < digit.size:
        return digit.size == 1
    before = values.take(range(digit.size - digit.period), axis)
    after = values.take(range(digit.period, digit.size), axis)
    return np.array_equal(before + digit.shift * DIRECTION.reshape(NUMBERS, *(1,) * (values.ndim - 1)), after)


def seen(digit: Digit, values: Floats, axis: int) -> Digit:
    """Return the digit with the law that its boxes follow along an axis of ``values``; unknown if they follow none."""
    if values.shape[axis] == 1:
        return Digit(digit.size, along=digit.along)
    if digit.along and digit.size >= FEWEST:
        first, second = (values[0].take(k, axis - 1) for k in (0, 1))
        both = np.isfinite(first) & np.isfinite(second)
        even = Digit(digit.size, 1, int((second[both] - first[both])[0]), along=True) if both.any() else None
        if even and explains(even, values, axis):
            return even
    return Digit(digit.size, 0, 0, digit.along)


def narrowed(values: Floats, axis: int) -> Floats:
    """Return the boxes 1 wide along an axis along which they do not vary; a view would keep the wide ones in memory."""
    if values.shape[axis] == 1:
        return values
    first = values[(*(slice(None),) * axis, slice(1))]
    return first.copy() if (values == first).all() else values


def regroup(digits: Sequence[Digit], values: Floats, shape: Sequence[int]) -> tuple[list[list[Digit]], Floats]:
    """Distribute the digits over new dimensions, as a reshape does.

    Args:
        digits: All digits, outermost first.
        values: ``[4, *digits]``, 1 wide where constant.
        shape: The new dimensions; the same number of positions.

    Returns:
        The digits of each new dimension, and their values.
    """
    shape = tuple(shape)
    pending = list(digits)
    groups: list[list[Digit]] = []
    place = 1
    for k, size in enumerate(shape):
        if size == 1:
            count = max(0, _ones([d.size for d in pending]) - _ones(shape[k + 1 :]))
        else:
            pending, values, count = _collect(pending, values, place, size)
            # Rows and columns of a 1 x 1 map before the channels are no part of the channels.
            count += 0 if shape[k + 1 : k + 2] == (1,) else _ones([d.size for d in pending[count:]])
        groups.append(pending[:count])
        pending = pending[count:]
        place += count
    if groups:
        groups[-1] += pending  # 1 wide, or the sizes would not match
    return _without_units(groups, values)


def refined(digits: Sequence[Digit], values: Floats, place: int, sizes: Sequence[int]) -> tuple[list[Digit], Floats]:
    """Write a dimension whose digits begin at axis ``place`` of the values with digits of other sizes."""
    values = values.squeeze(tuple(place + k for k, digit in enumerate(digits) if digit.size == 1))
    pending, new = [digit for digit in digits if digit.size > 1], []
    for size in sizes:
        pending, values, count = _collect(pending, values, place, size)
        new, pending, place = new + pending[:count], pending[count:], place + count
    return new + pending, values


def common_sizes(layouts: Iterable[Sequence[int]]) -> tuple[int, ...]:
    """Return the largest sizes of digits, outermost first, from which those of all layouts can be put together.

    None is 1, but for the one digit of a dimension of one position.
    """
    widths = sorted({prod(layout[k:]) for layout in layouts for k in range(len(layout) + 1)})
    if any(wide % narrow for narrow, wide in pairwise(widths)):
        return (widths[-1],)
    return tuple(wide // narrow for narrow, wide in pairwise(widths))[::-1] or (1,)


def _without_units(groups: list[list[Digit]], values: Floats) -> tuple[list[list[Digit]], Floats]:
    """Leave out digits of one position, except those of a map of one unit: a later reshape gives it back its axes."""
    widths = iter(values.shape[1:])
    pairs = [[(digit, next(widths)) for digit in group] for group in groups]
    needed = [group if _has_unit(group) else [pair for pair in group if pair[0].size > 1] for group in pairs]
    needed = [group or [(Digit(1), 1)] for group in needed]
    values = values.reshape(NUMBERS, *(width for group in needed for _, width in group))
    return [[digit for digit, _ in group] for group in needed], values


def _has_unit(group: Sequence[tuple[Digit, int]]) -> bool:
    return any(digit.size == 1 and digit.along for digit, _ in group)


def _ones(sizes: Sequence[int]) -> int:
    """How many of the first sizes are 1."""
    return next((k for k, size in enumerate(sizes) if size != 1), len(sizes))


def _collect(pending: list[Digit], values: Floats, place: int, size: int) -> tuple[list[Digit], Floats, int]:
    """Split and merge until the first digits have ``size`` positions together; return how many those are."""
    count, missing = 0, size
    while missing > 1:
        digit = pending[count]
        if missing % digit.size == 0:
            missing //= digit.size
            count += 1
        elif digit.size % missing == 0:
            pending, values = _split(pending, values, count, place, missing)
        else:
            pending, values = _merge(pending, values, count, place)
    return pending, values, count


def _split(digits: list[Digit], values: Floats, k: int, place: int, outer: int) -> tuple[list[Digit], Floats]:
    parts = digits[k].split(outer)
    if values.shape[place + k] == 1:
        return _replaced(digits, values, k, place, 1, parts, [1, 1])
    digits, values = _replaced(digits, values, k, place, 1, parts, [part.size for part in parts])
    axes = place + k, place + k + 1
    for axis in axes:
        values = narrowed(values, axis)
    digits[k : k + 2] = _settled(parts, values, axes)
    return digits, values


def _settled(parts: Sequence[Digit], values: Floats, axes: Sequence[int]) -> list[Digit]:
    """See from the boxes which of two parts varies, by which law if it is unknown, and which runs along the axis."""
    along = parts[0].along
    outer, inner = (_varying(replace(part, along=along), values, axis) for part, axis in zip(parts, axes, strict=True))
    within = outer.constant and not inner.constant
    return [replace(outer, along=along and not within), replace(inner, along=along and within)]


def _varying(part: Digit, values: Floats, axis: int) -> Digit:
    if 0 < part.period < part.size:
        return part
    return seen(part, values, axis) if values.shape[axis] > 1 else Digit(part.size)


def _merge(digits: list[Digit], values: Floats, k: int, place: int) -> tuple[list[Digit], Floats]:
    outer, inner = digits[k], digits[k + 1]
    merged = outer.followed_by(inner)
    widths = values.shape[place + k : place + k + 2]
    if max(widths) > 1:
        full = list(values.shape)
        full[place + k : place + k + 2] = [outer.size, inner.size]
        values = np.broadcast_to(values, full)
    width = merged.size if max(widths) > 1 else 1
    return _replaced(digits, values, k, place, 2, [merged], [width])


def _replaced(
    digits: list[Digit], values: Floats, k: int, place: int, count: int, new: Sequence[Digit], widths: Sequence[int]
) -> tuple[list[Digit], Floats]:
    """Put new digits in the place of ``count`` old ones."""
    at = place + k
    shape = (*values.shape[:at], *widths, *values.shape[at + count :])
    return [*digits[:k], *new, *digits[k + count :]], values.reshape(shape)


def moved_by_ends(values: Floats, place: int, shift: int, table: Integers) -> Floats:
    """Return the hulls of the boxes at each row of the table's positions, each of which moves them by ``shift``."""
    ends = table.min(axis=1) * shift, table.max(axis=1) * shift
    first, last = ends if shift > 0 else ends[::-1]
    offsets = np.zeros((NUMBERS, len(table)))
    offsets[0], offsets[1] = first, -1.0 * last
    one = values[(*(slice(None),) * place, slice(1))]
    return one + offsets.reshape(NUMBERS, *(1,) * (place - 1), -1, *(1,) * (values.ndim - place - 1))


def boxes_at(
    values: Floats, place: int, digit: Digit, table: Integers, bounded: Integers | None
) -> tuple[Floats, bool]:
    """Return the boxes at the table's positions along one axis of ``values``, and whether all of them are known."""
    if 0 < digit.period <= digit.size:
        laps, rest = np.divmod(table, digit.period)
        offsets, missing, exact = laps * digit.shift, table == NOWHERE, True
    else:
        rest = table if bounded is None else bounded
        missing = (rest < 0) | (rest >= digit.size)
        offsets, exact = np.zeros_like(rest), not np.any(missing & (rest != NOWHERE))
    column = (*table.shape, *(1,) * (values.ndim - place - 1))
    boxes = np.take(values, np.clip(rest, 0, values.shape[place] - 1), axis=place)
    boxes = boxes + offsets.reshape(column) * DIRECTION.reshape(NUMBERS, *(1,) * (boxes.ndim - 1))
    return np.where(missing.reshape(column), NOTHING, boxes) if missing.any() else boxes, exact
