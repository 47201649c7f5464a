"""A network as it is written: without what compiles, spreads or scripts it, and with all that it changes put back."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils import checkpoint

from erf.arguments import shown
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
    attributes = {module: dict(module.__dict__) for module in network.modules()}
    values = [value for before in attributes.values() for value in before.values()]
    contents = [(value, value.copy()) for value in values if type(value) in (dict, list, set, OrderedDict)]
    try:
        yield
    finally:
        for module, before in attributes.items():
            module.__dict__.clear()
            module.__dict__.update(before)
        for value, before in contents:
            value.clear()
            value.extend(before) if isinstance(value, list) else value.update(before)


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
