"""Small networks of kinds that torchvision lacks: U-Nets of two and three dimensions, and a WaveNet."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Upsampling(StrEnum):
    """How a U-Net comes back to a finer grid: by weights, or by a fixed filter."""

    transposed = "transposed"
    bilinear = "bilinear"


class UNet(nn.Module):
    """A U-Net (Ronneberger, Fischer and Brox 2015) with max pools by 2, of one width at all levels.

    Args:
        width: Channels of every layer.
        levels: Resolutions; each has two 3x3 convolutions with ReLU on the way down, and one on the way up.
        axes: 2 or 3, of the images.
        upsampling: Bilinear is for two axes.
    """

    def __init__(
        self, width: int, levels: int = 4, axes: int = 2, upsampling: Upsampling = Upsampling.transposed
    ) -> None:
        super().__init__()
        self._axes = axes
        inputs = [3] + [width] * (levels - 1)
        self.down = nn.ModuleList(
            nn.Sequential(*self._conv(before, width), *self._conv(width, width)) for before in inputs
        )
        self.upsample = nn.ModuleList(self._upsampling(width, upsampling) for _ in range(levels - 1))
        self.up = nn.ModuleList(nn.Sequential(*self._conv(2 * width, width)) for _ in range(levels - 1))

    def forward(self, images: Tensor) -> Tensor:
        """Return features ``[N, width, *sides]``; sides are multiples of 2^(levels - 1)."""
        pool = F.max_pool2d if self._axes == 2 else F.max_pool3d
        skips = [self.down[0](images)]
        for level in list(self.down)[1:]:
            skips.append(level(pool(skips[-1], 2)))
        x = skips.pop()
        for upsample, level in zip(self.upsample, self.up, strict=True):
            x = level(torch.cat([skips.pop(), upsample(x)], 1))
        return x

    def _conv(self, before: int, width: int) -> tuple[nn.Module, nn.Module]:
        kind = nn.Conv2d if self._axes == 2 else nn.Conv3d
        return kind(before, width, 3, padding=1), nn.ReLU()

    def _upsampling(self, width: int, upsampling: Upsampling) -> nn.Module:
        if upsampling is Upsampling.bilinear:
            return nn.Upsample(scale_factor=2, mode="bilinear")
        kind = nn.ConvTranspose2d if self._axes == 2 else nn.ConvTranspose3d
        return kind(width, width, 2, stride=2)


class WaveNet(nn.Module):
    """A WaveNet (van den Oord et al. 2016) of one series: causal convolutions of two taps, dilated by 1, 2, ..., 64.

    Each block adds to what it read, and to a sum over blocks from which the output is made.

    Args:
        width: Channels of every layer.
        gated: Whether blocks have its gate, tanh times sigmoid, for which expected maps have no rule; else ReLU.
    """

    DILATIONS: ClassVar[tuple[int, ...]] = (1, 2, 4, 8, 16, 32, 64)

    def __init__(self, width: int, gated: bool = False) -> None:
        super().__init__()
        self._gated = gated
        inner = 2 * width if gated else width
        self.first = nn.Conv1d(1, width, 1)
        self.dilated = nn.ModuleList(nn.Conv1d(width, inner, 2, dilation=dilation) for dilation in self.DILATIONS)
        self.residual = nn.ModuleList(nn.Conv1d(width, width, 1) for _ in self.DILATIONS)
        self.skip = nn.ModuleList(nn.Conv1d(width, width, 1) for _ in self.DILATIONS)
        self.last = nn.Sequential(nn.ReLU(), nn.Conv1d(width, width, 1), nn.ReLU(), nn.Conv1d(width, width, 1))

    def forward(self, series: Tensor) -> Tensor:
        """Return ``[N, width, L]`` of a series ``[N, 1, L]``."""
        x = self.first(series)
        skips = []
        blocks = zip(self.DILATIONS, self.dilated, self.residual, self.skip, strict=True)
        for dilation, conv, residual, skip in blocks:
            activated = self._activated(conv(F.pad(x, (dilation, 0))))
            skips.append(skip(activated))
            x = x + residual(activated)
        return self.last(sum(skips[1:], skips[0]))

    def _activated(self, x: Tensor) -> Tensor:
        if not self._gated:
            return torch.relu(x)
        value, gate = x.chunk(2, 1)
        return torch.tanh(value) * torch.sigmoid(gate)
