r"""Stacks of residual blocks of equal widths (section 2.5; He et al. 2016), and plain ones of the same layers.

To E[g^2] a block x + gain f(x) is a coin: the gradient takes the branch with probability
:math:`\gamma^2 / (1 + \gamma^2)` or the skip, so the map is a mixture over the number of branches taken (Veit, Wilber
and Belongie 2016). Here :math:`\gamma^2` is gain^2 times the factor by which the branch itself scales E[g^2].
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import torch
from torch import Tensor, nn

from erf.arguments import require_real, require_type, require_whole
from erf.errors import InvalidInput
from erf.inits import Init, weight_variance
from erf.maps.statistic import set_choices
from erf.networks.conv_stack import Activation
from erf.networks.residual import convolution, norm
from erf.theory.linear_stacks import Block, ConvLayer, Residual

# Samples of one activation by which the variances that batch norm divides by are predicted, to within 1 %.
SAMPLES = 2**17


class Order(StrEnum):
    """Where the activations stand: after each convolution and after the sum, or before each convolution of a branch."""

    post_activation = "post_activation"
    pre_activation = "pre_activation"


@dataclass(frozen=True)
class ResidualStack:
    """A convolution, then blocks whose branches are convolutions of stride 1 without bias.

    With batch norm each convolution is followed by one (post_activation) or preceded by one, which stands before the
    activation (pre_activation, He et al. 2016b); the first one is followed by one in either order.

    Attributes:
        blocks: Number of blocks.
        branch_depth: Convolutions in each branch.
        gain: Of every branch; None for plain layers without skips.
        order: Of convolutions and activations.
        batch_norm: Whether there is batch norm, its gains 1.
        channels: Of every layer's output.
        input_channels: Of the image.
        kernel_size: Of every convolution; odd, for the branch to add up with the skip.
        init: How weights are drawn.
        activation: none or relu.
        final_activation: With post_activation, whether the last sum has one too.

    Raises:
        InvalidInput: A value is not allowed.
    """

    blocks: int
    branch_depth: int = 2
    gain: float | None = 1.0
    order: Order = Order.post_activation
    batch_norm: bool = False
    channels: int = 16
    input_channels: int = 1
    kernel_size: int = 3
    init: Init = Init.he_normal
    activation: Activation = Activation.none
    final_activation: bool = True

    def __post_init__(self) -> None:
        sizes = ("blocks", "branch_depth", "channels", "input_channels", "kernel_size")
        require_whole(**{name: getattr(self, name) for name in sizes})
        require_type(bool, batch_norm=self.batch_norm, final_activation=self.final_activation)
        set_choices(self, order=Order, init=Init, activation=Activation)
        if self.kernel_size % 2 == 0:
            raise InvalidInput(f"kernel_size={self.kernel_size}: allowed are odd numbers, whose branches keep the grid")
        if self.activation not in (Activation.none, Activation.relu):
            raise InvalidInput(f"activation={self.activation}: allowed are none and relu")
        if self.gain is not None:
            require_real(math.isfinite, "finite numbers, and None", gain=self.gain)

    @property
    def depth(self) -> int:
        """Number of convolutions on the longest path."""
        return 1 + self.blocks * self.branch_depth

    @property
    def trf_size(self) -> int:
        """Side of the theoretical receptive field of an output unit, in pixels."""
        return 1 + self.depth * (self.kernel_size - 1)

    def network(self, generator: torch.Generator) -> nn.Sequential:
        """Return a network of new weights, padded by half a kernel in every layer."""
        post = self.order is Order.post_activation
        stem = [self._convolution(self.input_channels, generator), norm(self.channels, self.batch_norm)]
        modules = [*stem, self.activation.module() if post else nn.Identity()]
        for block in range(self.blocks):
            last = block == self.blocks - 1 and not self.final_activation
            after = self.activation.module() if post and not last else nn.Identity()
            modules += [_Sum(self._branch(generator), self.gain), after]
        return nn.Sequential(*modules)

    def _convolution(self, channels_in: int, generator: torch.Generator) -> nn.Conv2d:
        return convolution(channels_in, self.channels, generator, self.kernel_size, init=self.init)

    def _branch(self, generator: torch.Generator) -> nn.Sequential:
        modules: list[nn.Module] = []
        for layer in range(self.branch_depth):
            conv = self._convolution(self.channels, generator)
            normed = norm(self.channels, self.batch_norm)
            if self.order is Order.pre_activation:
                modules += [normed, self.activation.module(), conv]
            else:
                between = layer < self.branch_depth - 1
                modules += [conv, normed, self.activation.module() if between else nn.Identity()]
        return nn.Sequential(*modules)

    def theory(self) -> list[Block]:
        """Return the stack whose exact mean_square map predicts this one's.

        Exact for linear stacks without batch norm. Otherwise that of wide layers whose activations are normal and
        independent over channels, positions and blocks: with one input channel batch norm's channels are all filters
        of one image, and ReLUs after small branches are on where those below them are.
        """
        first, branch = ConvLayer(self.kernel_size), [ConvLayer(self.kernel_size)] * self.branch_depth
        if self.gain is None:
            return [first, *branch * self.blocks]
        return [first, *(Residual(branch, gain) for gain in self.branch_gains())]

    def branch_gains(self) -> list[float]:
        r"""Return each block's :math:`\gamma`, first block first: the root of its branch's factor of E[g^2].

        Without batch norm it is the gain times the root of the product over the branch's layers of fan-out times
        weight variance, and of E[slope^2] of its activations. Batch norm divides by the standard deviation of what it
        normalizes, so that there the branch's share falls as the trunk's variance grows with the blocks below.

        Raises:
            InvalidInput: The stack is plain.
        """
        if self.gain is None:
            raise InvalidInput("gain=None: a plain stack has no branches")
        if not self.batch_norm:
            inner = self.branch_depth - (self.order is Order.post_activation)
            factor = self._convolution_factor() ** self.branch_depth * self._mean_square_slope() ** inner
            return [self.gain * math.sqrt(factor)] * self.blocks
        return [
            self.gain * math.sqrt(self._normed_factor() / variance) for variance in self._trunk_variances(self.gain)
        ]

    def _convolution_factor(self) -> float:
        window = self.kernel_size**2
        return self.channels * window * weight_variance(self.init, self.channels, self.channels, window)

    def _mean_square_slope(self) -> float:
        return 0.5 if self.activation is Activation.relu else 1.0

    def _activated_variance(self) -> float:
        """Return the variance of the activation of a standard normal variable."""
        return 0.5 - 0.5 / math.pi if self.activation is Activation.relu else 1.0

    def _normed_factor(self) -> float:
        """Return the factor of a branch with batch norm on top of a trunk of variance 1.

        A convolution between two norms does not matter: the second divides by the variance that it makes.
        """
        inner = self._mean_square_slope() / self._activated_variance()
        if self.order is Order.post_activation:
            return inner ** (self.branch_depth - 1)
        return inner ** (self.branch_depth - 1) * self._mean_square_slope() * self._convolution_factor()

    def _trunk_variances(self, gain: float) -> list[float]:
        """Return the variance over inputs of a channel at the foot of each block."""
        rng = np.random.default_rng(0)
        post = self.order is Order.post_activation
        rectify = post and self.activation is Activation.relu
        of_branch = 1.0 if post else self._convolution_factor() * self._activated_variance()
        variances = []
        x = rng.standard_normal(SAMPLES)
        for _ in range(self.blocks):
            x = np.maximum(x, 0) if rectify else x
            variances.append(float(x.var()))
            x = x + gain * math.sqrt(of_branch) * rng.standard_normal(SAMPLES)
        return variances


class _Sum(nn.Module):
    """x + gain branch(x), or without a gain the branch alone."""

    def __init__(self, branch: nn.Sequential, gain: float | None) -> None:
        super().__init__()
        self.branch, self.gain = branch, gain

    def forward(self, x: Tensor) -> Tensor:
        branch = self.branch(x)
        return branch if self.gain is None else x + self.gain * branch
