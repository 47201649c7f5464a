r"""How the covariance of a gradient passes backward through independent weights.

A convolution keeps the distance between two positions, times its stride s:

.. math:: R_x(p, s d) = \sum_{q, t:\, p = s q + t} E[w_t^2]\, R_y(q, d)

and what does not stay apart by a multiple of the stride is not correlated.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from erf.theory.lagged_covariance import LaggedCovariance, Lags, all_lags, shifted


@dataclass(frozen=True, eq=False)
class Weights:
    """A convolution, transposed or not, of independent weights.

    Attributes:
        squares: Returns the expected squares of the weights, in the weights' shape, or one number for all.
        shape: Of the weights.
        input_shape: Of a batch of one.
        stride: As of torch's operator, as what follows.
        padding: Likewise.
        dilation: Likewise.
        transposed: Likewise.
        output_padding: Likewise.
        groups: Likewise.
        parameters: The numbers of the parameters that it uses, which no other may use.
    """

    squares: Callable[[], Tensor]
    shape: tuple[int, ...]
    input_shape: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    transposed: bool
    output_padding: tuple[int, ...]
    groups: int
    parameters: frozenset[int]
    fresh: ClassVar[bool] = True

    @property
    def outputs(self) -> int:
        """The number of output channels."""
        return self.shape[1] * self.groups if self.transposed else self.shape[0]

    def needed(self, axis: int, lags: Collection[int]) -> set[int]:
        """Return the lags divided by the stride (of a transposed convolution: times it)."""
        return _times(lags, self.stride[axis]) if self.transposed else _divided(lags, self.stride[axis])

    def reached(self, axis: int, lags: Collection[int]) -> set[int]:
        """Return the lags times the stride (of a transposed convolution: divided by it)."""
        return _divided(lags, self.stride[axis]) if self.transposed else _times(lags, self.stride[axis])

    def backward(self, covariance: LaggedCovariance, lags: Lags) -> LaggedCovariance:
        """Return the covariance at the input."""
        origins = [[self._origin(axis, lag) for lag in each] for axis, each in enumerate(lags)]
        values = covariance.taken(origins, lags).by_lag()
        squares = self.squares()
        made = self._of_equal(values, squares) if squares.ndim == 0 else self._of_each(values, squares)
        for of_lag, lag in zip(made, all_lags(lags), strict=True):
            if any(lag):  # the second position may be in the padding
                of_lag *= shifted(torch.ones_like(of_lag), lag)
        return LaggedCovariance(made.reshape(*map(len, lags), *made.shape[1:]), lags)

    def _origin(self, axis: int, lag: int) -> int | None:
        return next(iter(self.needed(axis, [lag])), None)

    def _of_each(self, values: Tensor, squares: Tensor) -> Tensor:
        full = values.expand(-1, self.outputs, *values.shape[2:])
        return self._through(full, squares, self.input_shape[1], self.groups)

    def _of_equal(self, values: Tensor, square: Tensor) -> Tensor:
        """Add up the channels of each group first: all weights have the same square."""
        each, groups = self.outputs // self.groups, min(self.groups, values.shape[1])
        sums = each * values if values.shape[1] == 1 else values.unflatten(1, (groups, each)).sum(2)
        made = self._through(square * sums, square.new_ones(groups, 1, *self.shape[2:]), groups, groups)
        return made if groups == 1 else made.repeat_interleave(self.input_shape[1] // groups, 1)

    def _through(self, values: Tensor, weights: Tensor, channels: int, groups: int) -> Tensor:
        like_input = values.new_empty(1).expand(len(values), channels, *self.input_shape[2:])
        window = self.stride, self.padding, self.dilation, self.transposed, self.output_padding, groups
        made = torch.ops.aten.convolution_backward(
            values.contiguous(), like_input, weights, None, *window, [True, False, False]
        )
        return made[0]


@dataclass(frozen=True, eq=False)
class DenseWeights:
    """A linear layer of independent weights, from one vector to another.

    Attributes:
        squares: Returns the expected squares of the weights ``[outputs, inputs]``, or one number for all.
        shape: Of the weights.
        parameters: The numbers of the parameters that it uses, which no other may use.
    """

    squares: Callable[[], Tensor]
    shape: tuple[int, int]
    parameters: frozenset[int]
    fresh: ClassVar[bool] = True

    def needed(self, axis: int, lags: Collection[int]) -> set[int]:
        """Return 0 alone: a vector has no positions."""
        return {0}

    def reached(self, axis: int, lags: Collection[int]) -> set[int]:
        """Return 0 alone: different inputs have independent weights."""
        return {0}

    def backward(self, covariance: LaggedCovariance, lags: Lags) -> LaggedCovariance:
        """Return the squares at the input."""
        zero = tuple((0,) for _ in lags)
        squares = covariance.taken(zero, zero).expanded(self.shape[0]).by_lag()
        of_weights = self.squares()
        made = squares @ of_weights if of_weights.ndim else of_weights * squares.sum(1, keepdim=True)
        return LaggedCovariance(made.reshape(*[1] * len(lags), -1), zero).taken(lags, lags)


def _times(lags: Collection[int], stride: int) -> set[int]:
    return {stride * lag for lag in lags}


def _divided(lags: Collection[int], stride: int) -> set[int]:
    return {lag // stride for lag in lags if lag % stride == 0}
