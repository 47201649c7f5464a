"""Rules of the operators that go along a dimension: running sums, sorting, transforms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from erf.reachability.digit import Floats
from erf.reachability.reach import Joiner, Reach
from erf.reachability.registry import Call, rule


@rule("cumsum", "cumprod", "cummax", "cummin", "logcumsumexp")
def _accumulate(call: Call, x: Reach, dim: int, **_kwargs: Any) -> Reach:
    return accumulated(x, dim % x.ndim, call.operator) if x.ndim else x


def accumulated(x: Reach, dim: int, operator: Joiner) -> Reach:
    """Let every position along the dimension depend on all up to it, as a running sum does.

    Where those go to an end of the input axis, the operator's number says so on that side; the own pixels stay
    visible, and on the other side nothing is joined.
    """
    source = x.single(dim)
    place, digit = source.place(dim), source.dims[dim][0]
    if source.values.shape[place] == 1:
        return source
    own, joined = source.values, np.minimum.accumulate(source.values, axis=place)
    joins = np.any(joined < own, axis=place, keepdims=True)[:2]
    spanned = _ends(x, dim, joined.take([-1], place), operator.extent) & joins
    pixels = np.where(spanned, own[:2], joined[:2])
    numbers = np.where(spanned, np.minimum(joined[2:], operator.number), joined[2:])
    law = digit if np.array_equal(pixels, own[:2]) else replace(digit, period=0, shift=0)
    return source.with_digits({dim: (law,)}, np.concatenate([pixels, numbers]))


def _ends(x: Reach, dim: int, joined: Floats, extent: float) -> NDArray[np.bool_]:
    """Whether joined boxes go to the first, and to the last, pixel of an unbounded image's axis."""
    if not x.along(dim) or np.isinf(extent):
        return np.zeros_like(joined[:2], dtype=np.bool_)
    ends = np.reshape([0, 1 - extent], (2, *(1,) * (joined.ndim - 1)))
    return joined[:2] < ends + x.spacing([dim])


@rule("sort")
def _sort(call: Call, x: Reach, dim: int = -1, *_args: Any, **_kwargs: Any) -> Reach:
    return x.everywhere([dim % x.ndim], call.shape, call.operator) if x.ndim else x


@rule("topk")
def _topk(call: Call, x: Reach, _k: int, dim: int = -1, *_args: Any) -> Reach:
    return _sort(call, x, dim)


@rule("kthvalue")
def _kth_value(call: Call, x: Reach, _k: int, dim: int = -1, *_args: Any, **_kwargs: Any) -> Reach:
    return _mode(call, x, dim)


@rule("mode")
def _mode(call: Call, x: Reach, dim: int = -1, *_args: Any, **_kwargs: Any) -> Reach:
    selected = x.contract([dim % x.ndim], call.operator)
    return selected if len(call.shape) == x.ndim else selected.remove([dim % x.ndim])


@rule("_fft_r2c", "_fft_c2r", "_fft_c2c")
def _transform(call: Call, x: Reach, dims: Sequence[int], *_args: Any) -> Reach:
    """Each frequency depends on all positions, and each position on all frequencies."""
    return x.everywhere([dim % x.ndim for dim in dims], call.shape, call.operator)
