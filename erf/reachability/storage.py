"""The boxes of a storage that is written to in parts: every view of it sees the change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import reduce

import numpy as np
import torch
from numpy.lib.stride_tricks import as_strided
from torch import Tensor
from torch._ops import OpOverload

from erf.errors import InvalidInput
from erf.reachability.dense import directed, from_dense
from erf.reachability.digit import NOTHING, NUMBERS, Digit, Floats
from erf.reachability.reach import Digits, Reach, nothing
from erf.reachability.tensor_reaches import First


class WrittenStorage:
    """The boxes of every element of a storage, per input axis; slow, exact, and needed rarely.

    Runs of elements that are always written together, as the channels of a token, have their boxes once.

    Elements do not say along which dimension of a view the boxes move. Views that were there before know it, and so do
    the tensors that were written: their dimensions are those of the storage that have the same stride.

    Attributes:
        version: How often it was written to.
    """

    def __init__(self, first: First, reaches: tuple[Reach, ...], nbytes: int) -> None:
        self._element_size = first.element_size()
        elements = nbytes // first.element_size()
        self.version: int = 0
        self._run = elements
        self._flat = [np.full((NUMBERS, 1), NOTHING) for _ in reaches]
        self._exact = [True for _ in reaches]
        self._strides: list[set[int]] = [set() for _ in reaches]  # of what runs along the axis
        self._first, self._before = first, reaches
        self._moving: tuple[int, list[set[int]]] = (0, self._strides)  # of a version: what the boxes move along
        self.write(first, reaches)

    def write(self, tensor: Tensor | First, reaches: tuple[Reach, ...]) -> None:
        """Set the boxes of the elements that the tensor views."""
        self._require_same_elements(tensor)
        self.version += 1
        alike = [dim for dim in range(tensor.ndim) if all(reach.constant(dim) for reach in reaches)]
        inner = self._inner(tensor, lambda inner, run: {*inner} <= {*alike} and _contiguous(tensor, inner) == run)
        for axis, reach in enumerate(reaches):
            _viewed(self._flat[axis], tensor, self._run, inner)[...] = _resized(reach, inner).dense()
            self._exact[axis] &= reach.exact
            for digits, size, stride in zip(reach.dims, tensor.shape, tensor.stride(), strict=True):
                along = [(digit, step) for digit, step in _strided(digits, stride) if digit.along]
                # One position among others has no direction.
                self._strides[axis] |= {step for digit, step in along if digit.size > 1 or size == 1}

    def read(self, tensor: Tensor | First, before: tuple[Reach, ...]) -> tuple[Reach, ...]:
        """Return the boxes of the elements that the tensor views, which were those of ``before`` once."""
        self._require_same_elements(tensor)
        inner, reaches = self._inner(tensor), []
        for flat, exact, strides, reach in zip(self._flat, self._exact, self._strides, before, strict=True):
            dims = [_directed(digits, step, strides) for digits, step in zip(reach.dims, tensor.stride(), strict=True)]
            alike = {dim: (Digit(tensor.shape[dim], along=any(digit.along for digit in dims[dim])),) for dim in inner}
            narrow = [(Digit(1),) if dim in alike else digits for dim, digits in enumerate(dims)]
            boxes = from_dense(_viewed(flat, tensor, self._run, inner).copy(), narrow, exact)
            reaches.append(_in_one_direction(boxes.with_digits(alike)))
        return tuple(reaches)

    def _inner(
        self, tensor: Tensor | First, fits: Callable[[list[int], int], bool] = lambda _inner, _run: True
    ) -> list[int]:
        """Return the dimensions of a view that stay within a run; where others go through parts of runs, cut those."""
        ends = {size * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True)} | {*tensor.stride()}
        shorter = {end for end in ends if 0 < end < self._run and self._run % end == 0}
        for run in (self._run, *sorted(shorter, reverse=True)):
            inner = [dim for dim, stride in enumerate(tensor.stride()) if stride % run and tensor.shape[dim] > 1]
            last = tensor.storage_offset() % run + sum((tensor.shape[dim] - 1) * tensor.stride()[dim] for dim in inner)
            if last < run and fits(inner, run):
                self._cut(run)
                return inner
        self._cut(1)
        return []

    def _cut(self, run: int) -> None:
        """Let shorter runs have boxes of their own."""
        if run < self._run:
            self._flat = [np.repeat(flat, self._run // run, axis=1) for flat in self._flat]
            self._run = run

    def _require_same_elements(self, tensor: Tensor | First) -> None:
        if tensor.element_size() != self._element_size:
            raise InvalidInput("the network writes to a part of a tensor of which it has a view of another dtype")

    def forget_directions(self) -> None:
        """Take no dimension to run along an axis because of its stride."""
        self._strides = [set() for _ in self._strides]

    def directed(self, tensor: Tensor | First, reaches: tuple[Reach, ...]) -> tuple[Reach, ...]:
        """Look for the direction of the boxes along axes of which no written tensor had one.

        It is that of all of the storage: a column among others does not tell.
        """
        if all(self._strides):
            return reaches
        if self._moving[0] < self.version:
            whole = map(directed, self.read(self._first, self._before))
            self._moving = self.version, [_strides_along(reach, self._first) for reach in whole]
        return tuple(
            reach if written else _along_strides(reach, tensor, moving)
            for reach, written, moving in zip(reaches, self._strides, self._moving[1], strict=True)
        )


def _strides_along(reach: Reach, tensor: First) -> set[int]:
    """Return the strides of what runs along the axis."""
    parts = zip(reach.dims, tensor.stride(), strict=True)
    return {step for digits, stride in parts for digit, step in _strided(digits, stride) if digit.along}


def _along_strides(reach: Reach, tensor: Tensor | First, strides: set[int]) -> Reach:
    """Let what has one of the strides run along the axis."""
    parts = zip(reach.dims, tensor.stride(), strict=True)
    return reach.with_each([digit for digits, stride in parts for digit in _directed(digits, stride, strides)])


def shares_storage(func: OpOverload) -> bool:
    """Whether what an operator returns is in the storage of its first operand, which some do not say."""
    return func.is_view or func.overloadpacket in (torch.ops.aten.unsafe_split, torch.ops.aten.unsafe_split_with_sizes)


def _in_one_direction(reach: Reach) -> Reach:
    """Where parts of a view were written along several of its dimensions, let one of them run along the axis.

    Where the boxes move along none, as where all of them span the axis, nothing tells which.
    """
    if sum(map(reach.along, range(reach.ndim))) < 2:
        return reach
    in_one = directed(reach.with_each(replace(digit, along=False) for digit in reach.digits))
    return in_one if any(map(in_one.along, range(reach.ndim))) else reach


def strided(first: First, reaches: tuple[Reach, ...], view: Tensor) -> tuple[Reach, ...]:
    """Return the boxes of any view, by its strides alone; the direction in which they move farthest is the axis's."""
    unknown = tuple(nothing(view.shape) for _ in reaches)
    storage = WrittenStorage(first, reaches, view.untyped_storage().nbytes())
    storage.forget_directions()
    return tuple(map(directed, storage.read(view, unknown)))


def _contiguous(tensor: Tensor | First, dims: Sequence[int]) -> int:
    """Return how many elements in a row the dimensions go through."""
    run = 1
    for stride, size in sorted((tensor.stride()[dim], tensor.shape[dim]) for dim in dims):
        run *= size if stride == run else 1
    return run


def _resized(reach: Reach, dims: Sequence[int]) -> Reach:
    """Make dimensions along which the boxes are the same 1 wide."""
    return reduce(lambda narrow, dim: narrow.resized(dim, 1), dims, reach)


def _viewed(flat: Floats, tensor: Tensor | First, run: int, inner: Sequence[int]) -> Floats:
    """Return the boxes ``[4, *shape]`` of what the tensor views, 1 wide along dimensions within runs."""
    shape = [1 if dim in inner else size for dim, size in enumerate(tensor.shape)]
    strides = [flat.strides[0], *(stride // run * flat.itemsize for stride in tensor.stride())]
    return as_strided(flat[:, tensor.storage_offset() // run :], (NUMBERS, *shape), strides)


def _strided(digits: Digits, stride: int) -> Iterator[tuple[Digit, int]]:
    """Yield a dimension's digits with their strides, the innermost first."""
    for digit in reversed(digits):
        yield digit, stride
        stride *= digit.size


def _directed(digits: Digits, stride: int, strides: set[int]) -> Digits:
    """Let those digits run along the axis that have one of the strides, or go over it in smaller steps."""
    directed = [
        replace(digit, along=digit.along or any(n <= other < n * digit.size and other % n == 0 for other in strides))
        for digit, n in _strided(digits, stride)
    ]
    return tuple(directed[::-1])
