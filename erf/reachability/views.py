"""Rules of the operators that move positions about: the boxes move with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from erf.reachability.dense import directed
from erf.reachability.digit import Digit, Integers, narrowed, seen
from erf.reachability.reach import Reach, nothing
from erf.reachability.registry import Call, rule
from erf.reachability.union import LazyUnion, concatenate, union


def moved(x: Reach, dim: int, positions: Integers, step: int = 1, bounded: Integers | None = None) -> Reach:
    """Put position ``positions[i]`` at ``i``, where one further is ``step`` further."""
    return x.read(dim, positions[:, None], (1, step), None if bounded is None else bounded[:, None])


def ended(x: Reach, dim: int) -> Reach:
    """Forget how a dimension goes on beyond its ends, where those are not the image's."""
    if not x.in_windows(dim):
        return x
    source = x.single(dim)
    place, digit = source.place(dim), source.dims[dim][0]
    shape = list(source.values.shape)
    shape[place] = digit.size
    return source.with_digits({dim: (replace(digit, period=0, shift=0),)}, np.broadcast_to(source.values, shape))


@rule("clone", "detach", "alias", "lift_fresh", "_native_batch_norm_legit_no_training")
def _same(call: Call, x: Reach, *_args: Any, **_kwargs: Any) -> Reach:
    return x


@rule("as_strided_")
def _restride(call: Call, x: Reach, *_layout: Any) -> Reach:
    """Torch calls it to set the memory format of what it returns; a network's own call is refused."""
    return x


@rule("zeros_like", "ones_like", "empty_like", "full_like", "rand_like", "randn_like", "randint_like")
@rule("new_empty", "new_zeros", "new_ones", "new_full", "new_empty_strided")
def _shape_only(call: Call, *_args: Any, **_kwargs: Any) -> Reach:
    return nothing(call.shape)


@rule("copy", "fill", "zero", "bernoulli_", "normal_", "uniform_", "exponential_", "random_")
def _overwritten(call: Call, _old: Reach, *sources: Any, **_kwargs: Any) -> Reach:
    return union([source for source in sources if isinstance(source, Reach)], call.shape)


@rule("view", "_unsafe_view", "_reshape_alias")
def _reshape(call: Call, x: Reach, *_shape: Any) -> Reach:
    return x.reshape(call.shape)


@rule("unsqueeze")
def unsqueeze(call: Call, x: Reach, dim: int) -> Reach:
    """Return it with one more dimension, of size 1."""
    dim %= x.ndim + 1
    return x.expand((1, *x.shape)).permute((*range(1, dim + 1), 0, *range(dim + 1, x.ndim + 1)))


@rule("squeeze")
def _squeeze(call: Call, x: Reach, dim: int | Sequence[int] | None = None) -> Reach:
    dims = range(x.ndim) if dim is None else [dim] if isinstance(dim, int) else dim
    return x.remove([d % x.ndim for d in dims if x.shape[d] == 1])


@rule("permute")
def _permute(call: Call, x: Reach, dims: Sequence[int]) -> Reach:
    return x.permute(dims)


@rule("transpose", "t")
def _transpose(call: Call, x: Reach, first: int = -2, second: int = -1) -> Reach:
    order = list(range(x.ndim))
    if x.ndim > 1:
        order[first], order[second] = order[second], order[first]
    return x.permute(order)


@rule("expand")
def _expand(call: Call, x: Reach, *_args: Any, **_kwargs: Any) -> Reach:
    return x.expand(call.shape)


@rule("slice")
def _slice(call: Call, x: Reach, dim: int = 0, start: int | None = None, end: Any = None, step: int = 1) -> Reach:
    dim %= x.ndim
    first = 0 if start is None else max(start + x.shape[dim], 0) if start < 0 else start
    return sliced(x, dim, first, call.shape[dim], step)


def sliced(x: Reach, dim: int, start: int, size: int, step: int = 1) -> Reach:
    """Return ``size`` positions from ``start`` on."""
    if size == x.shape[dim] and step == 1:
        return x
    return _settled(moved(_alike(x, dim), dim, start + step * np.arange(size), step), dim)


def _alike(x: Reach, dim: int) -> Reach:
    """Say that boxes are the same all along a dimension, if they are: then each part of it runs as all of it does."""
    if isinstance(x, LazyUnion):
        return x
    whole, place = x.single(dim), x.place(dim)
    values = narrowed(whole.values, place)
    alike = whole.values.shape[place] > values.shape[place] == 1
    return whole.with_digits({dim: (Digit(x.shape[dim], along=x.along(dim)),)}, values) if alike else x


def _settled(part: Reach, dim: int, lawless: bool = False) -> Reach:
    """See how a part of a dimension goes on: parts that were put one after the other have laws of their own.

    Where a union has no law, none of its parts keeps one: so it is where it is written out.
    """
    digit, place = part.single(dim).dims[dim][0], part.place(dim)
    if isinstance(part, LazyUnion):
        return part.each(lambda each: _settled(each, dim, not digit.period))
    if (digit.period and not lawless) or digit.size == 1:
        return part
    part = part.single(dim)
    values = narrowed(part.values, place)
    law = seen(digit, values, place) if values.shape[place] > 1 else Digit(digit.size)
    return part.with_digits({dim: (law,)}, values)


@rule("select")
def _select(call: Call, x: Reach, dim: int, index: int) -> Reach:
    dim %= x.ndim
    return sliced(x, dim, index % x.shape[dim], 1).remove([dim])


@rule("split", "split_with_sizes", "unsafe_split", "unsafe_split_with_sizes")
def _split(call: Call, x: Reach, sizes: int | Sequence[int], dim: int = 0) -> list[Reach]:
    dim %= x.ndim
    total = x.shape[dim]
    if isinstance(sizes, int):
        sizes = [min(sizes, total - start) for start in range(0, total, sizes)]
    starts = np.cumsum([0, *sizes])[:-1]
    return [sliced(x, dim, int(start), size) for start, size in zip(starts, sizes, strict=True)]


@rule("unbind")
def _unbind(call: Call, x: Reach, dim: int = 0) -> list[Reach]:
    return [_select(call, x, dim, k) for k in range(x.shape[dim])]


@rule("cat")
def _cat(call: Call, tensors: Sequence[Reach], dim: int = 0) -> Reach:
    dim %= len(call.shape)
    return _put_together(call, [tensor for tensor in tensors if tensor.shape != (0,)], dim)


@rule("stack")
def _stack(call: Call, tensors: Sequence[Reach], dim: int = 0) -> Reach:
    dim %= len(call.shape)
    return _put_together(call, [unsqueeze(call, tensor, dim) for tensor in tensors], dim)


def _put_together(call: Call, parts: Sequence[Reach], dim: int) -> Reach:
    """Concatenate; where single positions are, they may run along the axis though none of them does."""
    joined = concatenate(parts, dim)
    one_by_one = all(part.shape[dim] <= 1 for part in parts)
    return directed(joined, [dim]) if one_by_one and np.isfinite(call.operator.extent) else joined


@rule("flip")
def _flip(call: Call, x: Reach, dims: Sequence[int]) -> Reach:
    for dim in (dim % x.ndim for dim in dims):
        x = moved(x, dim, np.arange(x.shape[dim])[::-1], -1)
    return x


@rule("rot90")
def _rotate(call: Call, x: Reach, turns: int = 1, dims: Sequence[int] = (0, 1)) -> Reach:
    first, second = (dim % x.ndim for dim in dims)
    for _ in range(turns % 4):
        x = _transpose(call, _flip(call, x, [second]), first, second)
    return x


@rule("view_as_real")
def _parts_apart(call: Call, x: Reach) -> Reach:
    return unsqueeze(call, x, x.ndim).expand(call.shape)


@rule("view_as_complex")
def _parts_together(call: Call, x: Reach) -> Reach:
    return x.contract([x.ndim - 1], call.operator).remove([x.ndim - 1])


@rule("roll")
def _roll(call: Call, x: Reach, shifts: int | Sequence[int], dims: int | Sequence[int] = ()) -> Reach:
    """On an unbounded image a roll only moves: what comes round at the other end lies beyond the border.

    It moves the shorter way; by half of the image it comes round, as in windows.
    """
    shifts, dims = _listed(shifts), _listed(dims)
    if not dims:
        return _roll(call, x.reshape((-1,) if not x.ndim else (int(np.prod(x.shape)),)), shifts, 0).reshape(call.shape)
    for shift, dim in zip(shifts, (dim % x.ndim for dim in dims), strict=True):
        size = x.shape[dim]
        positions, x = np.arange(size) - _shorter(shift, size), ended(x, dim)
        round_it = positions % size
        if 2 * (shift % size) == size:
            x = permuted(x.single(dim), dim, round_it)
        else:
            x = moved(x, dim, positions, 1, round_it)
    return x


def _shorter(shift: int, size: int) -> int:
    """Return the shift, or that the other way round which ends at the same place, whichever is less."""
    shift %= size
    return shift - size if 2 * shift > size else shift


@rule("repeat")
def _repeat(call: Call, x: Reach, repeats: Sequence[int]) -> Reach:
    x = x.expand((*(1,) * (len(repeats) - x.ndim), *x.shape))
    for dim, count in enumerate(repeats):
        x = concatenate([x] * count, dim) if count > 1 else x
    return x


def permuted(x: Reach, dim: int, positions: Integers) -> Reach:
    """Put position ``positions[i]`` at ``i``; nothing is known beyond the border."""
    taken = moved(x, dim, positions)
    if x.constant(dim):
        return taken
    return taken.with_digits({dim: (Digit(len(positions), 0, 0, x.along(dim)),)}, taken.values)


def _listed(value: int | Sequence[int]) -> list[int]:
    return [value] if isinstance(value, int) else list(value)
