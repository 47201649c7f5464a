"""A plain CNN for small images: no normalization and no skips, so that its initialization matters (section 4)."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn

from erf.arguments import require_whole
from erf.inits import Init
from erf.networks.pointwise import pointwise
from erf.networks.residual import convolution

# Channels over those of the first layer, and stride, of each convolution. Strides come early: they spare most.
LAYERS = ((1, 1), (2, 2), (2, 1), (4, 2), (4, 1), (4, 1))


class PlainCnn(nn.Module):
    """Six convolutions with biases and ReLU, two of them of stride 2, then the mean over positions and a linear layer.

    The paper says of its CIFAR-10 network only that it is one. The measured layer is ``top``, the last convolution,
    before its ReLU: its units are 4 pixels apart, and its theoretical receptive field is 1 + 14 (k - 1) pixels, 29 for
    3x3 kernels and 57 for 5x5.

    Args:
        kernel_size: Of every convolution; odd, so that padding by half of it keeps the sides.
        width: Channels of the first convolution; after each stride they double.
        classes: Number of logits.
        input_channels: Of the images.
        init: Of the convolutions; the classifier's weights are Glorot's normal ones, biases are 0.
        generator: Of the weights. None: torch's global generator.

    Raises:
        InvalidInput: A number is below 1.
    """

    top_layer: ClassVar[str] = "top"

    def __init__(
        self, kernel_size: int, width: int, classes: int = 10, input_channels: int = 3, init: Init = Init.he_normal,
        generator: torch.Generator | None = None,
    ):  # fmt: skip
        super().__init__()
        require_whole(kernel_size=kernel_size, width=width, classes=classes, input_channels=input_channels)
        widths = [input_channels, *(width * factor for factor, _ in LAYERS)]
        layers = [
            convolution(c_in, c_out, generator, kernel_size, stride, bias=True, init=init)
            for (c_in, c_out), (_, stride) in zip(pairwise(widths), LAYERS, strict=True)
        ]
        self.below: nn.Sequential = nn.Sequential(
            *(part for layer in layers[:-1] for part in (layer, nn.ReLU(inplace=True)))
        )
        self.top: nn.Conv2d = layers[-1]
        self.classifier: nn.Conv2d = pointwise(widths[-1], classes, generator)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits ``[N, classes]`` of images ``[N, input_channels, H, W]``."""
        features = nn.functional.relu(self.top(self.below(images)))
        return self.classifier(features.mean((2, 3), keepdim=True)).flatten(1)
