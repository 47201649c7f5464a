"""Residual basic blocks (He et al. 2016), the parts of both networks of Figure 3 of the paper (section 3.2)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from erf.arguments import require_type, require_whole
from erf.arguments.device import enough_memory
from erf.inits import Init, fill_

KERNEL_SIZE = 3  # of every convolution


def convolution(
    channels_in: int, channels_out: int, generator: torch.Generator | None, kernel_size: int = KERNEL_SIZE,
    stride: int = 1, bias: bool = False, init: Init = Init.he_normal,
) -> nn.Conv2d:  # fmt: skip
    """Return a convolution that pads by half its kernel; weights from ``init``, biases 0; no global draw is made."""
    sizes = {"channels_in": channels_in, "channels_out": channels_out, "kernel_size": kernel_size, "stride": stride}
    require_whole(**sizes)
    require_type(bool, bias=bias)
    padding = kernel_size // 2
    with enough_memory(f"a convolution from {channels_in} to {channels_out} channels, kernel {kernel_size}"):
        layer: Any = nn.utils.skip_init(nn.Conv2d, channels_in, channels_out, kernel_size, stride, padding, bias=bias)
    fill_(layer.weight, init, generator)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class ConvUnit(nn.Sequential):
    """A 3x3 convolution, batch norm (gain 1) or else the convolution's bias, ReLU."""

    def __init__(
        self, channels_in: int, channels_out: int, generator: torch.Generator | None, stride: int = 1,
        batch_norm: bool = True,
    ):  # fmt: skip
        require_type(bool, batch_norm=batch_norm)
        conv = convolution(channels_in, channels_out, generator, stride=stride, bias=not batch_norm)
        super().__init__(conv, norm(channels_out, batch_norm), nn.ReLU(inplace=True))


class BasicBlock(nn.Module):
    r"""A basic block of equal widths and stride 1, with ReLU after the sum (He et al. 2016).

    .. math:: y = \operatorname{ReLU}(x + N(W_2 * \operatorname{ReLU}(N(W_1 * x))))

    N is batch norm whose gains start at 1, so that the branch takes part from the start. Without batch norm N adds a
    bias, and the sum is divided by :math:`\sqrt{2}`: with He's weights the mean square would grow in each block about
    twofold. A bias-free ReLU net commutes with such a factor, so that the influence maps before training have the shape
    of those of the plain sum; a branch that starts small or at 0 (Fixup, SkipInit) would change them. In a short trial
    of one seed it learned slowly; :func:`erf.networks.batch_norm.fold_batch_norm_` makes a start that learned faster.
    """

    def __init__(self, channels: int, generator: torch.Generator | None, batch_norm: bool = True):
        super().__init__()
        require_type(bool, batch_norm=batch_norm)
        self.conv1: nn.Conv2d = convolution(channels, channels, generator, bias=not batch_norm)
        self.norm1: nn.Module = norm(channels, batch_norm)
        self.conv2: nn.Conv2d = convolution(channels, channels, generator, bias=not batch_norm)
        self.norm2: nn.Module = norm(channels, batch_norm)
        self.scale: float = 1.0 if batch_norm else math.sqrt(0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, of the shape of ``x [N, C, H, W]``."""
        branch = F.relu(self.norm1(self.conv1(x)), inplace=True)
        y = self.norm2(self.conv2(branch)) + x
        return F.relu(y if self.scale == 1 else y * self.scale, inplace=True)


def norm(channels: int, batch_norm: bool) -> nn.Module:
    """Return batch norm, gains 1 and shifts 0, or nothing."""
    require_whole(channels=channels)
    require_type(bool, batch_norm=batch_norm)
    with enough_memory(f"batch norm of {channels} channels"):
        return nn.BatchNorm2d(channels) if batch_norm else nn.Identity()
