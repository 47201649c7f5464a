"""A stack of convolutions with one attention block or fully connected layer in it (claims R2, R3)."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import torch
from torch import nn

from erf.arguments import require_type, require_whole
from erf.errors import InvalidInput
from erf.maps.statistic import choice
from erf.networks.attention.multi_scale import MultiScaleAttention
from erf.networks.attention.non_local import NonLocalAttention
from erf.networks.attention.recurrent import RecurrentAttention
from erf.networks.attention.residual import ResidualAttention
from erf.networks.attention.second_order import SecondOrderAttention
from erf.networks.attention.squeeze_excitation import SqueezeExcitation
from erf.networks.conv_stack import ConvStack
from erf.networks.fully_connected import FullyConnected


class Block(StrEnum):
    """What is inserted into a stack of convolutions; none is the stack alone."""

    none = "none"
    squeeze_excitation = "squeeze_excitation"
    second_order = "second_order"
    self_attention = "self_attention"
    recurrent = "recurrent"
    residual = "residual"
    multi_scale = "multi_scale"
    fully_connected = "fully_connected"

    def module(self, channels: int, side: int, generator: torch.Generator | None = None) -> nn.Module:
        """Return the block for maps of ``channels`` x ``side`` x ``side``."""
        if self is Block.fully_connected:
            return FullyConnected(channels, (side, side), generator)
        return _MODULES[self](channels, generator=generator) if self in _MODULES else nn.Identity()


_MODULES: dict[Block, Callable[..., nn.Module]] = {
    Block.squeeze_excitation: SqueezeExcitation,
    Block.second_order: SecondOrderAttention,
    Block.self_attention: NonLocalAttention,
    Block.recurrent: RecurrentAttention,
    Block.residual: ResidualAttention,
    Block.multi_scale: MultiScaleAttention,
}


def stack_with(stack: ConvStack, block: Block, below: int, side: int, generator: torch.Generator) -> nn.Sequential:
    """Return a stack that keeps the size of its maps, with a block after ``below`` convolutions.

    The stack's weights are drawn first, so that stacks with different blocks share them.

    Args:
        stack: Of odd kernels.
        block: What is inserted.
        below: After how many convolutions, each with its activation; from 0 to the stack's depth.
        side: Of the images, in pixels.
        generator: Of all weights.

    Raises:
        InvalidInput: ``below`` is out of range, or the kernels are even.
    """
    require_type(ConvStack, stack=stack)
    require_whole(0, below=below)
    require_whole(side=side)
    require_type(torch.Generator, generator=generator)
    block = choice(Block, block, "block")
    if not 0 <= below <= stack.depth:
        raise InvalidInput(f"below={below}: allowed are numbers of convolutions from 0 to the depth, {stack.depth}")
    if stack.kernel_size % 2 == 0:
        raise InvalidInput(f"kernel_size={stack.kernel_size}: allowed are odd ones, whose padding keeps the size")
    layers = list(stack.network(stack.draw_weights(generator), padding=stack.kernel_size // 2))
    inserted = block.module(stack.channels, side, generator)
    return nn.Sequential(*layers[: 2 * below], inserted, *layers[2 * below :])
