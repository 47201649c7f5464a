"""Rules of the operators that take positions by tensors of indices or by masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from erf.reachability.dense import from_dense
from erf.reachability.digit import NUMBERS, Digit, Integers
from erf.reachability.reach import Reach
from erf.reachability.registry import Call, rule
from erf.reachability.views import moved, permuted, sliced, unsqueeze


@rule("index_select")
def index_select(call: Call, x: Reach, dim: int, index: Reach) -> Reach:
    """Return what stands at positions along a dimension; anything along it where they are not known."""
    if index.data is None:
        return x.everywhere([dim % x.ndim], call.shape, call.operator)
    return _indexed(x, dim % x.ndim, index.data.numpy().reshape(-1))


@rule("index")
def _index(call: Call, x: Reach, indices: Sequence[Reach | None]) -> Reach:
    if any(index is not None and index.data is None for index in indices):
        return _unknown_index(call, x, indices)
    parts = [part for index in indices for part in ([None] if index is None else _arrays(index))]
    given = {dim: part for dim, part in enumerate(parts) if part is not None}
    first, last = min(given), max(given)
    if len(given) == 1 and given[first].ndim == 1:
        return _indexed(x, first, given[first] % x.shape[first])
    # The numbers are the last dimension here: in front, numpy would move the indexed ones before them.
    index = tuple(slice(None) if part is None else part for part in parts)
    dense = np.moveaxis(np.moveaxis(x.dense(), 0, -1)[index], -1, 0)
    # Indexed dimensions become those of the indices, in their place if they are neighbours, else in front.
    new = np.broadcast_shapes(*(part.shape for part in given.values()))
    place = first if last - first == len(given) - 1 else 0
    dims = [digits for dim, digits in enumerate(x.dims) if dim not in given]
    dims[place:place] = [(Digit(size, along=any(map(x.along, given))),) for size in new]
    return from_dense(dense, dims, x.exact)


def _unknown_index(call: Call, x: Reach, indices: Sequence[Reach | None]) -> Reach:
    """Positions that are not known may be any along the indexed dimensions; a mask takes as many as it has."""
    shapes = [index.shape for index in indices if index is not None]
    are_masks = x.ndim - len(shapes) + max(map(len, shapes)) != len(call.shape)
    given, dim = [], 0
    for index in indices:
        width = index.ndim if index is not None and are_masks else 1
        given += range(dim, dim + width) if index is not None else ()
        dim += width
    x = x.contract(given, call.operator).remove(given)
    place = given[0] if given[-1] - given[0] == len(given) - 1 else 0
    for _ in range(len(call.shape) - x.ndim):
        x = unsqueeze(call, x, place)
    return x.expand(call.shape)


def _arrays(index: Reach) -> list[Integers]:
    """A mask stands for the positions at which it is true."""
    assert index.data is not None
    positions = index.data.numpy()
    return list(np.nonzero(positions)) if positions.dtype == np.bool_ else [positions]


@rule("gather")
def _gather(call: Call, x: Reach, dim: int, index: Reach, **_kwargs: Any) -> Reach:
    if not x.ndim:
        return x
    dim %= x.ndim
    if index.data is None:
        for other in (other for other in range(x.ndim) if other != dim):
            x = sliced(x, other, 0, index.shape[other])
        return x.everywhere([dim], call.shape, call.operator)
    positions = index.data.numpy()
    grid = x.dense()[(slice(None), *(slice(n) for n in _fitting(positions.shape, dim, x.shape)))]
    grid = np.take_along_axis(grid, np.broadcast_to(positions, (NUMBERS, *positions.shape)), axis=dim + 1)
    dims = [x.single(k).dims[k][0] for k in range(x.ndim)]
    return from_dense(grid, [(replace(d, size=n),) for d, n in zip(dims, positions.shape, strict=True)], x.exact)


def _fitting(shape: Sequence[int], dim: int, full: Sequence[int]) -> list[int]:
    """The index may be smaller than the tensor along the other dimensions."""
    return [full[k] if k == dim else n for k, n in enumerate(shape)]


def _indexed(x: Reach, dim: int, positions: Integers) -> Reach:
    """Evenly spaced positions are a slice; of others nothing is known beyond the border."""
    steps = set(np.diff(positions).tolist()) or {1}
    return moved(x, dim, positions, steps.pop()) if len(steps) == 1 else permuted(x, dim, positions)
