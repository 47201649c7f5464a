"""A fully connected layer: every unit has a connection to every other (R2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from erf.arguments import require_whole_per_axis
from erf.arguments.device import enough_memory
from erf.inits import Init, fill_
from erf.networks.pointwise import pointwise


class FullyConnected(nn.Module):
    r"""A linear layer between all units of two maps, its weights a product of those of channels and of positions.

    .. math:: y_c(p) = \sum_{c', q} A_{cc'}\, B_{pq}\, x_{c'}(q) + b_c

    One free weight a connection would be (C H W)^2, more than a billion for 16 channels of 48 x 48; the product is that
    of MLP-Mixer (Tolstikhin et al. 2021, arXiv 2105.01601) and connects as many.

    Args:
        channels: Of both maps.
        size: Height and width of both maps.
        generator: Of the weights; None is torch's global one.
    """

    def __init__(self, channels: int, size: tuple[int, int], generator: torch.Generator | None = None):
        super().__init__()
        require_whole_per_axis(2, size=size)
        units = size[0] * size[1]
        with enough_memory(f"the connections of {units} units"):
            positions = torch.empty(units, units)
        self.positions: nn.Parameter = nn.Parameter(fill_(positions, Init.glorot_normal, generator))
        self.channels: nn.Conv2d = pointwise(channels, channels, generator)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``[N, C, H, W]`` of maps of the given size."""
        return self.channels((x.flatten(2) @ self.positions.T).unflatten(2, x.shape[2:]))
