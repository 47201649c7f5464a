"""Rules of the operators that go along a dimension: running sums, sorting, transforms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from erf.reachability.reach import Reach
from erf.reachability.registry import Call, rule


@rule("cumsum", "cumprod", "cummax", "cummin", "logcumsumexp")
def _accumulate(call: Call, x: Reach, dim: int, **_kwargs: Any) -> Reach:
    return x.accumulate(dim % x.ndim, call.operator) if x.ndim else x


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
