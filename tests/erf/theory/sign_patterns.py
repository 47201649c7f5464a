"""The mean of g^2 over every pattern of signs of a tiny network's weights: exact, by autograd and nothing else."""

from itertools import product

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap

KINDS = (nn.modules.conv._ConvNd, nn.Linear)
AT_ONCE = 2**10


def weights_of(network: nn.Module) -> dict[str, Tensor]:
    """Return the weights whose signs are independent: those of convolutions and linear layers."""
    return {f"{name}.weight": module.weight for name, module in network.named_modules() if isinstance(module, KINDS)}


def mean_over_signs(network: nn.Module, image: Tensor, unit: tuple[int, ...]) -> Tensor:
    """Return ``[H, W]``, the mean over signs and input channels of the sum over output channels of g^2."""
    magnitudes = {name: weight.detach() for name, weight in weights_of(network).items()}
    sizes = [weight.numel() for weight in magnitudes.values()]
    assert sum(sizes) <= 14, f"{sum(sizes)} weights have too many patterns of signs"
    patterns = torch.tensor(list(product((-1.0, 1.0), repeat=sum(sizes))), dtype=torch.float64)

    def of_signs(signs: Tensor) -> Tensor:
        parts = zip(magnitudes.items(), signs.split(sizes), strict=True)
        return squares(network, {name: m * part.reshape(m.shape) for (name, m), part in parts}, image, unit)

    sums = [vmap(of_signs)(some).sum(0) for some in patterns.split(AT_ONCE)]
    return torch.stack(sums).sum(0) / len(patterns)


def squares(network: nn.Module, weights: dict[str, Tensor], image: Tensor, unit: tuple[int, ...]) -> Tensor:
    """Return ``[H, W]`` with these weights: g^2 summed over output channels, the mean over input channels."""
    jacobian = jacrev(lambda x: functional_call(network, weights, (x,))[(0, slice(None), *unit)])(image)
    return jacobian[:, 0].square().sum(0).mean(0)
