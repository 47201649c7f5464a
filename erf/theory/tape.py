"""What a network does to an image, operator by operator, as the backward pass of expected squares needs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

from erf.errors import InternalError, InvalidInput, one_line, own_faults
from erf.reachability.request import called
from erf.reachability.running_modules import RunningModules
from erf.reachability.tracer import tensors_in
from erf.theory.backward_links import Link


@dataclass(frozen=True, eq=False)
class Node:
    """A tensor of the forward pass that depends on the image.

    Attributes:
        shape: Without the batch.
        sources: The numbers of the nodes that it is made of, each with the link to it.
        is_symmetric: Whether it takes each value as often with either sign, over the weights.
        operator: What a message calls what made it.
        problem: Why nothing is known of how a gradient passes it; None where it is.
        has_rule: Whether there is a rule for the operator, so that its problem is how it is used.
    """

    shape: tuple[int, ...]
    sources: tuple[tuple[int, Link], ...] = ()
    is_symmetric: bool = False
    operator: str = "the image"
    problem: str | None = None
    has_rule: bool = True


@dataclass(frozen=True, eq=False)
class Tape:
    """The forward pass of one image.

    Attributes:
        nodes: In the order in which they were made; the first is the image.
        outputs: The numbers of the nodes that the layers returned.
        axes: The number of spatial axes.
        device: On which the pass was.
    """

    nodes: list[Node]
    outputs: dict[str | None, int]
    axes: int
    device: torch.device


@dataclass(frozen=True, eq=False)
class Call:
    """One call of an operator, as a rule sees it.

    Attributes:
        function: The operator.
        args: What it was given; a tensor that it changed is as it was before.
        kwargs: Likewise.
        output: What it returned.
        index: Which one, of an operator that returns several.
        axes: The number of spatial axes.
        squares_of: Returns what returns the expected squares of weights, in their shape or one number for all.
        node_of: Returns the node of a tensor; None if it does not depend on the image.
        parameters_of: Returns the numbers of the parameters that a tensor was made of.
        operator: What a message calls it.
    """

    function: OpOverload
    args: Sequence[Any]
    kwargs: dict[str, Any]
    output: Tensor
    index: int
    axes: int
    squares_of: Callable[[Tensor], Callable[[], Tensor]]
    node_of: Callable[[Any], Node | None]
    parameters_of: Callable[[Tensor], frozenset[int]]
    operator: str

    def argument(self, index: int, default: Any = None) -> Any:
        """Return an argument by its place in the operator's signature, in whichever way it was given."""
        name = self.function._schema.arguments[index].name
        return self.args[index] if index < len(self.args) else self.kwargs.get(name, default)


Traced = tuple[list[tuple[Tensor, Link]], bool]  # inputs with their links; whether symmetric ones stay symmetric
Rule = Callable[[Call], Traced]


class _Returned(Exception):
    """All layers that were asked for have run."""


@dataclass(eq=False)
class _Numbers:
    """Which node a tensor is, as long as nothing else has written into its memory."""

    nodes: WeakTensorKeyDictionary = field(default_factory=WeakTensorKeyDictionary)
    writes: dict[int, int] = field(default_factory=dict)  # per storage
    written: list[Tensor] = field(default_factory=list)  # kept, so that their storage is not used again

    def get(self, tensor: Any) -> int | None:
        storage = tensor.untyped_storage()._cdata if isinstance(tensor, Tensor) else None
        number, writes = (self.nodes.get(tensor) if storage else None) or (None, 0)
        if storage and writes != self.writes.get(storage, 0):
            raise InvalidInput("reads memory into which another tensor was written in place")
        return number

    def put(self, tensor: Tensor, number: int, in_place: bool) -> None:
        storage = tensor.untyped_storage()._cdata
        if in_place:
            self.writes[storage] = self.writes.get(storage, 0) + 1
            self.written.append(tensor)
        self.nodes[tensor] = number, self.writes.get(storage, 0)


class _Recorder(TorchDispatchMode):
    """Notes every operator that the image goes through."""

    def __init__(
        self,
        network: nn.Module,
        image: Tensor,
        rules: Mapping[str, Rule | str | None],
        squares_of: Callable[[Tensor], Callable[[], Tensor]],
        layers: Sequence[str | None],
    ) -> None:
        super().__init__()
        self.tape: Tape = Tape([Node(tuple(image.shape[1:]))], {}, image.ndim - 2, image.device)
        self._rules = rules
        self._squares_of = squares_of
        self._layers = layers
        self._numbers = _Numbers()
        self._numbers.put(image, 0, in_place=False)
        self._parameters = WeakTensorKeyDictionary()  # per tensor: of which parameters it is made
        for number, parameter in enumerate(network.parameters()):
            self._parameters[parameter] = frozenset([number])
        self.modules: RunningModules = RunningModules(network, self._returned)
        self._asked = {module: name for name, module in network.named_modules(remove_duplicate=False) if name in layers}
        names = self.modules.names.items()
        # What a message calls the modules, by their names, and their kinds.
        self._called = {name: (repr(name), f" ({type(module).__name__})") for module, name in names}
        self._called[""] = type(network).__name__, ""

    def _returned(self, module: nn.Module, output: object) -> None:
        if module in self._asked:
            self.keep(self._asked[module], output)

    def keep(self, layer: str | None, output: object) -> None:
        """Note what a layer returned."""
        tensors = tensors_in(output)
        number = self._numbers.get(tensors[0]) if len(tensors) == 1 else None
        if number is None or layer in self.tape.outputs:
            raise InvalidInput(f"{called(layer)} must run once and return one tensor that depends on the image")
        self.tape.outputs[layer] = number
        if set(self.tape.outputs) == set(self._layers):
            raise _Returned

    def __torch_dispatch__(self, func: OpOverload, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, in_place = kwargs or {}, func._schema.is_mutable
        given = tensors_in((args, kwargs))
        module, of_kind = self._called[self.modules.running]
        operator = f"{_name(func)} in {module}"
        with _naming(operator + of_kind):
            inputs = [number for tensor in given if (number := self._numbers.get(tensor)) is not None]
            before = [self._copy(arg) if in_place and isinstance(arg, Tensor) else arg for arg in args]
        parameters = frozenset[int]().union(*map(self._parameters_of, given))
        output = func(*args, **kwargs)
        of_image = inputs and self._rules.get(_name(func), "") is not None
        for index, tensor in enumerate(tensors_in(output)):
            if of_image and tensor.is_floating_point():
                known = self._squares_of, self._node_of, self._parameters_of, operator
                call = Call(func, before, kwargs, tensor, index, self.tape.axes, *known)
                self.tape.nodes.append(self._node([self.tape.nodes[number] for number in inputs], call, of_kind))
                self._numbers.put(tensor, len(self.tape.nodes) - 1, in_place)
            elif parameters:
                self._parameters[tensor] = parameters
        return output

    def _copy(self, tensor: Tensor) -> Tensor:
        """Return a copy of what will be changed in place, which is the same node."""
        copy, number = tensor.clone(), self._numbers.get(tensor)
        if number is not None:
            self._numbers.put(copy, number, in_place=False)
        return copy

    def _node(self, inputs: Sequence[Node], call: Call, of_kind: str) -> Node:
        shape, has_rule = tuple(call.output.shape[1:]), callable(self._rules.get(_name(call.function)))
        for node in inputs:
            # What comes first is the cause, but an odd use may only prepare for what has no rule, as attention.
            if node.problem and (has_rule or not node.has_rule):
                return replace(node, shape=shape)
        try:
            with own_faults(call.operator):
                sources, is_symmetric = self._traced(call)
        except InvalidInput as error:
            return Node(shape, operator=call.operator + of_kind, problem=one_line(error), has_rule=has_rule)
        return Node(shape, sources, is_symmetric, call.operator)

    def _traced(self, call: Call) -> tuple[tuple[tuple[int, Link], ...], bool]:
        """Return the sources of what a call returned, and whether it takes each value as often with either sign."""
        rule = self._rules.get(_name(call.function), "the squares of its gradients")
        if not callable(rule):
            raise InvalidInput(f"no rule is known for {rule}")
        if call.output.shape[:1] != (1,):
            raise InvalidInput("no rule is known for what changes the dimension of the images")
        links, keeps = rule(call)
        sources = [(number, link) for tensor, link in links if (number := self._numbers.get(tensor)) is not None]
        return tuple(sources), keeps and all(self.tape.nodes[x].is_symmetric or link.fresh for x, link in sources)

    def _node_of(self, tensor: Any) -> Node | None:
        number = self._numbers.get(tensor) if isinstance(tensor, Tensor) else None
        return None if number is None else self.tape.nodes[number]

    def _parameters_of(self, tensor: Tensor) -> frozenset[int]:
        return self._parameters.get(tensor) or frozenset()


@contextmanager
def _naming(operator: str) -> Iterator[None]:
    """Name the operator in what is refused."""
    try:
        yield
    except InvalidInput as error:
        raise InvalidInput(f"{operator} {error}: allowed are in-place operators on no views") from error


def _name(function: OpOverload) -> str:
    """Return an operator's name, without the mark of one that changes its first argument."""
    return function.overloadpacket.__name__.removesuffix("_")


def record(
    network: nn.Module,
    image: Tensor,
    rules: Mapping[str, Rule | str | None],
    squares_of: Callable[[Tensor], Callable[[], Tensor]],
    layers: Sequence[str | None],
) -> Tape:
    """Run the network on one image ``[1, C, *S]`` and return what it does.

    Args:
        network: In the mode to run it in.
        image: Not modified.
        rules: By the name of an ATen operator; a text says what there is no rule for, None that it takes no values.
        squares_of: As for :class:`Call`.
        layers: Names of those whose outputs are asked for; None is the network.

    Raises:
        InvalidInput: The network does not run on the image, or a layer does not run once.
    """
    image = image.clone()
    recorder = _Recorder(network, image, rules, squares_of, layers)
    try:
        with torch.no_grad(), recorder.modules.followed(), recorder:
            output = network(image)
            for name in set(layers) - set(recorder.tape.outputs):
                recorder.keep(name, output if name is None else None)
    except _Returned:
        pass
    except (InvalidInput, InternalError):
        raise
    except Exception as error:  # a user's forward may raise anything
        raise InvalidInput(f"the network does not run on images {list(image.shape)}: {one_line(error)}") from error
    return recorder.tape
