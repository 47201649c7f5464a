"""How each operator passes boxes on: a rule per operator, with the operator's own signature.

A rule stands for one input axis. It gets the call, then the operator's arguments with a :class:`Reach` in place of
each tensor, and returns a :class:`Reach` in place of each output; one may stand for all outputs of its shape.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch._ops import OpOverload

from erf.reachability.reach import Reach, union

Rule = Callable[..., Reach | Sequence[Reach]]
_Rule = TypeVar("_Rule", bound=Rule)


@dataclass(frozen=True)
class Call:
    """What a rule knows besides the operator's arguments.

    Attributes:
        shape: The shape of the (first) output.
        operator: The number of this call in the forward pass.
        place: The operator and where it stands, for messages.
    """

    shape: tuple[int, ...]
    operator: int
    place: str


RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[_Rule], _Rule]:
    """Register a rule for all overloads, in place or not, of the named aten operators."""

    def register(function: _Rule) -> _Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return register


def find_rule(operator: OpOverload) -> Rule | None:
    """Return the rule of an operator, or None. Those that torch itself tags as pointwise share one."""
    name = operator.overloadpacket.__name__
    found = RULES.get(name) or RULES.get(name.removesuffix("_"))
    return found or (pointwise if torch.Tag.pointwise in operator.tags else None)


@rule("hardswish", "log_sigmoid_forward", "rrelu_with_noise", "_prelu_kernel", "_to_copy", "bernoulli")
def pointwise(call: Call, *args: Any, **kwargs: Any) -> Reach:
    """Each position depends on the same position of every (broadcast) input."""
    tensors = [arg for arg in (*args, *kwargs.values()) if isinstance(arg, Reach)]
    return union(tensors, call.shape)
