"""How an operator is run while it is followed: on the meta device, or with data where all its operands have them."""

from __future__ import annotations

from collections.abc import Hashable
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.utils._pytree import tree_map_only

from erf.reachability.operands import storage_of
from erf.reachability.registry import is_pointwise
from erf.reachability.tensor_numbers import MADE_HERE

PLAIN = (Tensor, nn.Parameter)  # a subclass may make anything else
REMEMBERED = 4096  # calls of operators whose outputs' layouts are remembered

INDEXED = (torch.ops.aten.index.Tensor, torch.ops.aten.index_put_.default, torch.ops.aten.index_put.default)
SPACED = (torch.ops.aten.arange, torch.ops.aten.linspace)  # whose floating-point numbers may become positions


def run(func: OpOverload, args: Any, kwargs: Any, tensors: list[Tensor]) -> Any:
    """Run on the meta device, or with data where all operands have them; new integers and ranges always have data."""
    kinds = {tensor.is_meta for tensor in tensors}
    if len(kinds) == 2:
        args = (
            (args[0], [part for index in args[1] for part in _positions(index)], *args[2:]) if func in INDEXED else args
        )
        args, kwargs = tree_map_only(Tensor, lambda tensor: tensor.to("meta"), (args, kwargs))
    output = func(*args, **kwargs)
    if kinds == {True}:
        _remember(func, args, kwargs, tensors, output)
    if True in kinds or not isinstance(output, Tensor):
        return output
    drawn = torch.Tag.nondeterministic_seeded in func.tags
    if drawn:  # another pass would draw others
        return output.to("meta") if _is_whole(output) else output
    if output.is_meta and (_is_whole(output) or func.overloadpacket in SPACED):
        return func(*args, **(kwargs | {"device": "cpu"}))
    return output


def _is_whole(tensor: Tensor) -> bool:
    """Whether it holds whole numbers or truth values, which may be positions."""
    return not (tensor.is_floating_point() or tensor.is_complex())


def _positions(index: Tensor | None) -> list[Tensor | None]:
    """Return the positions at which a mask with data is true, one tensor for each of its dimensions."""
    if index is None or index.is_meta or index.dtype not in (torch.bool, torch.uint8):
        return [index]
    return list(index.nonzero(as_tuple=True))


def known_output(func: OpOverload, args: Any, kwargs: Any, tensors: list[Tensor]) -> Any:
    """Return what an operator gives on the meta device, where torch runs slow Python, if that is known; else None.

    It is known of batch norm in eval mode, of what changes its first operand in place, position by position, and of
    what made new tensors when it was called on tensors of the same layouts before.
    """
    first = tensors[0] if tensors else None
    if first is None or not first.is_meta:
        return None
    if args and args[0] is first:
        if func is torch.ops.aten.native_batch_norm.default and not args[5]:
            return _like(first), first.new_empty(0), first.new_empty(0)
        if func._schema.is_mutable and is_in_place(func) and all(tensor.shape == first.shape for tensor in tensors):
            return first
    made = _made.get(_key(func, args, kwargs, tensors))
    if made is None:
        return None
    outputs = tuple(torch.empty_strided(*layout, dtype=dtype, device="meta") for *layout, dtype in made.layouts)
    return outputs if made.several else outputs[0]


def _like(tensor: Tensor) -> Tensor:
    """Return what torch.empty_like does, which is slow Python on the meta device."""
    if not tensor.is_contiguous():
        return torch.empty_like(tensor)
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")


@cache
def is_in_place(func: OpOverload) -> bool:
    """Whether an operator changes its first operand, position by position."""
    alias = func._schema.arguments[0].alias_info
    return is_pointwise(func) and alias is not None and alias.is_write


class _Made(NamedTuple):
    """New tensors that an operator returned: the shape, strides and dtype of each, and whether it returned a tuple."""

    layouts: list[tuple[tuple[int, ...], tuple[int, ...], torch.dtype]]
    several: bool


_made: dict[Hashable, _Made] = {}


def _remember(func: OpOverload, args: Any, kwargs: Any, tensors: list[Tensor], output: Any) -> None:
    """Note what an operator made, where that depends on the layouts of its operands alone."""
    key, several = _key(func, args, kwargs, tensors), isinstance(output, tuple)
    outputs = list(output) if several else [output]
    if key is None or any(not _is_plain(tensor) or tensor.storage_offset() for tensor in outputs):
        return
    if {*map(storage_of, outputs)} & {*map(storage_of, tensors)}:  # as of _unsafe_view, whose schema does not say so
        return
    layouts = [(tuple(tensor.shape), tensor.stride(), tensor.dtype) for tensor in outputs]
    again = [torch.empty_strided(*layout, dtype=dtype, device="meta") for *layout, dtype in layouts]
    pairs = zip(outputs, again, strict=True)
    if all(a.untyped_storage().nbytes() == b.untyped_storage().nbytes() for a, b in pairs):
        if len(_made) >= REMEMBERED:
            _made.clear()
        _made[key] = _Made(layouts, several)


def _key(func: OpOverload, args: Any, kwargs: Any, tensors: list[Tensor]) -> Hashable | None:
    """Return what the layout of an operator's new outputs depends on; None if it makes none, or depends on more."""
    if not _makes_new_tensors(func) or not all(map(_is_plain, tensors)):
        return None
    return func, torch.get_default_dtype(), _layouts(args), _layouts(tuple(kwargs.items()))


@cache
def _makes_new_tensors(func: OpOverload) -> bool:
    """Whether an operator of torch only makes new tensors, of a size that depends on no values."""
    returns_given = func.is_view or func in MADE_HERE or any(value.alias_info for value in func._schema.returns)
    is_fixed = torch.Tag.dynamic_output_shape not in func.tags and not func._schema.is_mutable
    return func.namespace == "aten" and is_fixed and not returns_given


def _is_plain(tensor: Any) -> bool:
    has_strides = type(tensor) in PLAIN and tensor.is_meta and tensor.layout is torch.strided
    return has_strides and not tensor.is_complex() and not tensor.is_neg()


def _layouts(value: Any) -> Hashable:
    if isinstance(value, Tensor):
        return value.shape, value.stride(), value.dtype
    if isinstance(value, (list, tuple)):
        return tuple(map(_layouts, value))
    return type(value), value
