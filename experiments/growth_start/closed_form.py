"""The closed form of the ERF of a network of basic blocks before training, where there is one (section 2.2)."""

from __future__ import annotations

import math

from torch import nn

from erf import ConvLayer, theory
from erf.networks.residual import BasicBlock


def closed_form_sigma(network: nn.Module) -> float | None:
    """Return the standard deviation of the mean_square map over random weights, in pixels, or None.

    A ReLU after a sum correlates the gates of skip and branch, so that squares of paths no longer add up. Networks of
    basic blocks have one after each sum. Where all branches are 0, as with last gains of 0, it changes nothing: what is
    left are the convolutions outside of the blocks with ReLUs between them, which only scale the map.
    """
    blocks = [module for module in network.modules() if isinstance(module, BasicBlock)]
    if not all(_is_zero(block) for block in blocks):
        return None
    inside = {part for block in blocks for part in block.modules()}
    layers = [
        ConvLayer((rows, columns), stride=tuple(conv.stride))
        for conv in network.modules()
        if isinstance(conv, nn.Conv2d) and conv not in inside
        for rows, columns in [conv.kernel_size]
    ]
    return math.sqrt(theory.variance(layers, "mean_square")[0])


def _is_zero(block: BasicBlock) -> bool:
    """Return whether the branch is 0 whatever comes in."""
    last = block.norm2
    return isinstance(last, nn.BatchNorm2d) and not last.weight.any() and not last.bias.any()
