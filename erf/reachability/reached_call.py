"""One call of an operator that pixels reach: the boxes of what it returns, axis by axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch._ops import OpOverload

from erf.reachability.join import joined
from erf.reachability.operands import per_output, replaced
from erf.reachability.reach import Joiner, Reach
from erf.reachability.record import Reaches
from erf.reachability.registry import Call, Rule
from erf.reachability.tensor_reaches import First


@dataclass(frozen=True)
class ReachedCall:
    """A call.

    Attributes:
        joiners: What joins positions in it, per input axis.
    """

    joiners: Sequence[Joiner]

    def by_rule(
        self, rule: Rule, func: OpOverload, args: Any, kwargs: Any, known: dict[int, Reaches], outputs: list[Tensor]
    ) -> list[list[Reach]]:
        """Return the boxes of the outputs, per input axis, by a rule.

        Args:
            rule: Of the operator.
            func: The operator.
            args: As given to it.
            kwargs: As given to it, without those that it only writes to.
            known: The boxes of the tensors among these, by their identity.
            outputs: What it returned or wrote.
        """
        results, shapes = [], tuple(tuple(output.shape) for output in outputs)
        for axis, joiner in enumerate(self.joiners):
            arguments = replaced(args, known, axis)
            options = {name: replaced(value, known, axis) for name, value in kwargs.items()}
            results.append(per_output(rule(Call(shapes[0], joiner, func, shapes), *arguments, **options), outputs))
        return results

    def joined(self, known: Sequence[Reaches], outputs: Sequence[Tensor | First]) -> list[list[Reach]]:
        """Return boxes in which all that is known reaches all outputs, per input axis."""
        shapes = [tensor.shape for tensor in outputs]
        return [joined([reaches[axis] for reaches in known], shapes, each) for axis, each in enumerate(self.joiners)]
