"""What is noted of one forward pass without data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch._ops import OpOverload

from erf.reachability.reach import Reach

Reaches = tuple[Reach, ...]  # one per input axis
Unit = tuple[int, ...]
LARGEST = 2**23  # bytes of the boxes of a tensor along an axis that are kept after the pass
IMAGES = 2  # in a pass, so that a batch is not mistaken for an axis, and train-mode norms join some


def outlines(reaches: Reaches) -> Reaches:
    """Return the boxes as they are kept after the pass: not those that take much memory."""
    return tuple(reach.outline(LARGEST) for reach in reaches)


@dataclass(frozen=True)
class Step:
    """What one call of a module returned.

    Attributes:
        name: The module's name in the network; empty for the network itself.
        kind: Its class.
        outputs: The boxes of each tensor in its output, per input axis.
        leaf: Whether it has no modules within.
        operations: How many operators had been called when it returned.
        results: The numbers of the tensors in its output; None for one that no operator made.
    """

    name: str
    kind: str
    outputs: Sequence[Reaches]
    leaf: bool
    operations: int
    results: tuple[int | None, ...]


@dataclass(frozen=True)
class Operand:
    """A tensor in the arguments of an operator, by its number in the pass; None if nothing is known of it."""

    number: int | None


@dataclass(frozen=True)
class Operation:
    """One call of an operator.

    Attributes:
        operator: Which; None stands for circular padding, which reads the other end of the axis.
        arguments: As given, with an :class:`Operand` in the place of each tensor.
        results: The numbers of the tensors that it returned.
        shapes: Their shapes.
        reaches: Their boxes, per input axis, without those that take too much memory; None where no pixel reaches any
            position.
    """

    operator: OpOverload | None
    arguments: Any = ()
    results: tuple[int, ...] = ()
    shapes: tuple[tuple[int, ...], ...] = ()
    reaches: tuple[Reaches | None, ...] = ()


@dataclass(frozen=True)
class Assumption:
    """What is taken for granted of one call of an operator.

    Attributes:
        operation: How many operators had been called before it.
        sentence: For the user.
    """

    operation: int
    sentence: str


@dataclass
class Trace:
    """One forward pass.

    Attributes:
        steps: The modules' calls in the order in which they returned.
        operators: Per operator that pixels reach, the name of the module in which it was called.
        operations: All operators that were called.
        assumptions: Of the operators that pixels reach and that have no rule, and of a pass on images.
        image: The number of the image; lower ones are the network's parameters and buffers.
        size: Of the image, per axis.
        on_images: Whether it ran on images, and tells of these alone.
        by_values: Whether values of tensors that pixels reach decided what was run, or how long a tensor is.
        network: The class of the network.
    """

    steps: list[Step] = field(default_factory=list)
    operators: list[str] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    assumptions: list[Assumption] = field(default_factory=list)
    image: int = 0
    size: tuple[int, ...] = ()
    on_images: bool = False
    by_values: bool = False
    network: str = ""

    def assumed(self, operations: int) -> tuple[str, ...]:
        """Return the sentences of the assumptions among the first operators, each once."""
        return tuple(dict.fromkeys(each.sentence for each in self.assumptions if each.operation < operations))
