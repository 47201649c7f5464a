"""Rules of the operators that do the same to each of a batch: matrices, tables of vectors, losses of an image."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from erf.reachability.indices import index_select
from erf.reachability.join import joined
from erf.reachability.reach import Reach
from erf.reachability.registry import Call, pointwise, rule
from erf.reachability.union import union

rule("quantize_per_tensor", "dequantize", "fake_quantize_per_tensor_affine_cachemask")(pointwise)


@rule("linalg_inv_ex", "_linalg_solve_ex", "linalg_solve_triangular", "triangular_solve", "cholesky_solve")
@rule("linalg_cholesky_ex", "cholesky_inverse", "linalg_lu_factor_ex", "linalg_lu", "linalg_lu_solve", "linalg_qr")
@rule("_linalg_svd", "_linalg_eigh", "linalg_eig", "_linalg_det", "_linalg_slogdet", "linalg_matrix_exp", "linalg_pinv")
def _matrices(call: Call, matrix: Reach, *args: Any, **_kwargs: Any) -> list[Reach]:
    """Each matrix of a batch gives its own results, which depend on all of it."""
    batch = matrix.shape[:-2]
    matrices = [_whole_matrices(call, x, batch) for x in (matrix, *args) if isinstance(x, Reach)]
    return [union([_as_batch(x, batch, shape) for x in matrices], shape) for shape in call.shapes]


def _whole_matrices(call: Call, x: Reach, batch: Sequence[int]) -> Reach:
    """Return a box for each of the batch; one for all where the tensor has another batch."""
    first = len(batch) if x.shape[: len(batch)] == tuple(batch) else 0
    inner = range(first, x.ndim)
    return x.contract(inner, call.operator).remove(inner)


def _as_batch(x: Reach, batch: Sequence[int], shape: Sequence[int]) -> Reach:
    """Let the boxes of a batch be those of what has another shape for each of it."""
    if tuple(shape[: len(batch)]) != tuple(batch):
        return x.hull(range(x.ndim)).remove(range(x.ndim))
    return x.reshape((*x.shape, *(1,) * (len(shape) - x.ndim))) if x.ndim else x


@rule("_cdist_forward", "_euclidean_dist")
def _distances(call: Call, x: Reach, y: Reach, *_settings: Any) -> Reach:
    """Each distance is that of a row of the one to a row of the other."""
    rows, columns = (each.contract([each.ndim - 1], call.operator) for each in (x, y))
    swapped = (*range(columns.ndim - 2), columns.ndim - 1, columns.ndim - 2)
    return union([rows, columns.permute(swapped)], call.shape)


@rule("linalg_cross")
def _cross(call: Call, x: Reach, y: Reach, dim: int = -1) -> Reach:
    ndim = len(call.shape)
    return union([each.contract([dim % ndim - ndim + each.ndim], call.operator) for each in (x, y)], call.shape)


@rule("_trilinear")
def _trilinear(
    call: Call, first: Reach, second: Reach, third: Reach, ones_1: Any, ones_2: Any, ones_3: Any, summed: Any, *_: Any
) -> Reach:  # fmt: skip
    """Products of three, each widened by dimensions of its own, of which some dimensions are summed."""
    wide = []
    for x, dims in zip((first, second, third), (ones_1, ones_2, ones_3), strict=True):
        shape = list(x.shape)
        for dim in sorted(dims):
            shape.insert(dim, 1)
        wide.append(x.reshape(shape))
    full = tuple(max(sizes) for sizes in zip(*(x.shape for x in wide), strict=True))
    return union(wide, full).contract(summed, call.operator).remove(summed)


@rule("embedding")
def _embedding(call: Call, table: Reach, index: Reach, *_settings: Any) -> Reach:
    """A row of a table, chosen at the position itself."""
    return union([index.reshape((*index.shape, 1)), table.whole(call.operator)], call.shape)


@rule("searchsorted")
def _searched(call: Call, ordered: Reach, x: Any, *_args: Any, **_kwargs: Any) -> Reach:
    return union(
        [ordered.contract([ordered.ndim - 1], call.operator), *([x] if isinstance(x, Reach) else [])], call.shape
    )


@rule("take")
def _take(call: Call, x: Reach, index: Reach) -> Reach:
    flat = Call((prod(call.shape),), call.operator, call.func)
    return index_select(flat, x.reshape((prod(x.shape),)), 0, index).reshape(call.shape)


@rule(
    "nonzero", "masked_select", "_unique2", "unique_dim", "unique_consecutive", "bincount", "histc", "torchvision::nms"
)
def _selected(call: Call, *args: Any, **_kwargs: Any) -> list[Reach]:
    """What is selected by values, and how much, depends on all of them."""
    return joined([x for x in args if isinstance(x, Reach)], call.shapes, call.operator)


@rule("quantized::linear_dynamic", "quantized::linear_relu_dynamic", "quantized::linear_dynamic_fp16")
def _quantized_linear(call: Call, x: Reach, *_packed: Any) -> Reach:
    return union([x.contract([x.ndim - 1], call.operator)], call.shape)


@rule("nll_loss_forward")
def _loss(call: Call, x: Reach, *_args: Any) -> Reach:
    of_images = x.contract([x.ndim - 1], call.operator).remove([x.ndim - 1])
    return of_images if call.shape else of_images.whole(call.operator)
