"""Convolutions of many kernels in float64 by sums of positive products only, so that no digit cancels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import torch
from torch import Tensor

# What is cut off below this share of the peak, in each of 1000 layers, adds less than 1e-9 of any value above 1e-12 of
# the final peak, though the peak itself falls like 1 / depth per pair of axes.
NEGLIGIBLE = 1e-30


@dataclass(frozen=True, eq=False)
class Taps:
    """One layer's taps seen from the input: the share of each (sum 1) and their distance in input pixels."""

    shares: np.ndarray
    spacing: tuple[int, ...]

    @property
    def size(self) -> tuple[int, ...]:
        """Per axis, from the first tap to the last, both included."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.shares.shape, self.spacing, strict=True))

    def factors(self) -> list[np.ndarray] | None:
        """Per axis, the marginal with the spacing's zeros, if their outer product is the whole; else None."""
        axes = range(self.shares.ndim)
        marginals = [self.shares.sum(axis=tuple(a for a in axes if a != axis)) for axis in axes]
        # A relative error of 1e-13 a layer keeps a product of 1000 layers within the promised 1e-9.
        if not np.allclose(reduce(np.multiply.outer, marginals), self.shares, rtol=1e-13, atol=0):
            return None
        return [_spread(m, d) for m, d in zip(marginals, self.spacing, strict=True)]


def box_size(taps: Sequence[Taps]) -> tuple[int, ...]:
    """Return the size per axis of the convolution of all layers' taps."""
    return tuple(1 + sum(sides) - len(sides) for sides in zip(*(t.size for t in taps), strict=True))


def convolve(taps: Sequence[Taps]) -> np.ndarray:
    """Return the convolution of all layers' taps; layers that factor over the axes cost one dimension only."""
    factors = [t.factors() for t in taps]
    axes = range(taps[0].shares.ndim)
    lines = [reduce(np.convolve, (f[axis] for f in factors if f), np.ones(1)) for axis in axes]
    dense = [t for t, f in zip(taps, factors, strict=True) if not f]
    if not dense:
        return reduce(np.multiply.outer, lines)
    values = torch.from_numpy(_convolve_dense(dense))
    for axis, line in enumerate(lines):
        along = np.expand_dims(line, [a for a in axes if a != axis])
        values = _convolve_once(values, Taps(along, (1,) * len(axes)))
    return values.numpy()


def _spread(line: np.ndarray, spacing: int) -> np.ndarray:
    spread = np.zeros((len(line) - 1) * spacing + 1)
    spread[::spacing] = line
    return spread


def _convolve_dense(taps: Sequence[Taps]) -> np.ndarray:
    axes = taps[0].shares.ndim
    values, corner = torch.ones((1,) * axes, dtype=torch.float64), np.zeros(axes, dtype=int)
    for t in taps:
        values, trimmed = _trim(_convolve_once(values, t))
        corner += trimmed
    convolved = np.zeros(box_size(taps))
    convolved[tuple(slice(c, c + side) for c, side in zip(corner, values.shape, strict=True))] = values.numpy()
    return convolved


def _convolve_once(values: Tensor, taps: Taps) -> Tensor:
    out = torch.zeros([side + size - 1 for side, size in zip(values.shape, taps.size, strict=True)], dtype=values.dtype)
    for tap in zip(*taps.shares.nonzero(), strict=True):
        start = [int(i) * d for i, d in zip(tap, taps.spacing, strict=True)]
        window = tuple(slice(a, a + side) for a, side in zip(start, values.shape, strict=True))
        out[window].add_(values, alpha=float(taps.shares[tap]))
    return out


def _trim(values: Tensor) -> tuple[Tensor, np.ndarray]:
    """Cut the margins in which nothing exceeds NEGLIGIBLE of the peak; return the rest and its corner."""
    corner = []
    for axis in range(values.ndim):
        others = [a for a in range(values.ndim) if a != axis]
        line = values.amax(others) if others else values
        above = (line > NEGLIGIBLE * line.max()).nonzero()
        low, high = int(above[0]), int(above[-1])
        values = values.narrow(axis, low, high + 1 - low)
        corner.append(low)
    return values, np.array(corner)
