"""The pass of a long image, told from two passes of short ones where nothing but the length is new.

The boxes of a tensor go on along the image by a law (:mod:`erf.reachability.reach`), so those of a short image tell
those of a long one, also where a field is larger than the short image. They do if

1. in two short images of different sizes the same operators run, each of which does the same everywhere and knows no
   size, no operator spans an axis, and all boxes of the shorter one are the first of the longer one's, by the same law
   (:mod:`erf.reachability.translation`);
2. in the long image the same operators run with the same numbers, on tensors of the shapes that follow: a pass without
   boxes tells, so that nothing is taken for granted of a network that looks at sizes.

Everywhere else, and below the size at which it pays, the long image itself is followed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor, nn

from erf.errors import InternalError, InvalidInput
from erf.reachability.digit import FEWEST, NOWHERE, boxes_at
from erf.reachability.forward import likely_channels, trace, traced
from erf.reachability.pass_to_layers import pass_to
from erf.reachability.reach import Reach
from erf.reachability.record import Operation, Reaches, Step, Trace
from erf.reachability.request import Unit
from erf.reachability.translation import Differs, alignment, check_moved, compare_operators, stretches

LONG = 32768  # pixels along an axis, from which it pays: CPU 0.6 of the direct way's there, 0.3 at 65536
SHORT = 1024  # pixels along an axis of the first short image
STEPS = 3  # alignments by which the second one is longer
ANYWHERE = (NOWHERE, NOWHERE)  # the sides of a box in front of everything


def pass_to_in_short(
    network: nn.Module, size: Unit, channels: int | None, needed: Collection[str], images: Tensor | None = None
) -> Trace:
    """Return the pass of :func:`erf.reachability.pass_to_layers.pass_to`; of a long image without its operators."""
    if max(size) >= LONG and images is None:
        try:
            return _pass_of_long(network, size, channels or likely_channels(network, size)[0], needed)
        except (Differs, InvalidInput, InternalError):  # which tells nothing of the long image
            pass
    return pass_to(network, size, channels, needed, images)


def _pass_of_long(network: nn.Module, size: Unit, channels: int, needed: Collection[str]) -> Trace:
    first = _first(network, size, channels, needed)
    last = _last(first, needed)
    steps = [alignment(first, last.operations, axis) for axis in range(len(size))]
    if any((n - m) % step for n, m, step in zip(size, first.size, steps, strict=True)):
        raise Differs("the short image ends elsewhere in the grid")
    grown = [m + STEPS * step * (m < n) for n, m, step in zip(size, first.size, steps, strict=True)]
    second = traced(network, tuple(grown), channels, needed=needed)
    long = trace(network, size, channels, needed=needed, flat=True)
    if any(passed.assumptions for passed in (first, second, long)):
        raise Differs("something is taken for granted")
    growth = _Growth(first.size, second.size, size)
    _compare(first, second, long, last.operations, growth)
    return replace(long, steps=_steps(first, second, long, last, growth), operations=[])


def _first(network: nn.Module, size: Unit, channels: int, needed: Collection[str]) -> Trace:
    """Return the pass of a short image that the network runs on, and that ends in the grid where the long one does."""
    side = SHORT // 2
    while 8 * (side := 2 * side) <= max(size):
        try:
            passed = traced(network, tuple(min(n, side) for n in size), channels, needed=needed)
        except InvalidInput:  # too small
            continue
        operations = _last(passed, needed).operations
        steps = [alignment(passed, operations, axis) for axis in range(len(size))]
        if max(steps) <= side:
            ends = tuple(m + (n - m) % step for n, m, step in zip(size, passed.size, steps, strict=True))
            return passed if ends == passed.size else traced(network, ends, channels, needed=needed)
    raise Differs("no short image will do")


def _last(passed: Trace, needed: Collection[str]) -> Step:
    """Return the call that is the last of the needed modules'."""
    return [step for step in passed.steps if step.name in needed][-1]


@dataclass(frozen=True)
class _Growth:
    """How tensors grow from the first image to the second, and so to the long one; sizes per axis."""

    first: Unit
    second: Unit
    long: Unit

    def sizes(self, first: Reaches, second: Reaches) -> dict[int, int]:
        """Return the digits, by their number, that are longer in the long image, and how long they are."""
        here, there = ([digit.size for digit in each[0].digits] for each in (first, second))
        sizes = {}
        for axis, stretch in enumerate(stretches(second, first, (0,) * len(first))):
            if stretch:
                k, _ = stretch
                own, grown, long = self.first[axis], self.second[axis], self.long[axis]
                if grown == own or (there[k] - here[k]) * (long - own) % (grown - own):
                    raise Differs("a dimension does not grow evenly")
                sizes[k] = here[k] + (there[k] - here[k]) * (long - own) // (grown - own)
        return sizes

    def reaches(self, first: Reaches, second: Reaches) -> Reaches:
        """Return the boxes of a tensor in the long image."""
        sizes = self.sizes(first, second)
        return tuple(_continued(reach, sizes) for reach in first)

    def shape(self, first: Reaches, second: Reaches) -> Unit:
        """Return the shape of a tensor in the long image."""
        return _resized(first[0], self.sizes(first, second)).shape


def _resized(reach: Reach, sizes: dict[int, int]) -> Reach:
    return reach.with_each(replace(digit, size=sizes.get(k, digit.size)) for k, digit in enumerate(reach.digits))


def _continued(reach: Reach, sizes: dict[int, int]) -> Reach:
    values = reach.values
    for k, size in sizes.items():
        if not reach.digits[k].constant:
            values, _ = boxes_at(values, 1 + k, reach.digits[k], np.arange(size), None)
    return replace(_resized(reach, sizes), values=values)


def _compare(first: Trace, second: Trace, long: Trace, operations: int, growth: _Growth) -> None:
    """Raise unless the passes of both short images tell the boxes of the long one."""
    shapes: dict[int, Unit] = {}  # in the long image, by the tensor's number

    def check_boxes(longer: Operation, shorter: Operation) -> None:
        check_moved(longer, shorter, (0,) * len(growth.long), (ANYWHERE,) * len(growth.long))
        for number, here, there in zip(shorter.results, shorter.reaches, longer.reaches, strict=True):
            if here and there:
                _check_laws(here, growth.sizes(here, there))
                shapes[number] = growth.shape(here, there)

    def check_shapes(longer: Operation, shorter: Operation) -> None:
        for number, own, shape, short in zip(
            longer.results, longer.reaches, longer.shapes, shorter.shapes, strict=True
        ):
            if shape != shapes.get(number, short) or (own is None) != (number not in shapes):
                raise Differs(f"{longer.operator} returns another shape")

    compare_operators(second, first, (operations, operations), check_boxes)
    compare_operators(long, first, (operations, operations), check_shapes)


def _check_laws(reaches: Reaches, sizes: dict[int, int]) -> None:
    """Raise unless an image so short shows how the boxes go on."""
    if any(not reach.exact or np.isfinite(reach.values[2:]).any() for reach in reaches):
        raise Differs("an operator spans the image, or reads what is not known")
    for reach in reaches:
        if any(reach.digits[k].size < max(FEWEST, reach.digits[k].period + 1) for k in sizes):
            raise Differs("the short image does not show how the boxes go on")


def _steps(first: Trace, second: Trace, long: Trace, last: Step, growth: _Growth) -> list[Step]:
    """Return the modules' calls in the long image; those behind the last that is needed have no boxes."""
    steps = []
    for a, b, step in zip(first.steps, second.steps, long.steps, strict=False):
        if not _facts(a) == _facts(b) == _facts(step):
            raise Differs("other modules are called")
        steps.append(replace(step, outputs=_Outputs(a, b, growth)))
        if a is last:
            return steps + long.steps[len(steps) :]
    raise Differs("a module is not called")


def _facts(step: Step) -> tuple[object, ...]:
    return step.name, step.kind, step.leaf, step.operations, step.results


class _Outputs(Sequence[Reaches]):
    """The outputs of a module's call in the long image: they are made where they are asked for, as they are long."""

    def __init__(self, first: Step, second: Step, growth: _Growth) -> None:
        self._pairs = list(zip(first.outputs, second.outputs, strict=True))
        self._growth = growth

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: Any) -> Any:  # no slice is taken
        return self._growth.reaches(*self._pairs[index])
