"""The CIFAR-10 network of Figure 3 of the paper (section 3.2): 17 residual blocks at full resolution."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from erf.arguments import require_type, require_whole
from erf.networks.pointwise import pointwise
from erf.networks.residual import BasicBlock, ConvUnit, convolution, norm

BLOCKS = 17  # section 3.2


class CifarResNet(nn.Module):
    """A 3x3 convolution, 17 basic blocks, a 3x3 convolution; neither pooling nor stride below the top layer.

    Its theoretical receptive field is 1 + 2 + 17 * 4 + 2 = 73 pixels. The paper says 74, which no net of odd kernels
    and stride 1 has: every k adds the even number k - 1 to 1. The measured layer is ``top``, the last convolution,
    before its batch norm and ReLU; only after it come global average pooling and the linear classifier. The paper
    states neither widths nor batch norm.

    Args:
        width: Channels of every convolution.
        classes: Number of logits.
        input_channels: Of the images.
        batch_norm: Whether convolutions are normalized; else they have biases (see :class:`BasicBlock`).
        generator: Of the weights: He's normal ones; the classifier's are Glorot's. None: torch's global generator.

    Raises:
        InvalidInput: A number is below 1.
    """

    trf_size: ClassVar[int] = 73
    top_layer: ClassVar[str] = "top"
    layers: ClassVar[tuple[str, ...]] = ("stem", *(f"blocks.{i}" for i in range(BLOCKS)), "top")

    def __init__(
        self, width: int, classes: int = 10, input_channels: int = 3, batch_norm: bool = True,
        generator: torch.Generator | None = None,
    ):  # fmt: skip
        super().__init__()
        require_type(bool, batch_norm=batch_norm)
        require_whole(width=width, classes=classes, input_channels=input_channels)
        self.stem: ConvUnit = ConvUnit(input_channels, width, generator, batch_norm=batch_norm)
        self.blocks: nn.Sequential = nn.Sequential(*(BasicBlock(width, generator, batch_norm) for _ in range(BLOCKS)))
        self.top: nn.Conv2d = convolution(width, width, generator, bias=not batch_norm)
        self.after_top: nn.Sequential = nn.Sequential(norm(width, batch_norm), nn.ReLU(inplace=True))
        self.classifier: nn.Conv2d = pointwise(width, classes, generator)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits ``[N, classes]`` of images ``[N, input_channels, H, W]``."""
        features = self.after_top(self.top(self.blocks(self.stem(images))))
        return self.classifier(features.mean((2, 3), keepdim=True)).flatten(1)
