"""Squeeze-and-excitation: channels scaled by a gate of their global means (Hu et al. 2018, arXiv 1709.01507)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from erf.networks.pointwise import pointwise, reduced


class SqueezeExcitation(nn.Module):
    r"""A gate for each channel from the means of all channels over the whole map.

    .. math:: y_c = x_c\, s_c, \quad s = \operatorname{sigmoid}(W_2 \operatorname{ReLU}(W_1 \operatorname{mean}_p x(p)))

    Args:
        channels: Of the input.
        reduction: Of channels between both layers (16 in the source, for its wider maps).
        generator: Of the weights; None is torch's global one.
    """

    def __init__(self, channels: int, reduction: int = 4, generator: torch.Generator | None = None):
        super().__init__()
        middle = reduced(channels, reduction)
        self.gate: nn.Sequential = nn.Sequential(
            pointwise(channels, middle, generator), nn.ReLU(), pointwise(middle, channels, generator), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[N, C, H, W]``."""
        return x * self.gate(x.mean((2, 3), keepdim=True))
