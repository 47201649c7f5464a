"""The tensors in the arguments and the results of an operator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload

from erf.reachability.reach import Reach, nothing
from erf.reachability.record import Operand, Reaches


def tensors_in(value: Any) -> list[Tensor]:
    """Return the tensors in nested sequences, dicts and dataclasses."""
    if isinstance(value, Tensor):
        return [value]
    if value is None or isinstance(value, (int, float, str)):  # most of what is asked, which is soon answered
        return []
    if isinstance(value, (list, tuple)):
        return [tensor for part in value for tensor in tensors_in(part)]
    if isinstance(value, dict):
        return [tensor for part in value.values() for tensor in tensors_in(part)]
    if is_dataclass(value) and not isinstance(value, type):
        return tensors_in([getattr(value, field.name) for field in fields(value)])
    return []


def numbered(value: Any, number_of: Callable[[Tensor], int | None]) -> Any:
    """Put its number in the place of each tensor."""
    if isinstance(value, Tensor):
        return Operand(number_of(value))
    if isinstance(value, (list, tuple)):
        return tuple(numbered(part, number_of) for part in value)
    if isinstance(value, dict):
        return tuple((name, numbered(part, number_of)) for name, part in value.items())
    return value


def replaced(value: Any, known: dict[int, Reaches], axis: int) -> Any:
    """Put the boxes along one axis in the place of each tensor."""
    if isinstance(value, Tensor):
        return known[id(value)][axis]
    if isinstance(value, (list, tuple)):
        return [replaced(part, known, axis) for part in value]
    return value


def per_output(result: Any, outputs: list[Tensor]) -> list[Reach]:
    """A rule with one result stands for all outputs of that shape; the others hold statistics that nobody reads."""
    if isinstance(result, Reach):
        return [result, *(result if t.shape == outputs[0].shape else nothing(t.shape) for t in outputs[1:])]
    return list(result)


def written_by(func: OpOverload, args: Any, kwargs: Any) -> tuple[list[Tensor], dict[str, Any]]:
    """Return the tensors that an operator writes to, and its named arguments without those that it only writes to."""
    if not func._schema.is_mutable:
        return [], kwargs
    schema = func._schema.arguments
    marked = [argument for argument in schema if argument.alias_info is not None and argument.alias_info.is_write]
    given = dict(zip((argument.name for argument in schema), args, strict=False)) | kwargs
    tensors = tensors_in([given.get(argument.name) for argument in marked])
    outs = {argument.name for argument in marked if argument.is_out}
    return tensors, {name: value for name, value in kwargs.items() if name not in outs}


def storage_of(tensor: Tensor) -> int | None:
    """Return what is equal for tensors that share a storage; None for one that has none, as sparse ones."""
    return tensor.untyped_storage()._cdata if tensor.layout is torch.strided else None


def same_elements(tensor: Tensor, view: Tensor) -> bool:
    """Whether the elements of a view are those of the tensor, as strides tell."""
    have_strides = storage_of(tensor) is not None and storage_of(view) is not None
    return have_strides and tensor.element_size() == view.element_size()
