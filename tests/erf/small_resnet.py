"""A small network with in-place sums, its images, and how far two maps are apart."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn


class Block(nn.Module):
    """A basic block with torchvision's in-place sum and ReLU."""

    in_place = True

    def __init__(self, channels: int, wider: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, wider, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(wider)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(wider, wider, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(wider)
        self.shortcut = nn.Conv2d(channels, wider, 1, stride)

    def forward(self, x):
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        if not self.in_place:
            return (out + self.shortcut(x)).relu()
        out += self.shortcut(x)
        return self.relu(out)


class SmallResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.layer1 = Block(6, 8, 1)
        self.layer2 = Block(8, 10, 2)
        self.head = nn.Linear(10, 4)

    def forward_features(self, x):
        return self.layer2(self.layer1(self.stem(x)))

    def forward(self, x):
        return self.head(self.forward_features(x).mean((2, 3)))


def small_resnet(dtype=torch.float64):
    """A network whose batch norms are no identity."""
    network = SmallResNet().to(dtype)
    network(torch.randn(8, 3, 12, 12, dtype=dtype))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    return network.eval()


def some_images(*shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def difference(a, b):
    a, b = np.asarray(a), np.asarray(b)
    assert a.shape == b.shape
    assert b.max() > 0
    return np.abs(a - b).max() / np.abs(b).max()
