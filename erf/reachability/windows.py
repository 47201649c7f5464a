"""Rules of the operators that slide a window along the axes: convolution, pooling, resampling, padding.

Each is a table: which input positions does an output position read, on an unbounded axis?
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from erf.reachability.digit import NOWHERE, Integers
from erf.reachability.reach import Reach
from erf.reachability.registry import Call, rule
from erf.reachability.union import union
from erf.reachability.views import ended

Ints = Sequence[int]
Table = tuple[Integers, Integers | None]  # on an unbounded axis; where nothing is known beyond the border


@rule("convolution", "_convolution")
def _convolution(
    call: Call, x: Reach, weight: Reach, bias: Reach | None, stride: Ints, padding: Ints, dilation: Ints,
    transposed: bool, output_padding: Ints, groups: int, *_backends: bool,
) -> Reach:  # fmt: skip
    if transposed:
        x = _mix_channels(call, x, groups)
        for k, dim in enumerate(range(2, x.ndim)):
            window = weight.shape[dim], _at(stride, k), _at(padding, k), _at(dilation, k)
            x = _transposed(x, dim, call.shape[dim], *window)
    else:
        x = convolved(call, x, weight.shape[2:], stride, padding, dilation, groups)
    # Weights and biases that depend on the image, as in dynamic convolutions, are the same for all positions.
    made = [reach.whole(call.operator) for reach in (weight, bias) if reach is not None]
    return union([x, *made], call.shape)


def convolved(call: Call, x: Reach, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, groups: int) -> Reach:
    """Return what a convolution with constant weights reads."""
    x = _mix_channels(call, x, groups)
    for k, dim in enumerate(range(2, x.ndim)):
        x = _slid(x, dim, call.shape[dim], kernel[k], _at(stride, k), _at(padding, k), _at(dilation, k))
    return x


def _mix_channels(call: Call, x: Reach, groups: int) -> Reach:
    """Every output channel of a group depends on every input channel of that group."""
    channels = call.shape[1]
    if x.constant(1):
        return x.resized(1, channels)
    if groups == 1:
        return x.contract([1], call.operator).resized(1, channels)
    grouped = x.reshape((x.shape[0], groups, x.shape[1] // groups, *x.shape[2:]))
    grouped = grouped.contract([2], call.operator).resized(2, channels // groups)
    return grouped.reshape((x.shape[0], channels, *x.shape[2:]))


def _at(values: Ints, k: int) -> int:
    """The k-th entry of a parameter of which one entry may stand for all axes."""
    return values[k] if len(values) > 1 else values[0]


def _slid(x: Reach, dim: int, size: int, kernel: int, stride: int, padding: int, dilation: int) -> Reach:
    """Output i reads i * stride - padding + k * dilation."""
    if x.constant(dim):
        return x.resized(dim, size)
    table = np.arange(size)[:, None] * stride - padding + np.arange(kernel) * dilation
    return x.read(dim, table, (1, stride))


def _transposed(x: Reach, dim: int, size: int, kernel: int, stride: int, padding: int, dilation: int) -> Reach:
    """Input i is written to i * stride - padding + k * dilation."""
    position, remainder = np.divmod(np.arange(size)[:, None] + padding - np.arange(kernel) * dilation, stride)
    return x.read(dim, np.where(remainder == 0, position, NOWHERE), (stride, 1))


@rule("max_pool2d_with_indices", "max_pool3d_with_indices")
def _max_pool(
    call: Call, x: Reach, kernel: Ints, stride: Ints = (), padding: Ints = (0,), dilation: Ints = (1,), *_ceil: bool
) -> Reach:  # fmt: skip
    first = x.ndim - len(kernel)
    for k in range(len(kernel)):
        window = kernel[k], _at(stride or kernel, k), _at(padding, k), _at(dilation, k)
        x = _slid(x, first + k, call.shape[first + k], *window)
    return x


@rule("avg_pool2d", "avg_pool3d")
def _avg_pool(call: Call, x: Reach, kernel: Ints, stride: Ints = (), padding: Ints = (0,), *_flags: Any) -> Reach:
    return _max_pool(call, x, kernel, stride, padding)


@rule("_adaptive_avg_pool2d", "_adaptive_avg_pool3d", "adaptive_max_pool2d", "adaptive_max_pool3d")
def _adaptive_pool(call: Call, x: Reach, size: Ints) -> Reach:
    first = x.ndim - len(size)
    for dim, n in enumerate(size, first):
        x = x.contract([dim], call.operator) if n == 1 else _adapted(x, dim, n)
    return x


def _adapted(x: Reach, dim: int, size: int) -> Reach:
    """Output i reads from floor(i * old / size) to ceil((i + 1) * old / size)."""
    old, i = x.shape[dim], np.arange(size)[:, None]
    start, end = i * old // size, -(-(i + 1) * old // size)
    table = start + np.arange(np.max(end - start))
    ratio = Fraction(old, size)
    return x.read(dim, np.where(table < end, table, NOWHERE), (ratio.denominator, ratio.numerator))


@rule("upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d")
def _nearest(call: Call, x: Reach, size: Ints, *scales: float | None) -> Reach:
    return _resampled(x, size, scales, partial(_nearest_table, offset=0.0))


@rule("_upsample_nearest_exact1d", "_upsample_nearest_exact2d", "_upsample_nearest_exact3d")
def _nearest_exact(call: Call, x: Reach, size: Ints, *scales: float | None) -> Reach:
    return _resampled(x, size, scales, partial(_nearest_table, offset=0.5))


def _nearest_table(scale: float, i: Integers, _old: int, offset: float) -> Table:
    """Torch computes these in single precision."""
    center = (i + offset).astype(np.float32)
    return np.floor(np.float32(scale) * center).astype(np.int64)[:, None], None


@rule("upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d")
def _linear(call: Call, x: Reach, size: Ints, aligned: bool, *scales: float | None) -> Reach:
    return _resampled(x, size, scales, partial(_kernel_table, aligned=aligned, taps=(0, 1)), aligned)


@rule("upsample_bicubic2d")
def _cubic(call: Call, x: Reach, size: Ints, aligned: bool, *scales: float | None) -> Reach:
    return _resampled(x, size, scales, partial(_kernel_table, aligned=aligned, taps=(-1, 0, 1, 2)), aligned)


def _kernel_table(scale: float, i: Integers, old: int, aligned: bool, taps: Ints) -> Table:
    """The taps around the source position; where there is a border they are moved into the image."""
    source = scale * i if aligned else scale * (i + 0.5) - 0.5
    inside = source if len(taps) > 2 else np.maximum(source, 0)
    tables = [np.floor(center).astype(np.int64)[:, None] + np.array(taps) for center in (source, inside)]
    return tables[0], np.clip(tables[1], 0, old - 1)


@rule("_upsample_bilinear2d_aa")
def _linear_aa(call: Call, x: Reach, size: Ints, aligned: bool, *scales: float | None) -> Reach:
    return _resampled(x, size, scales, partial(_antialias_table, width=2), aligned)


@rule("_upsample_bicubic2d_aa")
def _cubic_aa(call: Call, x: Reach, size: Ints, aligned: bool, *scales: float | None) -> Reach:
    return _resampled(x, size, scales, partial(_antialias_table, width=4), aligned)


def _antialias_table(scale: float, i: Integers, _old: int, width: int) -> Table:
    """A kernel that is widened to cover what one output stands for."""
    half = width / 2 * max(scale, 1.0)
    start = np.floor(scale * (i + 0.5) - half + 0.5).astype(np.int64)[:, None]
    end = np.floor(scale * (i + 0.5) + half + 0.5).astype(np.int64)[:, None]
    table = start + np.arange(np.max(end - start))
    return np.where(table < end, table, NOWHERE), None


def _resampled(
    x: Reach, size: Ints, scales: Sequence[float | None], table_of: Callable[..., Table], aligned: bool = False
) -> Reach:  # fmt: skip
    first = x.ndim - len(size)
    scales = [*scales, *(None,) * (len(size) - len(scales))]
    for dim, (new, factor) in enumerate(zip(size, scales, strict=True), first):
        old = x.shape[dim]
        if new != old or factor not in (None, 1.0):
            ratio = _inputs_per_output(old, new, factor, aligned)
            table, bounded = table_of(float(ratio), np.arange(new), old)
            x = x.read(dim, table, (ratio.denominator, ratio.numerator), bounded)
    return x


def _inputs_per_output(old: int, new: int, factor: float | None, aligned: bool) -> Fraction:
    if aligned:
        return Fraction(old - 1, new - 1) if new > 1 else Fraction(0)
    return Fraction(old, new) if not factor else 1 / Fraction(factor).limit_denominator(10**6)


@rule("constant_pad_nd")
def _constant_pad(call: Call, x: Reach, padding: Ints, *_value: float) -> Reach:
    return _padded(x, padding, None)


@rule("reflection_pad1d", "reflection_pad2d", "reflection_pad3d")
def _reflection_pad(call: Call, x: Reach, padding: Ints) -> Reach:
    return _padded(x, padding, lambda p, n: n - 1 - np.abs(n - 1 - np.abs(p)))


@rule("replication_pad1d", "replication_pad2d", "replication_pad3d")
def _replication_pad(call: Call, x: Reach, padding: Ints) -> Reach:
    return _padded(x, padding, lambda p, n: np.clip(p, 0, n - 1))


def _padded(x: Reach, padding: Ints, repeated: Callable[[Integers, int], Integers] | None) -> Reach:
    """Padding goes on beyond the image's border; ``padding`` lists (before, after) from the last dimension."""
    for k in range(len(padding) // 2):
        dim, before, after = x.ndim - 1 - k, padding[2 * k], padding[2 * k + 1]
        size = x.shape[dim]
        table = np.arange(-before, size + after)[:, None]
        x = x.read(dim, table) if repeated is None else ended(x, dim).read(dim, table, bounded=repeated(table, size))
    return x


@rule("unfold")
def _unfold(call: Call, x: Reach, dim: int, kernel: int, stride: int) -> Reach:
    dim %= x.ndim
    x = _windowed(x, dim, call.shape[dim], kernel, stride, 0, 1)
    return x.permute([d for d in range(x.ndim) if d != dim + 1] + [dim + 1])


@rule("im2col")
def _im2col(call: Call, x: Reach, kernel: Ints, dilation: Ints, padding: Ints, stride: Ints) -> Reach:
    x = x if x.ndim == 4 else x.expand((1, *x.shape))
    sizes = x.shape[2:]
    for k, dim in enumerate((2, 4)):
        size = (sizes[k] + 2 * padding[k] - dilation[k] * (kernel[k] - 1) - 1) // stride[k] + 1
        x = _windowed(x, dim, size, kernel[k], stride[k], padding[k], dilation[k])
    return x.permute((0, 1, 3, 5, 2, 4)).reshape(call.shape)


def _windowed(x: Reach, dim: int, size: int, kernel: int, stride: int, padding: int, dilation: int) -> Reach:
    """Give the positions in each window a dimension of their own, after ``dim``."""
    table = np.arange(size)[:, None] * stride - padding + np.arange(kernel) * dilation
    return x.take(dim, table, (1, stride), tap=dilation)
