"""Initializations: the standard ones by name, and the paper's centre-low one (section 4)."""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import StrEnum

import torch
from torch import Tensor, nn

from erf.errors import InvalidInput

Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d


class Init(StrEnum):
    """How the weights of a convolution are drawn.

    ``he_*`` (He et al. 2015) has variance 2 / fan_in, ``glorot_*`` (Glorot & Bengio 2010) 2 / (fan_in + fan_out),
    ``orthogonal`` (Saxe et al. 2014) orthonormal rows, ``torch_default`` variance 1 / (3 fan_in). ``equal`` is not
    random: every weight is 1 / fan_in, the paper's uniform weights.
    """

    he_normal = "he_normal"
    he_uniform = "he_uniform"
    glorot_normal = "glorot_normal"
    glorot_uniform = "glorot_uniform"
    orthogonal = "orthogonal"
    torch_default = "torch_default"
    equal = "equal"


def _normal_(init: Init) -> Callable[[Tensor, torch.Generator | None], Tensor]:
    # As nn.init draws, to the bit; for a small kernel, its bookkeeping takes as long as the drawing.
    def fill(weight: Tensor, generator: torch.Generator | None) -> Tensor:
        c_out, c_in, *positions = weight.shape
        std = math.sqrt(weight_variance(init, c_in, c_out, math.prod(positions)))
        weight.detach().normal_(0, std, generator=generator)
        return weight

    return fill


def _equal_(weight: Tensor, generator: torch.Generator | None) -> Tensor:
    del generator  # nothing is drawn
    return nn.init.constant_(weight, 1 / weight[0].numel())


_FILL: dict[Init, Callable[[Tensor, torch.Generator | None], Tensor]] = {
    Init.he_normal: _normal_(Init.he_normal),
    Init.he_uniform: lambda w, g: nn.init.kaiming_uniform_(w, nonlinearity="relu", generator=g),
    Init.glorot_normal: _normal_(Init.glorot_normal),
    Init.glorot_uniform: lambda w, g: nn.init.xavier_uniform_(w, generator=g),
    Init.orthogonal: lambda w, g: nn.init.orthogonal_(w, generator=g),
    Init.torch_default: lambda w, g: nn.init.kaiming_uniform_(w, a=math.sqrt(5), generator=g),
    Init.equal: _equal_,
}


def fill_(weight: Tensor, init: Init, generator: torch.Generator | None = None) -> Tensor:
    """Fill a convolution's weight ``[C_out, C_in, *kernel_size]`` in place and return it."""
    return _FILL[init](weight, generator)


def weight_variance(init: Init, channels_in: int, channels_out: int, positions: int) -> float:
    """Return the variance of each weight of a convolution with that many channels and kernel positions.

    Raises:
        InvalidInput: ``equal`` weights are not random.
    """
    fan_in, fan_out = channels_in * positions, channels_out * positions
    match init:
        case Init.he_normal | Init.he_uniform:
            return 2 / fan_in
        case Init.glorot_normal | Init.glorot_uniform:
            return 2 / (fan_in + fan_out)
        case Init.torch_default:
            return 1 / (3 * fan_in)
        case Init.orthogonal:
            return 1 / max(fan_in, channels_out)
    raise InvalidInput("init=equal is not random, so it has no variance")


def center_low_profile(kernel_size: tuple[int, ...], strength: float) -> Tensor:
    r"""Return the multipliers m of a centre-low kernel (section 4), float64 ``[*kernel_size]``.

    .. math:: m^2 \propto \exp\left(a \sum_i x_i^2\right), \quad a = \frac{strength}{1 - strength}, \quad
              \operatorname{mean}(m^2) = 1

    with :math:`x_i \in [-1, 1]` over each axis of the kernel: of all profiles with its variance the one of largest
    entropy. Strength 0 is the unchanged kernel; strength 1 the limit, in which only the corners are left. The paper
    states the idea and its extreme, not the formula.

    Raises:
        InvalidInput: ``strength`` is outside [0, 1].
    """
    if not 0 <= strength <= 1:
        raise InvalidInput(f"strength={strength}: allowed are numbers from 0 to 1")
    axes = [torch.linspace(-1, 1, size, dtype=torch.float64) for size in kernel_size]
    distance = torch.stack(torch.meshgrid(*axes, indexing="ij")).square().sum(0)
    distance -= distance.max()  # 0 at the corners: no overflow, however large the factor
    squared = (distance == 0).double() if strength == 1 else torch.exp(distance * strength / (1 - strength))
    return (squared / squared.mean()).sqrt()


def center_low_(module: nn.Module, strength: float) -> nn.Module:
    """Scale every convolution in ``module`` by the centre-low profile, in place, after any standard init.

    The profile's mean square is 1, so the expected variance of each filter is kept; 1x1 kernels are unchanged.

    Raises:
        InvalidInput: ``strength`` is outside [0, 1].
    """
    for layer in module.modules():
        if isinstance(layer, Convolution):
            profile = center_low_profile(tuple(layer.kernel_size), strength)
            with torch.no_grad():
                layer.weight.mul_(profile.to(layer.weight))
    return module
