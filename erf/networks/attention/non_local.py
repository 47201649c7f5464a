"""Spatial self-attention: every position reads all positions (non-local, Wang et al. 2018, arXiv 1711.07971)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from erf.networks.pointwise import pointwise, reduced


class NonLocalAttention(nn.Module):
    r"""The source's embedded Gaussian: a mean over all positions with softmax weights, added to the input.

    .. math:: y(p) = x(p) + W \sum_q a(p, q)\, g(x(q)), \quad a(p, \cdot) = \operatorname{softmax}_q
              \left(\theta(x(p))^T \phi(x(q))\right)

    The source starts as the identity (W ends in a batch norm of gain 0); then nothing is global before training.

    Args:
        channels: Of the input.
        reduction: Of channels in theta, phi and g.
        generator: Of the weights; None is torch's global one.
    """

    def __init__(self, channels: int, reduction: int = 2, generator: torch.Generator | None = None):
        super().__init__()
        middle = reduced(channels, reduction)
        self.theta: nn.Conv2d = pointwise(channels, middle, generator)
        self.phi: nn.Conv2d = pointwise(channels, middle, generator)
        self.g: nn.Conv2d = pointwise(channels, middle, generator)
        self.out: nn.Conv2d = pointwise(middle, channels, generator)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[N, C, H, W]``."""
        theta, phi, g = (layer(x).flatten(2) for layer in (self.theta, self.phi, self.g))
        weights = (theta.transpose(1, 2) @ phi).softmax(2)
        read = (g @ weights.transpose(1, 2)).unflatten(2, x.shape[2:])
        return x + self.out(read)
