"""1x1 convolutions: the classifiers of networks, and parts of most attention blocks."""

from __future__ import annotations

import torch
from torch import nn

from erf.arguments import require_whole
from erf.inits import Init
from erf.networks.residual import convolution


def pointwise(channels_in: int, channels_out: int, generator: torch.Generator | None) -> nn.Conv2d:
    """Return a 1x1 convolution with Glorot's weights and a bias of 0."""
    return convolution(channels_in, channels_out, generator, kernel_size=1, bias=True, init=Init.glorot_normal)


def reduced(channels: int, reduction: int) -> int:
    """Return the number of channels after a reduction, at least 1."""
    require_whole(channels=channels, reduction=reduction)
    return max(1, channels // reduction)
