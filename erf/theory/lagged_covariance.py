r"""The covariance of a gradient between the positions of one channel, kept for a few distances between them.

A fixed filter, as an average pool or bilinear upsampling, passes one gradient on to several positions, which are then
correlated. What a second filter makes of their squares depends on these correlations.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, pairwise, product

import numpy as np
import scipy.sparse as sparse
import torch
from torch import Tensor

Lags = tuple[tuple[int, ...], ...]  # per axis, the distances between two positions that are kept
_Read = tuple[int, int, np.ndarray]  # an output, the first input that it reads, and the weights from there on


@dataclass(frozen=True, eq=False)
class LaggedCovariance:
    r"""The expectations R(c, p, d) = E[g(c, p) g(c, p + d)] of a tensor's gradient g.

    Attributes:
        values: ``[*lags, C, *S]`` in float64: the numbers of lags d, the channels c, the positions p. A channel
            dimension of 1 stands for channels that are all alike.
        lags: Per axis, the distances d.
    """

    values: Tensor
    lags: Lags

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the channels and the positions."""
        return tuple(self.values.shape[len(self.lags) :])

    def by_lag(self) -> Tensor:
        """Return the values as ``[L, C, *S]``, all lags in one dimension."""
        return self.values.reshape(-1, *self.shape)

    def like(self, by_lag: Tensor) -> LaggedCovariance:
        """Return other values ``[L, ...]`` of the same lags."""
        return LaggedCovariance(by_lag.reshape(*map(len, self.lags), *by_lag.shape[1:]), self.lags)

    def expanded(self, channels: int) -> LaggedCovariance:
        """Return each channel by itself."""
        return self.like(self.by_lag().expand(-1, channels, *self.shape[1:]))

    def taken(self, origins: Sequence[Sequence[int | None]], lags: Lags) -> LaggedCovariance:
        """Return the values of ``lags``, per axis those of another lag, or 0 if that is None or is not kept."""
        values = self.values
        for axis, sources in enumerate(origins):
            known = {lag: index for index, lag in enumerate(self.lags[axis])}
            index = [known.get(lag, len(known)) if lag is not None else len(known) for lag in sources]
            if index != list(range(len(known))):
                zero = torch.zeros_like(values.narrow(axis, 0, 1))
                values = torch.cat([values, zero], axis).index_select(axis, torch.tensor(index, device=values.device))
        return LaggedCovariance(values, lags)

    def __add__(self, other: LaggedCovariance) -> LaggedCovariance:
        return LaggedCovariance(self.values + other.values, self.lags)


def shifted(values: Tensor, lag: Sequence[int]) -> Tensor:
    """Return values(p + lag), 0 beyond the border; the positions are the last dimensions."""
    for axis, step in enumerate(lag, values.ndim - len(lag)):
        if step:
            side, size = values.shape[axis], max(values.shape[axis] - abs(step), 0)
            inside = values.narrow(axis, min(max(step, 0), side), size)
            border = values.new_zeros([*values.shape[:axis], side - size, *values.shape[axis + 1 :]])
            values = torch.cat([inside, border] if step > 0 else [border, inside], axis)
    return values


def all_lags(lags: Lags) -> list[tuple[int, ...]]:
    """Return every lag, in the order of :meth:`LaggedCovariance.by_lag`."""
    return list(product(*lags))


@dataclass(frozen=True, eq=False)
class Window:
    """What output q of a filter along one axis reads: the inputs from ``stride * q + offset`` with these weights."""

    stride: int
    offset: int
    weights: np.ndarray


@dataclass(frozen=True, eq=False)
class LineFilter:
    """A fixed filter along one axis: how the gradients at its outputs and at its inputs depend on each other.

    Attributes:
        matrix: ``[Q, P]``, the weight with which each of Q outputs reads each of P inputs.
    """

    matrix: np.ndarray

    @cached_property
    def _weights(self) -> sparse.csr_array:
        return sparse.csr_array(self.matrix)

    @cached_property
    def _reads(self) -> sparse.csr_array:
        return sparse.csr_array((self.matrix != 0).astype(np.float64))

    def needed(self, lags: Collection[int]) -> set[int]:
        """Return the lags of outputs of which those of inputs are made."""
        return _lags_across(self._reads, lags)

    def reached(self, lags: Collection[int]) -> set[int]:
        """Return the lags of inputs that those of outputs lead to."""
        return _lags_across(self._reads.T.tocsr(), lags)

    @cached_property
    def window(self) -> Window | None:
        """The window with which most outputs read, each one stride further; None if they read in different ways.

        Others, of those that read anything, may only be at the borders, as in padding by reflection.
        """
        reads = [self._read(q) for q in range(len(self.matrix)) if self.matrix[q].any()]
        steps = [_step(one, following) for one, following in pairwise(reads)]
        for step, group in groupby(range(len(steps)), key=steps.__getitem__):
            first, *others = group
            if step and 2 * (len(others) + 2) > len(reads):
                q, offset, weights = reads[first]
                return Window(step, offset - step * q, weights)
        return None

    def _read(self, q: int) -> _Read:
        first, last = np.flatnonzero(self.matrix[q])[[0, -1]]
        return q, int(first), self.matrix[q, first : last + 1]

    def backward(self, values: Tensor, dim: int, outputs: Sequence[int], inputs: Sequence[int], lag_dim: int) -> Tensor:
        r"""Return what becomes of a covariance along this axis.

        .. math:: R_x(p, d) = \sum_{q, e} B(q, p)\, B(q + e, p + d)\, R_y(q, e)

        Args:
            values: In which ``dim`` runs over positions and ``lag_dim`` over the lags e of outputs.
            dim: The dimension of the positions.
            outputs: The lags e.
            inputs: The lags d.
            lag_dim: The dimension of the lags.
        """
        front = values.movedim((lag_dim, dim), (0, 1))
        rows = front.reshape(front.shape[0] * front.shape[1], -1)
        made = torch.sparse.mm(self._between(outputs, inputs).to(rows.device), rows)
        sides = len(inputs), self.matrix.shape[1]
        return made.reshape(*sides, *front.shape[2:]).movedim((0, 1), (lag_dim, dim))

    def _between(self, outputs: Sequence[int], inputs: Sequence[int]) -> Tensor:
        """Return the sum's weights as a sparse matrix ``[(d, p), (e, q)]``."""
        transposed = self._weights.T.tocsr()
        blocks = [[transposed.multiply(_moved(transposed, d, e)) for e in outputs] for d in inputs]
        entries = sparse.coo_array(sparse.bmat(blocks))
        index = torch.from_numpy(np.stack([entries.row, entries.col]).astype(np.int64))
        return torch.sparse_coo_tensor(
            index, torch.from_numpy(entries.data.astype(np.float64)), entries.shape, check_invariants=False
        )


def _step(one: _Read, following: _Read) -> int | None:
    """Return how much further an output reads than the one before; None if it reads in another way."""
    (q, first, weights), (next_q, next_first, next_weights) = one, following
    alike = next_q == q + 1 and len(weights) == len(next_weights)
    return next_first - first if alike and np.allclose(weights, next_weights, rtol=1e-12, atol=0) else None


def _moved(matrix: sparse.csr_array, rows: int, columns: int) -> sparse.csr_array:
    """Return the matrix whose entry [i, j] is [i + rows, j + columns] of the given one, 0 beyond its border."""
    entries = sparse.coo_array(matrix)
    height, width = (int(side) for side in matrix.shape or ())
    i, j = entries.row - rows, entries.col - columns
    inside = (i >= 0) & (i < height) & (j >= 0) & (j < width)
    return sparse.csr_array((entries.data[inside], (i[inside], j[inside])), shape=(height, width))


def _lags_across(reads: sparse.csr_array, lags: Collection[int]) -> set[int]:
    """Return the distances between rows that read two columns at one of these distances."""
    columns = reads.T.tocsr()
    distances: set[int] = set()
    for lag in lags:
        pairs = sparse.coo_array(reads @ _moved(columns, lag, 0))
        distances |= set((pairs.col - pairs.row).tolist())
    return distances
