"""One forward pass without data, in which every tensor knows which input pixels can reach it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

from erf.errors import InvalidInput, own_faults
from erf.reachability.by_tensor import ByTensor
from erf.reachability.operands import numbered, same_elements, storage_of, tensors_in, written_by
from erf.reachability.reach import Joiner, Reach, nothing
from erf.reachability.reached_call import ReachedCall
from erf.reachability.record import Assumption, Operation, Reaches, Step, Trace, outlines
from erf.reachability.registry import find_rule
from erf.reachability.running import known_output, run
from erf.reachability.running_modules import RunningModules
from erf.reachability.storage import WrittenStorage, shares_storage, strided
from erf.reachability.tensor_numbers import MADE_HERE, TensorNumbers
from erf.reachability.tensor_reaches import First, TensorReaches, storage_number
from erf.reachability.union import leaves, union
from erf.reachability.values import is_in_transform, is_read, refuse, refuse_nested, tested_by


class Returned(Exception):
    """The module after which to stop has returned."""


class ReachMode(TorchDispatchMode):
    """Passes the boxes on through every operator, and notes those of every module's output.

    When all modules that are needed have returned, it only notes whether one of them runs again.
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled here, and to tell torch so takes as long as it takes to import its compiler."""
        return False

    def __init__(
        self, network: nn.Module, state: Sequence[Tensor], image: Tensor, dims: Sequence[int], bounded: bool,
        until: str | None, needed: Collection[str],
    ) -> None:  # fmt: skip
        super().__init__()
        size = tuple(image.shape[dim] for dim in dims)
        self.trace: Trace = Trace(image=len(state), size=size, network=type(network).__name__)
        self.reaches: TensorReaches = TensorReaches()
        self._bounded = bounded
        self._until = until
        self._needed = frozenset(needed)
        self._missing = set(needed)  # modules that have not returned yet; when all have, no boxes are followed
        self._numbers = TensorNumbers(on_images=not image.is_meta)
        attributes = [tensor for tensor in tensors_in([vars(m) for m in network.modules()]) if tensor.is_meta]
        for tensor in (*state, image, *attributes):
            self._numbers.give(tensor)
        self.modules: RunningModules = RunningModules(network, self._returned)
        self._image = image
        self._counted: ByTensor[None] = ByTensor()  # tensors whose shape says how many values pass a test
        self._in_python = False  # whether values that pixels reach left for Python
        self._firsts: dict[int | None, First] = {}  # per storage that has views
        self._written: dict[int | None, WrittenStorage] = {}

    def _returned(self, module: nn.Module, output: object) -> None:
        name = self.modules.names[module]
        if not self._missing and name not in self._needed:
            return
        if any(map(is_in_transform, tensors_in(output))):
            return
        with torch._C.DisableTorchFunction(), own_faults(f"the output of {name!r}"):
            self._step(module, tensors_in(output))
        self._missing.discard(name)
        if name == self._until:
            raise Returned

    def end(self) -> None:
        """Remember the constants that outlive the pass."""
        self._numbers.end(lambda tensor: self._is_reached([tensor]))

    def _step(self, module: nn.Module, tensors: list[Tensor]) -> None:
        """Keep what a module returned; of one that runs again after all that are needed, only that it did."""
        tensors = tensors if self._missing else []
        self._follow_foreign(f"the output of {self.modules.names[module]!r}", tensors)
        outputs = tuple(self._directed_reaches_of(tensor) for tensor in tensors)
        results = tuple(self._numbers.get(tensor) for tensor in tensors)
        leaf, called = next(module.children(), None) is None, len(self.trace.operations)
        self.trace.steps.append(Step(self.modules.names[module], type(module).__name__, outputs, leaf, called, results))

    def __torch_dispatch__(self, func: OpOverload, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        tensors = tensors_in((args, kwargs))
        with own_faults(self.modules.place_of(func)):
            refuse(func, tensors, self._is_reached, self.modules.where)
            output = known_output(func, args, kwargs, tensors)
        if find_rule(func) is None and not func.is_view:
            with self:  # what torch itself defines by other operators, which it does not show in inference mode
                decomposed = func.decompose(*args, **kwargs)
            if decomposed is not NotImplemented:
                return decomposed
        if output is None:  # what goes wrong in it is the network's
            output = run(func, args, kwargs, tensors)
        with own_faults(self.modules.place_of(func)):
            self._follow(func, args, kwargs, tensors, tensors_in(output))
        return output

    def as_one_operator(self, func: OpOverload, args: Any, kwargs: Any) -> Any:
        """Run what torch would show as many operators, and follow it as one."""
        with _disable_current_modes():
            output = func(*args, **kwargs)
        with own_faults(self.modules.place_of(func)):
            self._follow(func, args, kwargs, tensors_in((args, kwargs)), tensors_in(output))
        return output

    def _follow(self, func: OpOverload, args: Any, kwargs: Any, tensors: list[Tensor], outputs: list[Tensor]) -> None:
        """Note what a call of an operator did."""
        refuse_nested(func, outputs, self.modules.where)
        if not self._missing:
            self._pass_by(func, args, kwargs, tensors, outputs)
            return
        self._follow_foreign(func, [] if func in MADE_HERE else tensors)
        if shares_storage(func) and (storage := storage_of(args[0])) is not None and storage not in self._firsts:
            self._firsts[storage] = self.reaches.first(args[0])
        arguments = numbered((args, kwargs), self._numbers.get)
        if self._in_python or self._is_reached(tensors):
            self._pass_on(func, args, kwargs, tensors, outputs)
        tested = self._is_reached(tested_by(func, tensors))
        self.trace.by_values |= tested
        if tested or any(tensor in self._counted for tensor in tensors):
            for tensor in outputs:
                if all(tensor is not given for given in tensors):
                    self._counted[tensor] = None
        self._note(func, arguments, outputs)

    def _pass_by(
        self, func: OpOverload, args: Any, kwargs: Any, tensors: list[Tensor], outputs: list[Tensor]
    ) -> None:  # fmt: skip
        """Note whether pixels reach what an operator gives: what they do not, and is kept, is a constant."""
        if self._in_python or self._is_reached(tensors):
            changed = [*outputs, *written_by(func, args, kwargs)[0]]
            for tensor in changed:
                self.reaches[tensor] = ()
            if not changed:
                self.leave_for_python(func, tensors)
        for tensor in outputs:
            self._numbers.give(tensor)

    def _follow_foreign(self, reader: object, tensors: list[Tensor]) -> None:
        """Take what comes from where nothing is followed, as operators in other threads, to depend on all pixels."""
        for tensor in tensors:
            if self._numbers.misses(tensor):
                self._numbers.give(tensor)
                sentence = f"{reader} in {self.modules.where()} has a tensor of unknown origin: all pixels may reach it"
                self.trace.assumptions.append(Assumption(len(self.trace.operations) - 1, sentence))
                self._keep(tensor, self._everywhere(tensor))

    def _called(self) -> ReachedCall:
        """Number one more call of an operator that pixels reach."""
        self.trace.operators.append(self.modules.running)
        extents = [np.inf if self._bounded else size for size in self.trace.size]
        return ReachedCall([Joiner(len(self.trace.operators) - 1, extent) for extent in extents])

    def _is_reached(self, tensors: list[Tensor]) -> bool:
        return any(tensor in self.reaches or storage_of(tensor) in self._written for tensor in tensors)

    def in_windows(self, tensor: Tensor) -> bool:
        """Whether a dimension of a tensor runs along windows of the image."""
        return any(reach.in_windows(dim) for reach in self._reaches_of(tensor) for dim in range(reach.ndim))

    def leave_for_python(self, reader: object, tensors: list[Tensor]) -> None:
        """Note that values were read, on which all that follows may depend."""
        if self._is_reached(tensors):
            self._depend_on_all(f"{reader} in {self.modules.where()} reads values")

    def read_shape(self, tensor: Tensor) -> None:
        """Note that a shape was read, which may say how many values pass a test."""
        if tensor in self._counted:
            self._depend_on_all(f"the shape of a tensor that is read in {self.modules.where()} depends on values")

    def _depend_on_all(self, reason: str) -> None:
        if not self._in_python:
            self._in_python = self.trace.by_values = True
            sentence = f"{reason}: all that follows is taken to depend on all pixels"
            self.trace.assumptions.append(Assumption(len(self.trace.operations), sentence))

    def _note(self, func: OpOverload, arguments: Any, outputs: list[Tensor]) -> None:
        """Keep the call and what it returned."""
        reaches = [self._reaches_of(tensor) for tensor in outputs]
        operation = Operation(
            func,
            arguments,
            tuple(self._numbers.give(tensor) for tensor in outputs),
            tuple(tuple(tensor.shape) for tensor in outputs),
            tuple(None if all(r.is_nothing for r in each) else outlines(each) for each in reaches),
        )
        self.trace.operations.append(operation)

    def _reaches_of(self, tensor: Tensor | First) -> Reaches:
        known, storage = self.reaches.get(tensor), self._storage_of(tensor)
        if known is None and storage is None and tensor.numel() and tensor in self.reaches:
            if not self._in_python:  # else it may be a constant, of which a part was read
                raise InvalidInput(f"{self.modules.where()} reads a part of a tensor that no operator returned")
            known = self._everywhere(tensor)
        data = tensor if isinstance(tensor, Tensor) and not tensor.is_meta else None
        known = known or (nothing(tensor.shape, data),) * len(self.trace.size)
        if storage and self.reaches.version(tensor) != storage.version:
            known = storage.read(tensor, known)
            self._keep(tensor, known)
        return known

    def _storage_of(self, tensor: Tensor | First) -> WrittenStorage | None:
        """The storage of a tensor, if it was written in parts."""
        storage = storage_number(tensor) if self._written and tensor.numel() else None
        return None if storage is None else self._written.get(storage)

    def _directed_reaches_of(self, tensor: Tensor | First) -> Reaches:
        """The boxes where all of them are used: a storage that is written part by part is complete then."""
        reaches, storage = self._reaches_of(tensor), self._storage_of(tensor)
        return storage.directed(tensor, reaches) if storage and not self._bounded else reaches

    def _keep(self, tensor: Tensor | First, reaches: Reaches) -> None:
        self.reaches[tensor] = reaches
        if storage := self._storage_of(tensor):
            self.reaches.set_version(tensor, storage.version)

    def _pass_on(
        self, func: OpOverload, args: Any, kwargs: Any, tensors: list[Tensor], outputs: list[Tensor]
    ) -> None:  # fmt: skip
        call = self._called()
        reaches_of = self._reaches_of if func.is_view else self._directed_reaches_of
        known = {id(tensor): reaches_of(tensor) for tensor in tensors}
        written, options = written_by(func, args, kwargs)
        outputs = [*outputs, *(tensor for tensor in written if all(tensor is not output for output in outputs))]
        if not outputs:
            self.leave_for_python(func, tensors if is_read(func) else [])
            return
        rule = find_rule(func)
        if rule is None and func.is_view and same_elements(args[0], outputs[0]):
            first = self._firsts[storage_of(args[0])]
            results = list(zip(*(strided(first, reaches_of(first), view) for view in outputs), strict=True))
        elif rule is None and self._in_python:
            results = call.joined(list(known.values()), outputs)
        elif rule is None:
            results = self._joined(func, call, list(known.values()), outputs)
        else:
            results = call.by_rule(rule, func, args, options, known, outputs)
        if self._in_python:
            results = [
                [union([reach, pixels.whole(call.joiners[axis])], reach.shape) for reach in reaches]
                for axis, (reaches, pixels) in enumerate(zip(results, self._reaches_of(self._image), strict=True))
            ]
        for tensor, *reaches in zip(outputs, *results, strict=True):
            if not tensor.numel():
                continue
            if any(reach.shape != tuple(tensor.shape) for reach in reaches):
                raise ValueError(f"the rule does not give the shape {list(tensor.shape)}")
            self._write(tensor, tuple(reaches), known)

    def _joined(
        self, func: OpOverload, call: ReachedCall, known: list[Reaches], outputs: list[Tensor]
    ) -> list[list[Reach]]:  # fmt: skip
        """Return boxes in which all that an operator without a rule reads reaches all that it returns or writes."""
        what = "all that it reads is taken to reach all that it gives"
        sentence = f"{self.modules.place_of(func)} has no rule: {what}"
        self.trace.assumptions.append(Assumption(len(self.trace.operations), sentence))
        return call.joined(known, outputs)

    def _everywhere(self, tensor: Tensor | First) -> Reaches:
        """Return boxes in which all pixels of the image reach a tensor."""
        return tuple(reach for [reach] in self._called().joined([self._reaches_of(self._image)], [tensor]))

    def _write(self, tensor: Tensor, reaches: Reaches, known: dict[int, Reaches]) -> None:
        """Note an output. Where it is an operand written in place, the views of the same storage change with it."""
        key = storage_of(tensor)
        if id(tensor) not in known:
            if tensor in self.reaches or not all(reach.is_nothing for reach in reaches):  # of its storage, other parts
                self._keep(tensor, reaches)
        elif key not in self._firsts:
            self.reaches[tensor] = reaches
        elif not all(map(leaves, reaches, known[id(tensor)])):
            if key not in self._written:
                first = self._firsts[key]
                self._written[key] = WrittenStorage(first, self._reaches_of(first), tensor.untyped_storage().nbytes())
            self._written[key].write(tensor, reaches)
            self._keep(tensor, reaches)
