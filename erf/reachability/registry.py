"""How each operator passes boxes on: a rule per operator, with the operator's own signature.

A rule stands for one input axis. It gets the call, then the operator's arguments with a :class:`Reach` in place of
each tensor, and returns a :class:`Reach` in place of each output; one may stand for all outputs of its shape.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import torch
from torch._ops import OpOverload

from erf.reachability.reach import Joiner, Reach
from erf.reachability.union import union

Rule = Callable[..., Reach | Sequence[Reach]]
_Rule = TypeVar("_Rule", bound=Rule)


@dataclass(frozen=True)
class Call:
    """What a rule knows besides the operator's arguments.

    Attributes:
        shape: The shape of the (first) output.
        operator: What joins positions here.
        func: The operator.
        shapes: Of all outputs.
    """

    shape: tuple[int, ...]
    operator: Joiner
    func: OpOverload
    shapes: tuple[tuple[int, ...], ...] = ()


RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[_Rule], _Rule]:
    """Register a rule for all overloads, in place or not, of the named operators; those of aten without a prefix."""

    def register(function: _Rule) -> _Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return register


# Pointwise operators that torch, or an earlier release of it, does not tag as such.
UNTAGGED = frozenset(
    """elu gelu hardshrink hardsigmoid hardswish hardtanh leaky_relu log_sigmoid_forward mish _prelu_kernel silu
    softplus softshrink threshold _to_copy floor_divide complex polar _conj _neg_view _conj_physical
    resolve_conj resolve_neg tril triu native_dropout bucketize rsub masked_fill""".split()  # noqa: SIM905
)


@cache
def name_of(operator: OpOverload) -> str:
    """Return an operator's name, with its library's where that is not aten, without the mark of what works in place.

    A copying operator has the name of the view that it copies.
    """
    name = operator.overloadpacket.__name__
    name = name if operator.namespace == "aten" else f"{operator.namespace}::{name}"
    for known in (name, name.removesuffix("_")):
        if known in RULES or known in UNTAGGED:
            return known
    return name.removesuffix("_").removesuffix("_copy")


def find_rule(operator: OpOverload) -> Rule | None:
    """Return the rule of an operator, or None. Pointwise ones share one."""
    return RULES.get(name_of(operator)) or (pointwise if is_pointwise(operator) else None)


@cache
def is_pointwise(operator: OpOverload) -> bool:
    """Whether each position of its output depends on the same position of its inputs, and on nothing drawn."""
    in_aten = operator.namespace == "aten"
    return in_aten and (torch.Tag.pointwise in operator.tags or name_of(operator) in UNTAGGED)


@rule("rrelu_with_noise", "bernoulli")
def pointwise(call: Call, *args: Any, **kwargs: Any) -> Reach:
    """Each position depends on the same position of every (broadcast) input."""
    tensors = [arg for arg in (*args, *kwargs.values()) if isinstance(arg, Reach)]
    return union(tensors, call.shape)
