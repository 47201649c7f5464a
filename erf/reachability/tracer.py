"""One forward pass without data, in which every tensor knows which input pixels can reach it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only
from torch.utils.weak import WeakTensorKeyDictionary

from erf.errors import InvalidInput, own_faults
from erf.reachability.reach import Joiner, Reach, nothing
from erf.reachability.record import Operand, Operation, Reaches, Step, Trace
from erf.reachability.registry import Call, find_rule, is_pointwise
from erf.reachability.storage import WrittenStorage

_DATA_DEPENDENT = ("_local_scalar_dense", "is_nonzero", "nonzero", "equal", "_unique2", "masked_select")


class Returned(Exception):
    """The module after which to stop has returned."""


class Functions(TorchFunctionMode):
    """Changes two functions that operators no longer tell.

    Circular padding continues an unbounded image like any other; torch makes it of writes to slices. And integers from
    a list, which may be positions, keep their values.
    """

    def __init__(self, passed: Trace, bounded: bool) -> None:
        super().__init__()
        self._trace = passed
        self._bounded = bounded

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is nn.functional.pad and not self._bounded and "circular" in (*args[2:3], kwargs.get("mode")):
            self._trace.operations.append(Operation(None))
            args, kwargs = args[:2], {"pad": kwargs["pad"]} if "pad" in kwargs else {}
        if func in (torch.tensor, torch.as_tensor) and str(kwargs.get("device")).startswith("meta"):
            made = func(*args, **kwargs)
            return made if made.is_floating_point() else func(*args, **(kwargs | {"device": "cpu"}))
        return func(*args, **kwargs)


class ReachMode(TorchDispatchMode):
    """Passes the boxes on through every operator, and notes those of every module's output."""

    def __init__(
        self, network: nn.Module, state: Sequence[Tensor], image: Tensor, bounded: bool, until: str | None
    ) -> None:
        super().__init__()
        self.trace = Trace(image=len(state), size=tuple(image.shape[2:]))
        self.reaches = WeakTensorKeyDictionary()
        self._bounded = bounded
        self._until = until
        self._count = 0
        self._numbers = WeakTensorKeyDictionary()
        for tensor in (*state, image):
            self._number(tensor)
        self._names = {module: name for name, module in network.named_modules()}
        self._running: list[str] = [""]
        self._owners: dict[int, Tensor] = {}  # per storage that has views: the tensor that was there first
        self._written: dict[int, WrittenStorage] = {}
        self._versions = WeakTensorKeyDictionary()  # per view of those: of the storage when its boxes were read

    @contextmanager
    def following_modules(self) -> Iterator[None]:
        """Know at any time which module runs. The hooks are torch's global ones: the network's own stay as they are."""
        handles = register_module_forward_pre_hook(self._enter), register_module_forward_hook(self._leave)
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, module: nn.Module, _args: object) -> None:
        self._running.append(self._names.get(module, self._running[-1]))

    def _leave(self, module: nn.Module, _args: object, output: object) -> None:
        self._running.pop()
        if module in self._names:
            tensors, leaf = tensors_in(output), next(module.children(), None) is None
            with own_faults(f"the output of {self._names[module]!r} in {self._where()}"):
                outputs = tuple(self._directed_reaches_of(tensor) for tensor in tensors)
            results = tuple(self._numbers.get(tensor) for tensor in tensors)
            called = len(self.trace.operations)
            self.trace.steps.append(Step(self._names[module], type(module).__name__, outputs, leaf, called, results))
            if self._names[module] == self._until:
                raise Returned

    def __torch_dispatch__(self, func: OpOverload, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        at = f"{func} in {self._where()}"
        with own_faults(at):
            tensors = tensors_in((args, kwargs))
            self._refuse(func, tensors)
            output = _known_output(func, args, tensors)
        if find_rule(func) is None:
            with self:  # what torch itself defines by other operators, which it does not show in inference mode
                decomposed = func.decompose(*args, **kwargs)
            if decomposed is not NotImplemented:
                return decomposed
        if output is None:  # what goes wrong in it is the network's
            output = _run(func, args, kwargs, tensors)
        with own_faults(at):
            self._follow(func, args, kwargs, tensors, tensors_in(output))
        return output

    def _follow(
        self, func: OpOverload, args: Any, kwargs: Any, tensors: list[Tensor], outputs: list[Tensor]
    ) -> None:  # fmt: skip
        """Note what a call of an operator did."""
        if func.is_view:
            self._owners.setdefault(_storage(args[0]), args[0])
        arguments = _numbered((args, kwargs), self._numbers)
        if any(tensor in self.reaches or _storage(tensor) in self._written for tensor in tensors):
            self._pass_on(func, args, kwargs, outputs)
        self._note(func, arguments, outputs)

    def _note(self, func: OpOverload, arguments: Any, outputs: list[Tensor]) -> None:
        """Keep the call and what it returned."""
        reaches = [self._reaches_of(tensor) for tensor in outputs]
        operation = Operation(
            func,
            arguments,
            tuple(self._number(tensor) for tensor in outputs),
            tuple(tuple(tensor.shape) for tensor in outputs),
            tuple(None if all(reach.is_nothing for reach in found) else found for found in reaches),
        )
        self.trace.operations.append(operation)

    def _number(self, tensor: Tensor) -> int:
        if tensor not in self._numbers:
            self._numbers[tensor] = self._count
            self._count += 1
        return self._numbers[tensor]

    def _refuse(self, func: OpOverload, tensors: list[Tensor]) -> None:
        """Refuse what cannot be done without data."""
        if all(not tensor.is_meta for tensor in tensors):
            return
        if func.overloadpacket.__name__ in _DATA_DEPENDENT:
            raise InvalidInput(f"{self._where()} decides by the values of a tensor ({func}), which are not known here")
        if func._schema.is_mutable and not tensors[0].is_meta:
            raise InvalidInput(f"{self._where()} writes ({func}) to a tensor that is not on its input's device")

    def _where(self) -> str:
        return f"module {self._running[-1]!r}" if self._running[-1] else "the network's own forward"

    def _reaches_of(self, tensor: Tensor) -> Reaches:
        known = self.reaches.get(tensor)
        known = known or (nothing(tensor.shape, None if tensor.is_meta else tensor),) * len(self.trace.size)
        storage = self._storage_of(tensor)
        if storage and self._versions.get(tensor) != storage.version:
            known = storage.read(tensor, known)
            self._keep(tensor, known)
        return known

    def _storage_of(self, tensor: Tensor) -> WrittenStorage | None:
        """The storage of a tensor, if it was written in parts."""
        return self._written.get(_storage(tensor)) if self._written and tensor.numel() else None

    def _directed_reaches_of(self, tensor: Tensor) -> Reaches:
        """The boxes where all of them are used: a storage that is written part by part is complete then."""
        reaches, storage = self._reaches_of(tensor), self._storage_of(tensor)
        return storage.directed(reaches) if storage and not self._bounded else reaches

    def _keep(self, tensor: Tensor, reaches: Reaches) -> None:
        self.reaches[tensor] = reaches
        if storage := self._storage_of(tensor):
            self._versions[tensor] = storage.version

    def _pass_on(self, func: OpOverload, args: Any, kwargs: Any, outputs: list[Tensor]) -> None:
        rule = find_rule(func)
        if rule is None:
            raise InvalidInput(f"no rule for the operator {func}, which {self._where()} calls")
        shape, number = tuple(outputs[0].shape), len(self.trace.operators)
        self.trace.operators.append(self._running[-1])
        reaches_of = self._reaches_of if func.is_view else self._directed_reaches_of
        known = {id(tensor): reaches_of(tensor) for tensor in tensors_in((args, kwargs))}
        results = []
        for axis, size in enumerate(self.trace.size):
            joiner = Joiner(number, np.inf if self._bounded else size)
            call = Call(shape, joiner, f"{func} in {self._where()}")
            arguments = _replaced(args, known, axis)
            options = {name: _replaced(value, known, axis) for name, value in kwargs.items()}
            results.append(_per_output(rule(call, *arguments, **options), outputs))
        for tensor, *reaches in zip(outputs, *results, strict=True):
            if not tensor.numel():
                continue
            if any(reach.shape != tuple(tensor.shape) for reach in reaches):
                raise ValueError(f"the rule does not give the shape {list(tensor.shape)}")
            self._write(tensor, tuple(reaches), known)

    def _write(self, tensor: Tensor, reaches: Reaches, known: dict[int, Reaches]) -> None:
        """Note an output. Where it is an operand written in place, the views of the same storage change with it."""
        unchanged = all(new is old for new, old in zip(reaches, known.get(id(tensor), ()), strict=False))
        key = _storage(tensor)
        if id(tensor) not in known:
            if not all(reach.is_nothing for reach in reaches):
                self._keep(tensor, reaches)
        elif key not in self._owners:
            self.reaches[tensor] = reaches
        elif not unchanged:
            if key not in self._written:
                owner = self._owners[key]
                self._written[key] = WrittenStorage(owner, self._reaches_of(owner))
            self._written[key].write(tensor, reaches)
            self._keep(tensor, reaches)


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _run(func: OpOverload, args: Any, kwargs: Any, tensors: list[Tensor]) -> Any:
    """Run on the meta device, or with data where all operands have them; new integers always have data."""
    kinds = {tensor.is_meta for tensor in tensors}
    if len(kinds) == 2:
        args, kwargs = tree_map_only(Tensor, lambda tensor: tensor.to("meta"), (args, kwargs))
    output = func(*args, **kwargs)
    if True not in kinds and isinstance(output, Tensor) and output.is_meta and not output.is_floating_point():
        return func(*args, **(kwargs | {"device": "cpu"}))
    return output


def _known_output(func: OpOverload, args: Any, tensors: list[Tensor]) -> Any:
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


def tensors_in(value: Any) -> list[Tensor]:
    """Return the tensors in nested sequences and dicts."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, (list, tuple)):
        return [tensor for part in value for tensor in tensors_in(part)]
    if isinstance(value, dict):
        return [tensor for part in value.values() for tensor in tensors_in(part)]
    return []


def _numbered(value: Any, numbers: WeakTensorKeyDictionary) -> Any:
    """Put its number in the place of each tensor."""
    if isinstance(value, Tensor):
        return Operand(numbers.get(value))
    if isinstance(value, (list, tuple)):
        return tuple(_numbered(part, numbers) for part in value)
    if isinstance(value, dict):
        return tuple((name, _numbered(part, numbers)) for name, part in value.items())
    return value


def _replaced(value: Any, known: dict[int, Reaches], axis: int) -> Any:
    """Put the boxes along one axis in the place of each tensor."""
    if isinstance(value, Tensor):
        return known[id(value)][axis]
    if isinstance(value, (list, tuple)):
        return [_replaced(part, known, axis) for part in value]
    return value


def _per_output(result: Any, outputs: list[Tensor]) -> list[Reach]:
    """A rule with one result stands for all outputs of that shape; the others hold statistics that nobody reads."""
    if isinstance(result, Reach):
        return [result, *(result if t.shape == outputs[0].shape else nothing(t.shape) for t in outputs[1:])]
    return list(result)
