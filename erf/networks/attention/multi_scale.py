"""Multi-scale attention: each position weighs features of several scales (Chen et al. 2016, arXiv 1511.03339)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from erf.inits import Init
from erf.networks.pointwise import pointwise
from erf.networks.residual import convolution


class MultiScaleAttention(nn.Module):
    r"""Features of the map at scales 1 and 1/2, weighed at each position by a softmax over the scales.

    .. math:: y(p) = \sum_s a_s(p)\, f_s(p), \quad a = \operatorname{softmax}_s(h(f_1, f_{1/2}))

    f_s: the map scaled down by average pooling, a 3x3 convolution that the scales share and ReLU, scaled up
    bilinearly; h: a 3x3 and a 1x1 convolution. The source shares a full network between scales of the image; here it
    is one layer. The field is wider than the stack's, and finite.

    Args:
        channels: Of the input, whose height and width must be even.
        generator: Of the weights; None is torch's global one.
    """

    def __init__(self, channels: int, generator: torch.Generator | None = None):
        super().__init__()
        self.features: nn.Sequential = nn.Sequential(convolution(channels, channels, generator, bias=True), nn.ReLU())
        hidden = convolution(2 * channels, channels, generator, bias=True, init=Init.he_normal)
        self.weights: nn.Sequential = nn.Sequential(hidden, nn.ReLU(), pointwise(channels, 2, generator), nn.Softmax(1))

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[N, C, H, W]``."""
        half = F.interpolate(self.features(F.avg_pool2d(x, 2)), scale_factor=2, mode="bilinear")
        full = self.features(x)
        weights = self.weights(torch.cat([full, half], 1))
        return weights[:, :1] * full + weights[:, 1:] * half
