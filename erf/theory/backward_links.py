r"""How the covariance of a gradient passes backward through one operator: from its output to one of its inputs.

Fixed filters mix the distances. A gate acts
on both positions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from erf.theory.lagged_covariance import LaggedCovariance, Lags, LineFilter, all_lags, shifted
from erf.theory.weight_links import Weights


class Link(Protocol):
    """From an operator's output y to its input x.

    Attributes:
        fresh: Whether independent weights make the gradient at x uncorrelated with all others.
    """

    fresh: ClassVar[bool]

    def needed(self, axis: int, lags: Collection[int]) -> set[int]:
        """Return the lags of y that lags of x are made of."""
        ...

    def reached(self, axis: int, lags: Collection[int]) -> set[int]:
        """Return the lags of x that lags of y lead to."""
        ...

    def backward(self, covariance: LaggedCovariance, lags: Lags) -> LaggedCovariance:
        """Return these lags at x from those kept at y."""
        ...


@dataclass(frozen=True, eq=False)
class SameLags:
    """Base of the links that keep the lags."""

    fresh: ClassVar[bool] = False

    def needed(self, axis: int, lags: Collection[int]) -> set[int]:
        """Return the lags themselves."""
        return set(lags)

    def reached(self, axis: int, lags: Collection[int]) -> set[int]:
        """Return the lags themselves."""
        return set(lags)

    def backward(self, covariance: LaggedCovariance, lags: Lags) -> LaggedCovariance:
        """Return these lags, each as this operator changes it."""
        return self.of_same(covariance.taken(lags, lags))

    def of_same(self, covariance: LaggedCovariance) -> LaggedCovariance:
        """Return the covariance at the input from that at the output, of the same lags."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class ExpectedGate(SameLags):
    """A gate of which only the expectation over independent ones is known.

    Attributes:
        squared: The mean of the slopes' squares.
        apart: The mean of the product of two different gates' slopes.
    """

    squared: float
    apart: float

    def of_same(self, covariance: LaggedCovariance) -> LaggedCovariance:
        """Return the covariance times what is expected of the slopes at both positions."""
        factors = [self.apart if any(lag) else self.squared for lag in all_lags(covariance.lags)]
        by_lag = covariance.by_lag()
        return covariance.like(by_lag * by_lag.new_tensor(factors).reshape(-1, *[1] * (by_lag.ndim - 1)))


@dataclass(frozen=True, eq=False)
class Gate(SameLags):
    """A function of each value by itself.

    Attributes:
        slope: Returns ``[C, *S]``, its derivative at the activations of an image.
        expected: The gate as it is over symmetric inputs, of a function of two slopes; None where it has others.
        is_symmetric: Whether its input takes each value as often with either sign.
        operator: What a message calls it.
    """

    slope: Callable[[], Tensor]
    expected: ExpectedGate | None
    is_symmetric: bool
    operator: str

    def of_same(self, covariance: LaggedCovariance) -> LaggedCovariance:
        """Return the covariance times the slopes at both positions."""
        return _times_both(covariance, self.slope())


@dataclass(frozen=True, eq=False)
class Scale(SameLags):
    """A product with constants.

    Attributes:
        factor: ``[C, *S]``, or what is broadcast to it.
    """

    factor: Tensor

    def of_same(self, covariance: LaggedCovariance) -> LaggedCovariance:
        """Return the covariance times the factors at both positions."""
        if all(side == 1 for side in self.factor.shape[1:]):
            return covariance.like(covariance.by_lag() * self.factor**2)
        return _times_both(covariance, self.factor.expand(-1, *covariance.shape[1:]))


@dataclass(frozen=True, eq=False)
class Arrangement(SameLags):
    """What only puts values in other places, and leaves rows and columns as they are.

    Attributes:
        undo: Of ``[L, *output]`` to ``[L, *input]``.
        shape: Of the output, without the batch.
    """

    undo: Callable[[Tensor], Tensor]
    shape: tuple[int, ...]

    def of_same(self, covariance: LaggedCovariance) -> LaggedCovariance:
        """Return the covariance with each value in its place of the input."""
        by_lag = covariance.by_lag()
        return covariance.like(self.undo(by_lag.expand(-1, *self.shape)))


@dataclass(frozen=True, eq=False)
class Unchanged(SameLags):
    """A sum, or a copy: the gradient goes on as it is."""

    def of_same(self, covariance: LaggedCovariance) -> LaggedCovariance:
        """Return the covariance itself."""
        return covariance


@dataclass(frozen=True, eq=False)
class FixedFilter:
    """A linear operator without weights that acts on each channel alike and along each axis by itself.

    Attributes:
        lines: For each axis.
        shape: Of the output, without the batch.
    """

    lines: tuple[LineFilter, ...]
    shape: tuple[int, ...]
    fresh: ClassVar[bool] = False

    @cached_property
    def joins(self) -> bool:
        """Whether one output reads several inputs, whose gradients it makes correlated."""
        return any(line.reached([0]) != {0} for line in self.lines)

    def needed(self, axis: int, lags: Collection[int]) -> set[int]:
        """Return the lags between outputs that read inputs at one of these lags."""
        return self.lines[axis].needed(lags)

    def reached(self, axis: int, lags: Collection[int]) -> set[int]:
        """Return the lags between inputs that outputs at one of these lags read."""
        return self.lines[axis].reached(lags)

    def backward(self, covariance: LaggedCovariance, lags: Lags) -> LaggedCovariance:
        """Return the covariance at the input, one axis after the other."""
        axes = len(self.lines)
        values = covariance.values.reshape(*map(len, covariance.lags), -1, *self.shape[1:])
        for axis, line in enumerate(self.lines):
            values = line.backward(values, values.ndim - axes + axis, covariance.lags[axis], lags[axis], axis)
        return LaggedCovariance(values, lags)


@dataclass(frozen=True, eq=False)
class Choice:
    """A max pool, which passes a gradient on to the position that it chose.

    Attributes:
        chosen: ``[C, *S']``, for each output the position of its choice, as one number of the input's plane.
        shape: Of the input, without the batch.
        stride: Per axis.
        reach: Per axis, the largest distance between two positions of a window.
        expected: A convolution of each channel that passes on as much of a square as a choice of each position equally
            often; None where its windows are cut.
        operator: What a message calls it.
    """

    chosen: Tensor
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    reach: tuple[int, ...]
    expected: Weights | None
    operator: str
    fresh: ClassVar[bool] = False

    def needed(self, axis: int, lags: Collection[int]) -> set[int]:
        """Return the lags between windows that have positions at one of these lags."""
        s, r = self.stride[axis], self.reach[axis]
        return {e for lag in lags for e in range(-((r - lag) // s), (lag + r) // s + 1)}

    def reached(self, axis: int, lags: Collection[int]) -> set[int]:
        """Return the lags between positions of windows at one of these lags."""
        s, r = self.stride[axis], self.reach[axis]
        return {s * lag + step for lag in lags for step in range(-r, r + 1)}

    def backward(self, covariance: LaggedCovariance, lags: Lags) -> LaggedCovariance:
        """Return, for each lag, what stands at the choices that are so far apart."""
        full = covariance.expanded(self.shape[0])
        inputs = all_lags(lags)
        made = full.values.new_zeros(len(inputs), self.shape[0], math.prod(self.shape[1:]))
        places = self._places(self.chosen)
        for values, lag in zip(full.by_lag(), all_lags(covariance.lags), strict=True):
            other = self._places(shifted(self.chosen, lag)) if any(lag) else places
            for number, apart in enumerate(inputs):
                same = torch.stack([b - a == d for a, b, d in zip(places, other, apart, strict=True)]).all(0)
                made[number].scatter_add_(1, self.chosen.flatten(1), (values * same).flatten(1))
        return LaggedCovariance(made.reshape(*map(len, lags), *self.shape), lags)

    def _places(self, chosen: Tensor) -> list[Tensor]:
        """Return the row, the column, ... of positions given as one number."""
        places = []
        for side in reversed(self.shape[len(self.shape) - len(self.stride) :]):
            places.append(chosen % side)
            chosen = chosen // side
        return places[::-1]


def _times_both(covariance: LaggedCovariance, factor: Tensor) -> LaggedCovariance:
    lags = all_lags(covariance.lags)
    both = [factor * shifted(factor, lag) if any(lag) else factor.square() for lag in lags]
    return covariance.like(covariance.by_lag() * (both[0] if len(both) == 1 else torch.stack(both)))
