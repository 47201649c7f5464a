"""Second-order pooling: channels scaled by a gate of their covariances (GSoP, Gao et al. 2019, arXiv 1811.12006)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from erf.inits import Init, fill_
from erf.networks.pointwise import pointwise, reduced


class SecondOrderAttention(nn.Module):
    r"""A gate for each channel from the covariance, over all positions, of fewer channels z = ReLU(W x).

    .. math:: y_c = x_c\, s_c, \quad \Sigma = \operatorname{mean}_p (z(p) - \bar z)(z(p) - \bar z)^T

    A row-wise convolution gives four numbers for each row of Sigma, a leaky ReLU and a linear layer the gate's logits.

    Args:
        channels: Of the input.
        reduction: Of channels before the covariance.
        generator: Of the weights; None is torch's global one.
    """

    def __init__(self, channels: int, reduction: int = 2, generator: torch.Generator | None = None):
        super().__init__()
        middle = reduced(channels, reduction)
        self.reduce: nn.Sequential = nn.Sequential(pointwise(channels, middle, generator), nn.ReLU())
        self.rows: nn.Parameter = nn.Parameter(
            fill_(torch.empty(middle, 4, middle, 1), Init.glorot_normal, generator).squeeze(-1)
        )
        self.gate: nn.Sequential = nn.Sequential(
            nn.LeakyReLU(0.1), pointwise(4 * middle, channels, generator), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[N, C, H, W]``."""
        z = self.reduce(x).flatten(2)
        centered = z - z.mean(2, keepdim=True)
        covariance = centered @ centered.transpose(1, 2) / centered.shape[2]
        features = torch.einsum("ncd,cfd->ncf", covariance, self.rows)
        return x * self.gate(features.flatten(1)[:, :, None, None])
