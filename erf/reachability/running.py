"""How an operator is run while it is followed: on the meta device, or with data where all its operands have them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._pytree import tree_map_only

from erf.reachability.registry import is_pointwise

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


def known_output(func: OpOverload, args: Any, tensors: list[Tensor]) -> Any:
    """Return what two common kinds of operators give on the meta device, where torch runs slow Python; None for others.

    They are batch norm in eval mode, and what changes its first operand in place, position by position.
    """
    first = tensors[0] if tensors else None
    if first is None or not first.is_meta or args[0] is not first:
        return None
    if func is torch.ops.aten.native_batch_norm.default and not args[5]:
        return torch.empty_like(first), first.new_empty(0), first.new_empty(0)
    alias = func._schema.arguments[0].alias_info
    in_place = is_pointwise(func) and alias is not None and alias.is_write
    return first if in_place and all(tensor.shape == first.shape for tensor in tensors) else None
