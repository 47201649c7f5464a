"""Rules of the operators that read a map at positions which are computed, or write to such positions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from erf.reachability.dense import directed, from_dense
from erf.reachability.digit import NOTHING, NOWHERE, Digit, Floats, Integers
from erf.reachability.reach import Reach
from erf.reachability.registry import Call, name_of, rule
from erf.reachability.union import union
from erf.reachability.views import moved
from erf.reachability.windows import convolved

NEAREST, CLAMPED, REFLECTED = 1, 1, 2  # torch's numbers of modes of interpolation and of padding
ROUNDING = 1e-3  # of a pixel: another device may round places otherwise


@rule("grid_sampler_2d", "grid_sampler_3d")
def _grid_sample(call: Call, x: Reach, grid: Reach, *_settings: Any) -> Reach:
    """A position is read from anywhere in the map; from where is told at the position itself."""
    if grid.data is not None and x.ndim == 4 and _settings[1] != REFLECTED:
        return _sampled(x, grid.data.double().numpy(), *_settings)
    anywhere = x.everywhere(range(2, x.ndim), call.shape, call.operator)
    told = grid.contract([grid.ndim - 1], call.operator).permute((0, grid.ndim - 1, *range(1, grid.ndim - 1)))
    return union([anywhere, told], call.shape)


def _sampled(x: Reach, grid: Floats, mode: int, padding: int, aligned: bool) -> Reach:
    """Read a map around places that are known, rows ``grid[..., 1]`` and columns ``grid[..., 0]`` from -1 to 1."""
    taps, inside = [], []
    for axis, size in enumerate(x.shape[2:]):
        place = grid[..., 1 - axis]
        place = (place + 1) / 2 * (size - 1) if aligned else ((place + 1) * size - 1) / 2
        place = np.clip(place, 0, size - 1) if padding == CLAMPED else place
        before, after = ((0, 1), (-0.5, 0.5), (1, 2))[mode]
        first, last = np.floor(place - ROUNDING - before), np.floor(place + ROUNDING + after)
        if mode == NEAREST:
            first, last = np.ceil(place - 0.5 - ROUNDING), np.floor(place + 0.5 + ROUNDING)
        steps = np.arange(int((last - first).max()) + 1)
        taps.append(np.minimum(first[..., None] + steps, last[..., None]).astype(np.int64))
        if padding == CLAMPED:
            taps[-1] = np.clip(taps[-1], 0, size - 1)
        inside.append((taps[-1] >= 0) & (taps[-1] < size))
    boxes = _hull_at(x, taps, inside)
    dims = [(Digit(size),) for size in boxes.shape[1:]]
    return directed(from_dense(boxes, dims, x.exact and bool(np.all(inside[0]) and np.all(inside[1]))))


def _hull_at(x: Reach, taps: Sequence[Integers], inside: Sequence[NDArray[np.bool_]]) -> Floats:
    """Return the boxes ``[4, N, C, *grid]`` of all pairs of a row and a column among the taps of each place."""
    dense, hull = x.dense(), None
    images = np.arange(len(taps[0])).reshape(-1, 1, 1)
    for row in range(taps[0].shape[-1]):
        for column in range(taps[1].shape[-1]):
            rows, columns = (
                np.clip(t[..., k], 0, n - 1) for t, k, n in zip(taps, (row, column), x.shape[2:], strict=True)
            )
            boxes = np.moveaxis(dense[:, images, :, rows, columns], (3, 4), (0, 2))
            there = (inside[0][..., row] & inside[1][..., column])[:, None]
            boxes = np.where(there, boxes, NOTHING)
            hull = boxes if hull is None else np.minimum(hull, boxes)
    assert hull is not None
    return hull


@rule("affine_grid_generator")
def _affine_grid(call: Call, theta: Reach, *_size: Any) -> Reach:
    """All places of an image depend on the numbers of its transform."""
    of_images = theta.contract([1, 2], call.operator)
    return union([of_images.reshape((theta.shape[0], *(1,) * (len(call.shape) - 1)))], call.shape)


@rule("torchvision::roi_align", "torchvision::roi_pool", "torchvision::ps_roi_align", "torchvision::ps_roi_pool")
def _regions(call: Call, x: Reach, boxes: Reach, *_settings: Any) -> Reach:
    """A region may lie anywhere in any image of the batch; where is told by its box."""
    told = boxes.contract([1], call.operator).reshape((boxes.shape[0], 1, 1, 1))
    return union([x.whole(call.operator), told], call.shape)


@rule("torchvision::deform_conv2d")
def _deformed_convolution(
    call: Call, x: Reach, weight: Reach, offset: Reach, mask: Reach, bias: Reach, *settings: int
) -> Reach:  # fmt: skip
    """A convolution whose taps move to anywhere in the map; where to is told at the position itself."""
    stride, padding, dilation, groups = settings[:2], settings[2:4], settings[4:6], settings[6]
    taps = convolved(call, x, weight.shape[2:], stride, padding, dilation, groups)
    anywhere = x.contract([1], call.operator).everywhere((2, 3), (x.shape[0], 1, *call.shape[2:]), call.operator)
    told = [each.contract([1], call.operator) for each in (offset, mask) if not each.is_nothing]
    return union([taps, anywhere, *told, weight.whole(call.operator)], call.shape)


@rule("max_unpool2d", "max_unpool3d")
def _unpooled(call: Call, x: Reach, _positions: Reach, *_sizes: Any) -> Reach:
    return x.everywhere(range(_positions.ndim - len(call.shape) + 2, x.ndim), call.shape, call.operator)


@rule("scatter_add", "scatter_reduce")
def _scatter_add(
    call: Call, x: Reach, dim: int, index: Reach, source: Any = None, *_args: Any, **_kwargs: Any
) -> Reach:
    return _scatter(call, x, dim, index, source, "add")


@rule("scatter")
def _scatter(
    call: Call, x: Reach, dim: int, index: Reach, source: Any = None, *reduce: Any, **options: Any
) -> Reach:  # fmt: skip
    """What is written lands where the index says along the dimension, and stays where it is along the others.

    Where the index is not known, it may land anywhere along the dimension.
    """
    if not isinstance(source, Reach) or not x.ndim:
        return x
    dim %= x.ndim
    if index.data is not None and index.ndim == x.ndim:
        return _landed(x, dim, index.data.numpy(), source, adds=bool(reduce or options.get("reduce")))
    anywhere = *source.shape[:dim], x.shape[dim], *source.shape[dim + 1 :]
    source = source.everywhere([dim], anywhere, call.operator)
    for other, (size, written) in enumerate(zip(x.shape, anywhere, strict=True)):
        if written != size:  # beyond a smaller source nothing is written
            source = moved(source, other, np.where(np.arange(size) < written, np.arange(size), NOWHERE))
    return union([x, source], call.shape)


def _landed(x: Reach, dim: int, index: Integers, source: Reach, adds: bool) -> Reach:
    """Write the boxes of a source where they land; where several land, and where they are added, boxes join."""
    source = union([source], source.shape)
    shape = index.shape
    places: list[Integers] = list(np.indices(shape, sparse=True))
    places[dim] = index
    boxes = x.dense().copy()
    written = source.dense()[(slice(None), *(slice(n) for n in shape))]
    at: Any = (slice(None), *places)
    if not adds:
        boxes[at] = NOTHING
    np.minimum.at(boxes, at, written)
    along = [x.along(k) or source.along(k) for k in range(x.ndim)]
    dims = [(Digit(size, 0, 0, runs),) for size, runs in zip(x.shape, along, strict=True)]
    return from_dense(boxes, dims, all(each.exact for each in (x, source) if not each.is_nothing))


@rule("index_add", "index_copy", "index_reduce")
def _index_add(call: Call, x: Reach, dim: int, index: Reach, source: Reach, *_args: Any, **_kwargs: Any) -> Reach:
    if index.data is None or not x.ndim:
        return _scatter(call, x, dim, index, source, "add")
    shape = [1] * x.ndim
    shape[dim] = -1
    places = np.broadcast_to(index.data.numpy().reshape(shape), source.shape)
    copies = name_of(call.func) == "index_copy"
    return _landed(x, dim % x.ndim, places, source, adds=not copies)


@rule("index_fill")
def _index_fill(call: Call, x: Reach, _dim: int, _index: Reach, value: Any) -> Reach:
    return union([x, value], call.shape) if isinstance(value, Reach) else x


@rule("index_put", "_unsafe_index_put", "_index_put_impl")
def _index_put(
    call: Call, x: Reach, indices: Sequence[Reach | None], source: Reach, accumulate: bool = False, *_unsafe: bool
) -> Reach:  # fmt: skip
    """What is written lands where the indices say; where those are not known, anywhere."""
    known = [None if index is None else index.data for index in indices]
    if any(index is not None and data is None for index, data in zip(indices, known, strict=True)):
        anywhere = source.whole(call.operator)
        return union([x, anywhere], call.shape)
    places: Any = tuple(slice(None) if data is None else data.numpy() for data in known)
    boxes = np.moveaxis(x.dense(), 0, -1).copy()
    written = np.moveaxis(source.dense(), 0, -1)
    if accumulate:
        np.minimum.at(boxes, places, np.broadcast_to(written, boxes[places].shape))
    else:
        boxes[places] = written
    reaches = [reach for reach in (x, source) if not reach.is_nothing]
    dims = [(x.single(dim).dims[dim][0],) for dim in range(x.ndim)]
    return from_dense(np.moveaxis(boxes, -1, 0), dims, all(reach.exact for reach in reaches))


@rule("col2im")
def _fold(
    call: Call, x: Reach, _size: Any, kernel: Sequence[int], dilation: Any, padding: Any, stride: Sequence[int]
) -> Reach:  # fmt: skip
    """Each window's positions are added to where they lie in the map."""
    grid = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, p, d, k, s in zip(call.shape[-2:], padding, dilation, kernel, stride, strict=True)
    ]
    lead = call.shape[:-2]
    x = x.reshape((*lead, *kernel, *grid))
    for axis, dim in enumerate((len(lead), len(lead) + 1)):  # of the taps; the windows' dimension is two further
        x = _put_back(x, dim, dim + 2, call.shape[dim], stride[axis], padding[axis], dilation[axis])
    return x.remove((len(lead), len(lead) + 1))


def _put_back(x: Reach, taps: int, windows: int, size: int, stride: int, padding: int, dilation: int) -> Reach:
    """Let position i of a map join tap k of window (i + padding - k * dilation) / stride, where that is whole."""
    parts = []
    for k in range(x.shape[taps]):
        tap = moved(x, taps, np.array([k]))
        window, rest = np.divmod(np.arange(size)[:, None] + padding - k * dilation, stride)
        table = np.where(rest == 0, window, NOWHERE)
        parts.append(tap.read(windows, table, (stride, 1)))
    return union(parts, parts[0].shape)
