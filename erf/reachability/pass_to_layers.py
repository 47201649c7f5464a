"""The pass up to the layers that are asked for: without data, or on images where a network needs values."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from itertools import chain

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from erf.errors import InvalidInput
from erf.reachability.as_written import is_scripted
from erf.reachability.forward import likely_channels, noise, traced
from erf.reachability.record import Assumption, Step, Trace
from erf.reachability.request import Unit, called, module_of


def pass_to(
    network: nn.Module, size: Unit, channels: int | None, needed: Collection[str], images: Tensor | None
) -> Trace:
    """Return a pass without data up to the needed modules at least, or one on images where they need values."""
    if channels is None:
        return _pass_of_some_channels(network, size, needed, images)
    try:
        return traced(network, size, channels, needed=needed)
    except InvalidInput as error:
        if any(tensor.is_meta or is_lazy(tensor) for tensor in chain(network.parameters(), network.buffers())):
            raise
        cause = error
    try:
        given = noise(network, channels, size) if images is None else images
        passed = traced(network, size, channels, needed=needed, images=given)
    except InvalidInput as error:
        raise (error if is_scripted(network) else cause) from error
    which = "noise" if images is None else "the first images"
    passed.on_images = True
    # Values of constants, of which nothing depends on pixels, are the same for all images.
    if passed.by_values or passed.assumptions:
        passed.assumptions.append(Assumption(0, f"the field is that of {which}, as the network needs values: {cause}"))
    return passed


def _pass_of_some_channels(network: nn.Module, size: Unit, needed: Collection[str], images: Tensor | None) -> Trace:
    """Return a pass of an image of as many channels as the network first reads, or usual ones if that is not known."""
    first, *others = likely_channels(network, size)
    try:
        return pass_to(network, size, first, needed, images)
    except InvalidInput:
        for channels in others:
            with suppress(InvalidInput):
                return pass_to(network, size, channels, needed, images)
        raise


def step_of(network: nn.Module, passed: Trace, name: str) -> Step:
    """Return the one call of the named module."""
    first_name = canonical(network, name)
    calls = [step for step in passed.steps if step.name == first_name]
    if not calls and isinstance(module_of(network, name), torch.jit.ScriptModule):
        raise InvalidInput(
            f"{called(name)} is inside of a scripted or traced module: give the module that it was made from"
        )
    if len(calls) != 1:
        raise InvalidInput(f"{called(name)} runs {len(calls)} times in one pass: name one that runs once")
    return calls[0]


def canonical(network: nn.Module, name: str) -> str:
    """Return the first name of a module that may have several."""
    module = module_of(network, name)
    return next(other for other, candidate in network.named_modules() if candidate is module)
