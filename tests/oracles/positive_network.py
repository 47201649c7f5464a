"""Torch networks of one channel whose kernels are the profiles of a linear stack."""

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, conv2d, conv3d

from erf import ConvLayer, Residual

CONVOLVE = {1: conv1d, 2: conv2d, 3: conv3d}


class PositiveNetwork(nn.Module):
    """Without padding: an image of the TRF's size has one unit. A Residual is (x + gain * branch(x)) / (1 + gain)."""

    def __init__(self, blocks, squared_gains: bool = False):
        super().__init__()
        self.blocks = blocks
        self.squared_gains = squared_gains

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = self._convolution(block, x) if isinstance(block, ConvLayer) else self._residual(block, x)
        return x

    def _convolution(self, layer: ConvLayer, x: Tensor) -> Tensor:
        weight = torch.from_numpy(layer.profile)[None, None]
        return CONVOLVE[weight.ndim - 2](x, weight, stride=layer.stride, dilation=layer.dilation)

    def _residual(self, block: Residual, x: Tensor) -> Tensor:
        branch = PositiveNetwork(block.branch, self.squared_gains)(x)
        skip = x
        for axis in range(2, x.ndim):
            margin = (x.shape[axis] - branch.shape[axis]) // 2
            skip = skip.narrow(axis, margin, branch.shape[axis])
        gain = block.gain**2 if self.squared_gains else block.gain
        return (skip + gain * branch) / (1 + gain)


def gradient_map(blocks, shape: tuple[int, ...], squared_gains: bool = False):
    """Return the gradient of the one unit of an image of ``shape``."""
    image = torch.zeros(1, 1, *shape, dtype=torch.float64, requires_grad=True)
    output = PositiveNetwork(blocks, squared_gains)(image)
    assert output.numel() == 1
    (g,) = torch.autograd.grad(output.sum(), image)
    return g[0, 0].numpy()
