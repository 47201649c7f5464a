"""The null of a trained network: its magnitudes, with random signs."""

from __future__ import annotations

import torch
from torch import nn


def draw_signs_(network: nn.Module, generator: torch.Generator) -> None:
    """Give each weight of convolutions and linear layers a random sign; batch norm keeps its own."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            signs = torch.randint(2, module.weight.shape, generator=generator) * 2 - 1
            module.weight.data *= signs.to(module.weight)
