"""Initializations: the standard ones by name, and the paper's center-low one (section 4)."""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import StrEnum
from functools import reduce
from types import NoneType

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from erf.arguments import (
    REALS,
    require_real,
    require_type,
    require_weights,
    require_whole,
    require_whole_per_axis,
    require_writable,
    shown,
)
from erf.arguments.device import enough_memory
from erf.errors import InvalidInput
from erf.maps.statistic import choice

__all__ = ["Init", "center_low_", "center_low_profile", "fill_", "fill_layers_", "weight_variance"]

Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d
Transposed = nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d

# Torch draws normal numbers in blocks of so many: of tensors that are whole blocks, together the same as one by one.
NORMAL_BLOCK = 16


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


_FILL: dict[Init, Callable[[Tensor, torch.Generator | None], Tensor]] = {
    Init.he_normal: lambda w, g: nn.init.kaiming_normal_(w, nonlinearity="relu", generator=g),
    Init.he_uniform: lambda w, g: nn.init.kaiming_uniform_(w, nonlinearity="relu", generator=g),
    Init.glorot_normal: lambda w, g: nn.init.xavier_normal_(w, generator=g),
    Init.glorot_uniform: lambda w, g: nn.init.xavier_uniform_(w, generator=g),
    Init.orthogonal: lambda w, g: nn.init.orthogonal_(w, generator=g),
    Init.torch_default: lambda w, g: nn.init.kaiming_uniform_(w, a=math.sqrt(5), generator=g),
    Init.equal: lambda w, g: nn.init.constant_(w, 1 / w[0].numel()),
}


def fill_(weight: Tensor, init: Init, generator: torch.Generator | None = None) -> Tensor:
    """Fill a convolution's weight ``[C_out, C_in, *kernel_size]`` in place and return it.

    Raises:
        InvalidInput: It is no such tensor of real numbers, or the init is unknown.
    """
    require_writable(weight=weight)
    require_type(torch.Generator, NoneType, generator=generator)
    if weight.ndim < 2 or not weight.numel() or weight.dtype not in REALS:
        raise InvalidInput(f"weight={shown(weight)}: allowed are real numbers [C_out, C_in, *kernel_size]")
    return _FILL[choice(Init, init, "init")](weight, generator)


def fill_layers_(weights: Tensor, init: Init, generator: torch.Generator | None = None) -> Tensor:
    """Fill ``weights [L, C_out, C_in, *kernel_size]`` of L layers in place, as :func:`fill_` would one by one."""
    require_writable(weights=weights)
    require_type(torch.Generator, NoneType, generator=generator)
    if weights.ndim < 3 or 0 in weights.shape[1:] or weights.dtype not in REALS:
        raise InvalidInput(f"weights={shown(weights)}: allowed are real numbers [L, C_out, C_in, *kernel_size]")
    if choice(Init, init, "init") in (Init.he_normal, Init.glorot_normal) and weights[:1].numel() % NORMAL_BLOCK == 0:
        c_out, c_in, *positions = weights.shape[1:]
        std = math.sqrt(weight_variance(init, c_in, c_out, math.prod(positions)))
        return weights.normal_(0, std, generator=generator)
    for weight in weights:
        fill_(weight, init, generator)
    return weights


def weight_variance(init: Init, channels_in: int, channels_out: int, positions: int) -> float:
    """Return the variance of each weight of a convolution with that many channels and kernel positions.

    Raises:
        InvalidInput: ``equal`` weights are not random; a number is below 1, or the init unknown.
    """
    require_whole(channels_in=channels_in, channels_out=channels_out, positions=positions)
    fan_in, fan_out = channels_in * positions, channels_out * positions
    match choice(Init, init, "init"):
        case Init.he_normal | Init.he_uniform:
            return 2 / fan_in
        case Init.glorot_normal | Init.glorot_uniform:
            return 2 / (fan_in + fan_out)
        case Init.torch_default:
            return 1 / (3 * fan_in)
        case Init.orthogonal:
            return 1 / max(fan_in, channels_out)
    raise InvalidInput("init=equal is not random, so it has no variance")


def center_low_profile(kernel_size: tuple[int, ...], strength: float, period: tuple[int, ...] | None = None) -> Tensor:
    r"""Return the multipliers m of a center-low kernel (section 4), float64 ``[*kernel_size]``.

    .. math:: m^2 \propto \exp\left(a \sum_i x_i^2\right), \quad a = \frac{strength}{1 - strength}, \quad
              \operatorname{mean}(m^2) = 1

    with :math:`x_i \in [-1, 1]` over each axis of the kernel: of all profiles with its variance the one of largest
    entropy. Strength 0 is the unchanged kernel; strength 1 the limit, in which only the corners are left. The paper
    states the idea and its extreme, not the formula.

    Args:
        kernel_size: One entry per axis.
        strength: From 0 to 1.
        period: Per axis, which taps meet in one output: every ``period``-th, as in a transposed convolution. The mean
            is 1 over each such set. None is 1: all taps meet, as in a convolution.

    Raises:
        InvalidInput: ``strength`` is outside [0, 1], or a size or period is no whole number from 1.
    """
    _require_strength(strength)
    require_whole_per_axis(kernel_size=kernel_size)
    if period is not None:
        require_whole_per_axis(len(kernel_size), period=period)
    periods = period or (1,) * len(kernel_size)
    with enough_memory(f"a kernel of {tuple(kernel_size)}"):
        torch.empty(tuple(kernel_size), dtype=torch.float64)  # refused at once, and not after the axes
        axes = [_squared_on_axis(*axis, float(strength)) for axis in zip(kernel_size, periods, strict=True)]
        return reduce(lambda product, axis: product[..., None] * axis, axes).sqrt()


def _require_strength(strength: float) -> None:
    require_real(lambda number: 0 <= number <= 1, "numbers from 0 to 1", strength=strength)


def _squared_on_axis(size: int, period: int, strength: float) -> Tensor:
    """Return m^2 along one axis, of which the whole profile's is the product."""
    squared = torch.linspace(-1, 1, size, dtype=torch.float64).square()
    for first in range(min(period, size)):
        taps = slice(first, None, period)
        distance = squared[taps] - squared[taps].max()  # 0 at the outermost: no overflow, however large the factor
        share = (distance == 0).double() if strength == 1 else torch.exp(distance * strength / (1 - strength))
        squared[taps] = share / share.mean()
    return squared


def center_low_(module: nn.Module, strength: float) -> nn.Module:
    """Scale every convolution in ``module`` by the center-low profile, in place, after any standard init.

    The profile's mean square is 1 over the taps that meet in one output, so the expected variance of each filter and
    of each output is kept. 1x1 kernels are unchanged; a weight that several layers share is scaled once. In a
    transposed convolution with a stride, taps meet a stride apart: where that leaves one a set, nothing changes.

    Raises:
        InvalidInput: ``strength`` is outside [0, 1], or a convolution's weight is not a parameter with values (weight
            norm and other parametrizations: call this before them; lazy modules: after a first batch), or is not
            finite and real. Nothing is changed then.

    >>> import erf
    >>> from torch import nn
    >>> layer = nn.Conv2d(1, 1, 3)
    >>> _ = nn.init.ones_(layer.weight)
    >>> erf.inits.center_low_(layer, strength=1).weight[0, 0].tolist()
    [[1.5, 0.0, 1.5], [0.0, 0.0, 0.0], [1.5, 0.0, 1.5]]
    """
    require_weights(module)
    _require_strength(strength)
    scales: dict[nn.Parameter, Tensor] = {}
    for name, layer in module.named_modules():
        if isinstance(layer, Convolution | Transposed):
            weight = _plain_weight(name, layer)
            scales.setdefault(weight, center_low_profile(tuple(layer.kernel_size), strength, _period(layer)))
    with torch.no_grad():
        for weight, profile in scales.items():
            weight.mul_(profile.to(weight))
    return module


def _plain_weight(name: str, layer: nn.Module) -> nn.Parameter:
    weight = dict(layer.named_parameters(recurse=False)).get("weight")
    if weight is None:
        raise InvalidInput(
            f"module {name!r}: its weight is computed from others; call center_low_ before that is set up"
        )
    if isinstance(weight, UninitializedParameter):
        raise InvalidInput(f"module {name!r} is lazy and has no weight yet; run a batch first")
    if not weight.is_floating_point():
        raise InvalidInput(f"module {name!r}: its weight is {shown(weight)}; allowed are real floating-point numbers")
    return weight


def _period(layer: Convolution | Transposed) -> tuple[int, ...]:
    """Return, per axis, how many taps further the next one is that meets the same outputs."""
    if isinstance(layer, Convolution):
        return (1,) * len(layer.kernel_size)
    return tuple(s // math.gcd(s, d) for s, d in zip(layer.stride, layer.dilation, strict=True))
