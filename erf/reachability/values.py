"""Operators that need values, or that no boxes follow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor
from torch._ops import OpOverload

from erf.arguments.process_wide import process_wide
from erf.errors import InvalidInput

_DATA_DEPENDENT = ("_local_scalar_dense", "is_nonzero", "nonzero", "equal", "_unique2", "masked_select")


UNTAGGED = ("nms",)  # as long as values say, though torch is not told
CHECKS = ("_linalg_check_errors", "_assert_async", "_functional_assert_async", "_assert_tensor_metadata")


def is_read(func: OpOverload) -> bool:
    """Whether an operator without outputs gives values to Python, more than a check that they are as they should be."""
    return func.overloadpacket.__name__ not in CHECKS


def refuse(
    func: OpOverload, tensors: list[Tensor], is_reached: Callable[[list[Tensor]], bool], where: Callable[[], str]
) -> None:
    """Refuse what cannot be followed, or cannot be done without data."""
    refuse_nested(func, tensors, where)
    name = func.overloadpacket.__name__
    if name == "set_" and is_reached(tensors):
        raise InvalidInput(f"{where()} gives a tensor another's storage ({func}), which cannot be followed")
    if all(not tensor.is_meta for tensor in tensors):
        return
    if name in _DATA_DEPENDENT:
        raise InvalidInput(f"{where()} decides by the values of a tensor ({func}), which are not known here")
    if func._schema.is_mutable and not tensors[0].is_meta:
        raise InvalidInput(f"{where()} writes ({func}) to a tensor that is not on its input's device")


def is_in_transform(tensor: Tensor) -> bool:
    """Whether it is a tensor only within a transform of ``torch.func``, as ``vmap``; operators are shown another."""
    return torch._C._functorch.is_functorch_wrapped_tensor(tensor)  # pyright: ignore[reportAttributeAccessIssue]


def refuse_nested(func: OpOverload, tensors: list[Tensor], where: Callable[[], str]) -> None:
    """Refuse nested tensors, which have no one shape."""
    if any(tensor.is_nested for tensor in tensors):
        raise InvalidInput(f"{where()} uses nested tensors ({func}), which cannot be followed")


@process_wide
@contextmanager
def nested_refused() -> Iterator[None]:
    """Let torch's makers of nested tensors say so, which without data fail in other ways."""

    def refused(name: str) -> Callable[..., Tensor]:
        def maker(*_args: object, **_kwargs: object) -> Tensor:
            raise InvalidInput(f"the network uses nested tensors (torch.nested.{name}), which cannot be followed")

        return maker

    with ExitStack() as originals:
        for name in ("nested_tensor", "as_nested_tensor", "nested_tensor_from_jagged", "narrow", "masked_select"):
            originals.callback(setattr, torch.nested, name, getattr(torch.nested, name))
            setattr(torch.nested, name, refused(name))
        yield


def tested_by(func: OpOverload, tensors: list[Tensor]) -> list[Tensor]:
    """Return the operands whose values say how long the output is."""
    if torch.Tag.dynamic_output_shape not in func.tags and func.overloadpacket.__name__ not in UNTAGGED:
        return []
    by_mask = func.overloadpacket.__name__ == "index"
    return [tensor for tensor in tensors[1:] if tensor.dtype in (torch.bool, torch.uint8)] if by_mask else tensors
