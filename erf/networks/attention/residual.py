"""Residual attention: a mask from a branch that goes down and up again (Wang et al. 2017, arXiv 1704.06904)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from erf.networks.pointwise import pointwise
from erf.networks.residual import BasicBlock


class ResidualAttention(nn.Module):
    r"""The source's attention module of its last stage, with one step down and up; the stack below is its trunk.

    .. math:: y = (1 + M(x))\, x

    M: 3x3 max pooling of stride 2, two residual blocks, bilinear upsampling, two 1x1 convolutions, sigmoid. Its field
    is wider than the stack's, and finite. Residual blocks are basic ones without batch norm.

    Args:
        channels: Of the input, whose height and width must be even.
        generator: Of the weights; None is torch's global one.
    """

    def __init__(self, channels: int, generator: torch.Generator | None = None):
        super().__init__()
        blocks = [BasicBlock(channels, generator, batch_norm=False) for _ in range(2)]
        self.down: nn.Sequential = nn.Sequential(nn.MaxPool2d(3, stride=2, padding=1), *blocks)
        self.gate: nn.Sequential = nn.Sequential(
            pointwise(channels, channels, generator), pointwise(channels, channels, generator), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[N, C, H, W]``."""
        mask = self.gate(F.interpolate(self.down(x), scale_factor=2, mode="bilinear"))
        return (1 + mask) * x
