"""Plain stacks of convolutions, the networks of Figures 1 and 2 of the paper (section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import torch
from torch import Tensor, nn

from erf.errors import InvalidInput
from erf.inits import Init, fill_
from erf.receptive_field import Box
from erf.theory import ConvLayer


class Activation(StrEnum):
    """The pointwise function between the convolutions."""

    none = "none"
    relu = "relu"
    leaky_relu = "leaky_relu"
    tanh = "tanh"
    sigmoid = "sigmoid"

    def module(self) -> nn.Module:
        """Return the activation as a module."""
        return _MODULES[self]()


_MODULES: dict[Activation, type[nn.Module]] = {
    Activation.none: nn.Identity,
    Activation.relu: nn.ReLU,
    Activation.leaky_relu: nn.LeakyReLU,
    Activation.tanh: nn.Tanh,
    Activation.sigmoid: nn.Sigmoid,
}


@dataclass(frozen=True)
class ConvStack:
    """A stack of equal convolutions without bias, stride 1 (the paper names neither bias nor widths).

    Attributes:
        depth: Number of convolutions.
        channels: Of every layer's output.
        input_channels: Of the image.
        kernel_size: Of every convolution, in both axes.
        init: How weights are drawn.
        activation: After every convolution.
        final_activation: Whether also after the last one.
    """

    depth: int
    channels: int = 16
    input_channels: int = 1
    kernel_size: int = 3
    init: Init = Init.he_normal
    activation: Activation = Activation.none
    final_activation: bool = True

    def __post_init__(self):
        for name in ("depth", "channels", "input_channels", "kernel_size"):
            if getattr(self, name) < 1:
                raise InvalidInput(f"{name}={getattr(self, name)}: allowed are whole numbers from 1")

    @property
    def trf_size(self) -> int:
        """Side of the theoretical receptive field of an output unit, in pixels."""
        return 1 + self.depth * (self.kernel_size - 1)

    @property
    def trf_box(self) -> Box:
        """The theoretical receptive field's box in the coordinates of a map of just that field."""
        return ((0, self.trf_size),) * 2

    def theory(self) -> list[ConvLayer]:
        """Return the linear stack whose exact map predicts this one's."""
        return [ConvLayer(self.kernel_size)] * self.depth

    def draw_weights(self, generator: torch.Generator) -> list[Tensor]:
        """Return one run's weights, first layer first, float32 ``[C_out, C_in, k, k]`` each."""
        widths = [self.input_channels] + [self.channels] * self.depth
        kernel = (self.kernel_size, self.kernel_size)
        return [fill_(torch.empty(c_out, c_in, *kernel), self.init, generator) for c_in, c_out in pairwise(widths)]

    def layer_activations(self) -> list[Activation]:
        """Return the activation after each convolution."""
        last = self.activation if self.final_activation else Activation.none
        return [self.activation] * (self.depth - 1) + [last]

    def network(self, weights: list[Tensor], padding: int = 0) -> nn.Sequential:
        """Return the stack as a module with these weights; without padding its input is the TRF of one unit."""
        modules = []
        for weight, activation in zip(weights, self.layer_activations(), strict=True):
            convolution = nn.Conv2d(
                weight.shape[1], weight.shape[0], self.kernel_size, padding=padding, bias=False, dtype=weight.dtype
            )
            convolution.weight = nn.Parameter(weight)
            modules += [convolution, activation.module()]
        return nn.Sequential(*modules)
