"""A network as it is written: without what compiles, spreads or scripts it, and with all that it changes put back."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from copy import copy
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils import checkpoint

from erf.arguments import shown
from erf.arguments.process_wide import process_wide
from erf.errors import InvalidInput, one_line
from erf.reachability.request import Runner


class Called(nn.Module):
    """A network as a function of the user runs it: its modules are the network's, its output is the function's."""

    def __init__(self, network: nn.Module, call: Runner) -> None:
        super().__init__()
        self._parameters, self._buffers, self._modules = network._parameters, network._buffers, network._modules
        self._run = partial(call, network)

    def forward(self, images: Tensor) -> Any:
        """Return what the function makes of the images."""
        return self._run(images)


def run_by(network: nn.Module, call: Runner | None) -> nn.Module:
    """Return the network as ``call`` runs it; None is a plain call of the network.

    Raises:
        InvalidInput: ``call`` is no function.
    """
    if call is not None and not callable(call):
        raise InvalidInput(f"call={shown(call)}: allowed is a function (network, images) -> outputs")
    if isinstance(network, nn.DataParallel):  # in whose place torch does not put other weights
        return Called(network, call or nn.Module.__call__)
    return network if call is None else Called(network, call)


def tensors_of(network: nn.Module) -> Iterator[Tensor]:
    """Yield parameters and buffers in the order of the modules that own them; shared ones for each of these."""
    for module in network.modules():
        for tensor in chain(module._parameters.values(), module._buffers.values()):
            if tensor is not None:
                yield tensor


def is_scripted(network: nn.Module) -> bool:
    """Return whether a module in it is scripted or traced, so that its weights and layers are out of reach."""
    return any(isinstance(module, torch.jit.ScriptModule) for module in network.modules())


class _Unchecked:
    """Runs what a reentrant checkpoint would run again in the backward pass, which needs backward() without inputs."""

    @staticmethod
    def apply(function: Callable[..., Any], _preserve: bool, *args: Any) -> Any:
        return function(*args)


@contextmanager
def as_written(network: nn.Module) -> Iterator[None]:
    """Run wrappers for several devices as the module in them, and nothing compiled, nor run again to save memory."""
    wrappers = [m for m in network.modules() if isinstance(m, nn.DataParallel | DistributedDataParallel)]
    with ExitStack() as stack:
        for wrapper in wrappers:
            if "forward" not in vars(wrapper):
                stack.callback(vars(wrapper).pop, "forward")
                vars(wrapper)["forward"] = wrapper.module
        stack.enter_context(_plainly_called())
        yield


@process_wide
@contextmanager
def _plainly_called() -> Iterator[None]:
    """Run nothing compiled, nor again to save memory."""
    with ExitStack() as stack:
        stack.callback(setattr, checkpoint, "CheckpointFunction", checkpoint.CheckpointFunction)
        setattr(checkpoint, "CheckpointFunction", _Unchecked)  # noqa: B010
        if "torch._dynamo" in sys.modules:  # else nothing is compiled, and importing it takes seconds
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        yield


def put_into_eval_mode(network: nn.Module) -> None:
    """Put the network into eval mode; raise InvalidInput where its mode is fixed, as that of an exported one is."""
    try:
        network.eval()
    except (NotImplementedError, RuntimeError, AttributeError) as error:
        raise InvalidInput(
            f"the network cannot be put into eval mode ({one_line(error)}): pass mode='as_is'"
        ) from error


def modes_of(network: nn.Module) -> dict[nn.Module, bool]:
    """Return the modes of the network's modules; frozen scripted ones have none."""
    return {module: module.training for module in network.modules() if hasattr(module, "training")}


@contextmanager
def kept_buffers(network: nn.Module) -> Iterator[None]:
    """Put the buffers' values back in the end."""
    buffers = [(buffer, buffer.clone()) for buffer in network.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.resize_(before.shape).copy_(before)


@contextmanager
def kept_attributes(network: nn.Module) -> Iterator[None]:
    """Put every module's attributes back in the end: what a forward notes, caches, or registers."""
    attributes = [(module.__dict__, module.__dict__.copy()) for module in network.modules()]
    values = [value for _, before in attributes for value in before.values()]
    contents = [(value, _copied(value)) for value in values if type(value) in (dict, list, set, OrderedDict)]
    try:
        yield
    finally:
        for now, before in attributes:
            now.clear()
            now.update(before)
        for value, before in contents:
            if value or before:
                value.clear()
                value.extend(before) if isinstance(value, list) else value.update(before)


def _copied(value: Collection[Any]) -> Collection[Any]:
    """Return a copy at little cost: most are a module's empty dicts of hooks, and an OrderedDict's own copy is slow."""
    if not value:
        return ()
    return dict(value) if isinstance(value, dict) else copy(value)


@contextmanager
def in_mode(network: nn.Module, mode: str) -> Iterator[None]:
    """Run in eval mode, or as it is, and put every module's attributes back: modes, and whatever a forward notes."""
    if not isinstance(mode, str) or mode not in ("eval", "as_is"):
        raise InvalidInput(f"mode is 'eval' or 'as_is', not {shown(mode)}")
    modes = modes_of(network)
    try:
        with kept_attributes(network):
            if mode == "eval":
                put_into_eval_mode(network)
            yield
    finally:
        for module, training in modes.items():  # scripted modules keep it elsewhere
            module.training = training
