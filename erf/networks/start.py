"""How a residual network's weights start, which decides the size of its ERF before training (section 3.2)."""

from __future__ import annotations

import math
from enum import StrEnum
from types import NoneType
from typing import TypeVar

import torch
from torch import nn

from erf.arguments import require_real, require_type, require_weights, shown
from erf.errors import InvalidInput
from erf.inits import Init, fill_
from erf.maps.statistic import choice
from erf.networks.residual import BasicBlock

Network = TypeVar("Network", bound=nn.Module)


class Start(StrEnum):
    """How a network of basic blocks starts; the paper names none.

    ``unit_gain``: He's weights, and batch norm whose gains are 1 (He et al. 2016). ``small_gain``: the same, but the
    gain of the last batch norm of each block starts at a small value, at 0 in Goyal et al. (2017).
    ``framework_default``: all as torch's own constructors leave it, weights of variance 1 / (3 fan_in) among them.
    ``small_branches``: no batch norm; He's weights, those of the second convolution of each of B blocks times
    1 / sqrt(B), and plain sums. ``scaled_sums``: no batch norm; He's weights, and sums divided by sqrt(2).
    """

    unit_gain = "unit_gain"
    small_gain = "small_gain"
    framework_default = "framework_default"
    small_branches = "small_branches"
    scaled_sums = "scaled_sums"

    @property
    def batch_norm(self) -> bool:
        """Whether the network has batch norm."""
        return self not in (Start.small_branches, Start.scaled_sums)


def check_gain(start: str, gain: float | None) -> None:
    """Raise InvalidInput unless ``small_gain`` comes with a gain from 0 to 1, and all other starts without."""
    if choice(Start, start, "start") is Start.small_gain:
        require_real(lambda value: 0 <= value <= 1, "numbers from 0 to 1, with start=small_gain", gain=gain)
    elif gain is not None:
        raise InvalidInput(f"gain={shown(gain)} with start={shown(start)}: only start=small_gain has a gain")


def start_(
    network: Network, start: str, gain: float | None = None, generator: torch.Generator | None = None
) -> Network:
    """Give ``network`` the weights of ``start``, in place, and return it.

    Args:
        network: As its constructor left it; with batch norm where the start has it, else without.
        start: How it starts. ``unit_gain`` and ``scaled_sums`` are what the constructor leaves.
        gain: Of ``small_gain``, the gain of the last batch norm of each block, from 0 to 1.
        generator: Of the weights of ``framework_default``; None: torch's global generator.

    Raises:
        InvalidInput: The network has batch norm and the start has not, or the other way round, or the gain does not
            belong to the start.
    """
    require_weights(network)
    require_type(torch.Generator, NoneType, generator=generator)
    check_gain(start, gain)
    chosen = choice(Start, start, "start")
    normalized = any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    if normalized is not chosen.batch_norm:
        raise InvalidInput(f"start={start} is of networks {_with(chosen.batch_norm)}; this one is {_with(normalized)}")
    blocks = [module for module in network.modules() if isinstance(module, BasicBlock)]
    with torch.no_grad():
        match chosen:
            case Start.small_gain:
                assert gain is not None, "the gain is checked"
                for block in blocks:
                    nn.init.constant_(block.norm2.get_parameter("weight"), gain)
            case Start.framework_default:
                for module in network.modules():
                    if isinstance(module, nn.Conv2d):
                        _reset_(module, generator)
            case Start.small_branches:
                for block in blocks:
                    block.conv2.weight.div_(math.sqrt(len(blocks)))
                    block.scale = 1.0
    return network


def _with(batch_norm: bool) -> str:
    return "with batch norm" if batch_norm else "without batch norm"


def _reset_(layer: nn.Conv2d, generator: torch.Generator | None) -> None:
    """Draw weight and bias as torch's own ``reset_parameters`` does, which takes no generator."""
    fill_(layer.weight, Init.torch_default, generator)
    if layer.bias is not None:
        bound = 1 / math.sqrt(layer.weight[0].numel())
        layer.bias.uniform_(-bound, bound, generator=generator)
