"""Rules of the operators that join all positions along some dimensions: products, norms, reductions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from erf.reachability.reach import Reach
from erf.reachability.registry import Call, rule
from erf.reachability.union import mixed, union


@rule("mm", "bmm")
def _product(call: Call, a: Reach, b: Reach, **_kwargs: Any) -> Reach:
    rows = a.contract([a.ndim - 1], call.operator)
    columns = b.contract([b.ndim - 2], call.operator)
    return union([rows, columns], call.shape)


@rule("mv")
def _vector_product(call: Call, a: Reach, b: Reach) -> Reach:
    rows = a.contract([1], call.operator).remove([1])
    return union([rows, b.contract([0], call.operator)], call.shape)


@rule("addmm", "baddbmm")
def _added_product(call: Call, bias: Reach, a: Reach, b: Reach, **_kwargs: Any) -> Reach:
    return union([bias, _product(call, a, b)], call.shape)


@rule("_softmax", "_log_softmax", "_safe_softmax")
def _softmax(call: Call, x: Reach, dim: int, *_args: Any, **_kwargs: Any) -> Reach:
    return mixed(x, [dim % x.ndim], call.operator)


@rule("glu")
def _glu(call: Call, x: Reach, dim: int = -1) -> Reach:
    dim %= x.ndim
    halves = x.reshape((*x.shape[:dim], 2, x.shape[dim] // 2, *x.shape[dim + 1 :]))
    return halves.contract([dim], call.operator).remove([dim])


@rule("native_layer_norm", "_fused_rms_norm")
def _layer_norm(call: Call, x: Reach, shape: Sequence[int], *_args: Any) -> Reach:
    return mixed(x, range(x.ndim - len(shape), x.ndim), call.operator)


@rule("native_group_norm")
def _group_norm(call: Call, x: Reach, _w: Any, _b: Any, _n: int, _c: int, _hw: int, groups: int, _eps: float) -> Reach:
    n, channels, *sizes = x.shape
    grouped = x.reshape((n, groups, channels // groups, *sizes))
    return mixed(grouped, range(2, grouped.ndim), call.operator).reshape(x.shape)


@rule("native_batch_norm", "_native_batch_norm_legit")
def _batch_norm(
    call: Call, x: Reach, _w: Any, _b: Any, _mean: Any, _var: Any, training: bool, *_args: Any, **_kwargs: Any
) -> Reach:
    return mixed(x, [0, *range(2, x.ndim)], call.operator) if training else x


@rule("mean", "sum", "amax", "amin", "prod", "logsumexp", "nansum", "count_nonzero", "any", "all")
@rule("var", "std", "max", "min", "median", "argmax", "argmin", "aminmax", "var_mean", "std_mean")
def _reduce(call: Call, x: Reach, dim: Any = None, *args: Any, keepdim: bool | None = None, **_kwargs: Any) -> Reach:
    """The two-tensor ``max`` and ``min`` are pointwise; a reduction over no dimension is over all."""
    if isinstance(dim, Reach):
        return union([x, dim], call.shape)
    dims = range(x.ndim) if dim is None or dim == [] else [dim] if isinstance(dim, int) else dim
    dims = [d % x.ndim for d in dims]
    joined = x.contract(dims, call.operator)
    return joined if len(call.shape) == x.ndim else joined.remove(dims)


@rule("linalg_vector_norm", "norm")
def _vector_norm(call: Call, x: Reach, _order: Any = 2, dim: Any = None, *args: Any, **_kwargs: Any) -> Reach:
    return _reduce(call, x, dim)
