"""Arguments that public functions take, made anew each time."""

import math
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import nn

from erf import InfluenceMap
from erf.networks import conv_stack


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def conv(value: float = 1.0, **changes: Any) -> nn.Conv2d:
    """Return a convolution of seven random weights and one ``value``."""
    torch.manual_seed(0)
    layer = nn.Conv2d(1, 2, 3, **changes)
    layer.weight.data[0, 0, 0, 0] = value
    return layer


def with_buffer(value: float, norm: nn.Module | None = None) -> nn.Module:
    network = nn.Sequential(conv(), norm or nn.Identity())
    network.register_buffer("mask", torch.tensor([0.0, value]))
    return network


def normed(value: float = 1.0) -> nn.Module:
    return nn.Sequential(conv(value), nn.BatchNorm2d(2))


def images(*shape: int, **changes: Any) -> torch.Tensor:
    shape = shape or (2, 1, 7, 7)
    return torch.arange(math.prod(shape), dtype=torch.float32).sin().reshape(shape).to(**changes)


def a_map(**changes: Any) -> InfluenceMap:
    values = {"values": np.outer([1.0, 2, 1], [1.0, 3, 1]), "statistic": "mean_abs", "center": (1.0, 1.0)}
    return InfluenceMap(**values | {"trf_box": ((0, 3), (0, 3)), "samples": 4} | changes)


def a_stack(**changes: Any) -> conv_stack.ConvStack:
    return conv_stack.ConvStack(**{"depth": 2, "channels": 2} | changes)


def fabric() -> Fabric:
    return Fabric(accelerator="cpu", devices=1)
