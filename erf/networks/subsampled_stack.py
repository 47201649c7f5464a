"""Stacks of convolutions with strides, poolings or dilation in some layers (inset of Figure 2, section 2.5)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import nn

from erf.arguments import is_whole, require_type, shown
from erf.errors import InvalidInput
from erf.maps.statistic import set_choices
from erf.networks.conv_stack import ConvStack
from erf.theory.linear_stacks import ConvLayer


class Pooling(StrEnum):
    """What subsamples: the convolution's own stride, or a pooling of stride and side alike after one of stride 1."""

    none = "none"
    average = "average"
    max = "max"

    def module(self, stride: int) -> nn.Module:
        """Return the pooling of ``stride`` x ``stride`` positions, or nothing."""
        if stride == 1 or self is Pooling.none:
            return nn.Identity()
        return nn.AvgPool2d(stride) if self is Pooling.average else nn.MaxPool2d(stride)


@dataclass(frozen=True)
class SubsampledStack:
    """A stack of convolutions, each with a stride and a dilation of its own.

    Attributes:
        stack: Depth, widths, kernel size, init and activations.
        strides: Of each layer.
        dilations: Of each layer's convolution.
        pooling: What has these strides.

    Raises:
        InvalidInput: There is not one stride and one dilation, each from 1, for each layer.
    """

    stack: ConvStack
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pooling: Pooling = Pooling.none

    def __post_init__(self) -> None:
        require_type(ConvStack, stack=self.stack)
        for name in ("strides", "dilations"):
            values = getattr(self, name)
            require_type(Sequence, **{name: values})
            if len(values) != self.stack.depth or any(not is_whole(value) or value < 1 for value in values):
                raise InvalidInput(
                    f"{name}={shown(values)}: allowed is one from 1 for each of {self.stack.depth} layers"
                )
        set_choices(self, pooling=Pooling)

    @property
    def trf_size(self) -> int:
        """Side of the theoretical receptive field of an output unit, in pixels."""
        size = jump = 1
        for layer in self.theory():
            size += (layer.kernel_size[0] - 1) * layer.dilation[0] * jump
            jump *= layer.stride[0]
        return size

    @property
    def period(self) -> int:
        """Pixels after which the grid repeats that the layers leave in the map, 1 where they leave none.

        Poolings leave none: each position is pooled exactly once.
        """
        jump = math.prod(self.strides[:-1]) if self.pooling is Pooling.none else 1
        return jump * math.gcd(*self.dilations)

    def theory(self) -> list[ConvLayer]:
        """Return the linear stack whose exact mean_square map predicts this one's.

        It is that of an average pooling too, though its weights are equal and not random: what comes from different
        positions meets independent weights in the convolution below. A max pooling passes the gradient to one
        position, each as likely as the others, so this is its map as far as that choice is independent of the weights.
        """
        layers = []
        for stride, dilation in zip(self.strides, self.dilations, strict=True):
            if self.pooling is Pooling.none:
                layers.append(ConvLayer(self.stack.kernel_size, stride, dilation))
                continue
            layers.append(ConvLayer(self.stack.kernel_size, 1, dilation))
            if stride > 1:
                layers.append(ConvLayer(stride, stride))
        return layers

    def network(self, generator: torch.Generator) -> nn.Sequential:
        """Return a network of new weights; without padding, so that its input is the TRF of one unit."""
        weights = self.stack.draw_weights(generator)
        modules: list[nn.Module] = []
        layers = zip(weights, self.stack.layer_activations(), self.strides, self.dilations, strict=True)
        for weight, activation, stride, dilation in layers:
            own_stride = stride if self.pooling is Pooling.none else 1
            c_out, c_in, *_ = weight.shape
            convolution = nn.Conv2d(c_in, c_out, self.stack.kernel_size, own_stride, dilation=dilation, bias=False)
            convolution.weight = nn.Parameter(weight)
            modules += [convolution, activation.module(), self.pooling.module(stride)]
        return nn.Sequential(*modules)
