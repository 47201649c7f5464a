"""Recurrent criss-cross attention: a pass reads row and column, two read all (Huang et al. 2019, arXiv 1811.11721)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from erf.arguments import require_whole
from erf.networks.pointwise import pointwise, reduced


class RecurrentAttention(nn.Module):
    r"""The same attention layer, over the positions N(p) of each one's row and column, applied ``passes`` times.

    .. math:: x'(p) = x(p) + \sum_{q \in N(p)} a(p, q)\, v(x(q)), \quad a(p, \cdot) = \operatorname{softmax}_q
              \left(\theta(x(p))^T \phi(x(q))\right)

    The position itself counts once. The source scales the sum by a factor that starts at 0, as the identity; here it
    is 1.

    Args:
        channels: Of the input.
        reduction: Of channels in theta and phi (8 in the source, for its wider maps).
        passes: With one, only row and column are read; from two on, everything.
        generator: Of the weights; None is torch's global one.
    """

    def __init__(
        self, channels: int, reduction: int = 2, passes: int = 2, generator: torch.Generator | None = None
    ):  # fmt: skip
        super().__init__()
        require_whole(passes=passes)
        middle = reduced(channels, reduction)
        self.theta: nn.Conv2d = pointwise(channels, middle, generator)
        self.phi: nn.Conv2d = pointwise(channels, middle, generator)
        self.value: nn.Conv2d = pointwise(channels, channels, generator)
        self.passes = passes

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[N, C, H, W]``."""
        for _ in range(self.passes):
            x = x + self._read(x)
        return x

    def _read(self, x: Tensor) -> Tensor:
        theta, phi, value = self.theta(x), self.phi(x), self.value(x)
        height = x.shape[2]
        column = torch.einsum("ncij,nckj->nijk", theta, phi)
        # The position itself stands in its row, too.
        itself = torch.eye(height, dtype=torch.bool, device=x.device)[:, None, :]
        row = torch.einsum("ncij,ncik->nijk", theta, phi)
        weights = torch.cat([column.masked_fill(itself, -torch.inf), row], 3).softmax(3)
        from_column = torch.einsum("nijk,nckj->ncij", weights[..., :height], value)
        return from_column + torch.einsum("nijk,ncik->ncij", weights[..., height:], value)
