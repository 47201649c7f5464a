"""The mean of g^2 over every pattern of signs of a tiny network's weights: exact, by autograd and nothing else."""

from itertools import product

import torch
from torch import Tensor, nn


def weights_of(network: nn.Module) -> list[Tensor]:
    """Return the weights whose signs are independent: those of convolutions and linear layers."""
    kinds = (nn.modules.conv._ConvNd, nn.Linear)
    return [module.weight for module in network.modules() if isinstance(module, kinds)]


def mean_over_signs(network: nn.Module, image: Tensor, unit: tuple[int, ...]) -> Tensor:
    """Return ``[H, W]``, the mean over signs and input channels of the sum over output channels of g^2."""
    weights = weights_of(network)
    magnitudes = [weight.detach().clone() for weight in weights]
    count = sum(weight.numel() for weight in weights)
    assert count <= 14, f"{count} weights have too many patterns of signs"
    total = torch.zeros(image.shape[2:], dtype=torch.float64)
    for pattern in product((-1.0, 1.0), repeat=count):
        signs = torch.tensor(pattern, dtype=torch.float64).split([weight.numel() for weight in weights])
        for weight, magnitude, sign in zip(weights, magnitudes, signs, strict=True):
            weight.data = magnitude * sign.reshape(weight.shape)
        total += squares(network, image, unit)
    for weight, magnitude in zip(weights, magnitudes, strict=True):
        weight.data = magnitude
    return total / 2**count


def squares(network: nn.Module, image: Tensor, unit: tuple[int, ...]) -> Tensor:
    """Return ``[H, W]`` of one network and one image: summed over output channels, the mean over input channels."""
    leaf = image.clone().requires_grad_()
    channels = network(leaf)[(0, slice(None), *unit)]
    gradients = [torch.autograd.grad(channel, leaf, retain_graph=True)[0][0] for channel in channels]
    return torch.stack(gradients).square().sum(0).mean(0)
