"""The CamVid front end of Figure 3 of the paper (section 3.2): 16 residual blocks and 4 subsamplings by 2."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from erf.arguments import (
    REALS,
    is_whole,
    require_dense,
    require_type,
    require_whole,
    require_whole_per_axis,
    shown,
)
from erf.arguments.device import enough_memory
from erf.errors import InvalidInput
from erf.networks.pointwise import pointwise
from erf.networks.residual import BasicBlock, ConvUnit

BLOCKS = (3, 4, 6, 3)  # after each subsampling, as in ResNet-34; the paper says 16 in all
OUTPUT_STRIDE = 16  # section 3.2


class CamvidFrontend(nn.Module):
    """A 3x3 convolution, then four stages: a 3x3 convolution of stride 2 and 3, 4, 6 or 3 basic blocks; a classifier.

    Its theoretical receptive field is 1 + 2 + (2 + 24) + (4 + 64) + (8 + 192) + (16 + 192) = 505 pixels, the
    paper's. The measured layer is ``stage4``, the last one before the classifier, a 1x1 convolution, and after its own
    ReLU. The paper states neither widths nor batch norm nor how the blocks are spread over the stages.

    Args:
        widths: Channels of the four stages; the first convolution has those of the first.
        classes: Number of logits.
        input_channels: Of the images.
        batch_norm: Whether convolutions are normalized; else they have biases (see :class:`BasicBlock`).
        generator: Of the weights: He's normal ones; the classifier's are Glorot's. None: torch's global generator.

    Raises:
        InvalidInput: There are not four widths, or a number is below 1.
    """

    trf_size: ClassVar[int] = 505
    top_layer: ClassVar[str] = "stage4"
    stage1: nn.Sequential
    stage2: nn.Sequential
    stage3: nn.Sequential
    stage4: nn.Sequential
    layers: ClassVar[tuple[str, ...]] = (
        "stem",
        *(f"stage{stage}.{i}" for stage, blocks in enumerate(BLOCKS, 1) for i in range(blocks + 1)),
    )

    def __init__(
        self, widths: Sequence[int] = (16, 32, 64, 128), classes: int = 11, input_channels: int = 3,
        batch_norm: bool = True, generator: torch.Generator | None = None,
    ):  # fmt: skip
        super().__init__()
        require_type(Sequence, widths=widths)
        if len(widths) != len(BLOCKS) or not all(is_whole(width) and width > 0 for width in widths):
            raise InvalidInput(f"widths={list(widths)}: allowed are {len(BLOCKS)} whole numbers from 1")
        require_type(bool, batch_norm=batch_norm)
        require_whole(classes=classes, input_channels=input_channels)
        self.stem: ConvUnit = ConvUnit(input_channels, widths[0], generator, batch_norm=batch_norm)
        self.stage1, self.stage2, self.stage3, self.stage4 = (
            nn.Sequential(
                ConvUnit(before, width, generator, stride=2, batch_norm=batch_norm),
                *(BasicBlock(width, generator, batch_norm) for _ in range(blocks)),
            )
            for (before, width), blocks in zip(pairwise((widths[0], *widths)), BLOCKS, strict=True)
        )
        self.classifier: nn.Conv2d = pointwise(widths[-1], classes, generator)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits ``[N, classes, H, W]`` of images ``[N, input_channels, H, W]``."""
        features = self.stage4(self.stage3(self.stage2(self.stage1(self.stem(images)))))
        return upsample(self.classifier(features), images.shape[2:])


def upsample(logits: Tensor, size: Sequence[int]) -> Tensor:
    """Interpolate units ``[N, K, h, w]`` bilinearly at the pixels of an image: ``[N, K, *size]``.

    Unit i stands on pixel 16 i, where its logits are kept exactly; the pixels beyond the last unit take its logits.
    """
    require_dense(logits=logits)
    require_whole_per_axis(2, size=size)
    if logits.ndim != 4 or not logits.numel() or logits.dtype not in REALS:
        raise InvalidInput(f"logits={shown(logits)}: allowed are real numbers [N, K, h, w]")
    covered = [OUTPUT_STRIDE * (units - 1) + 1 for units in logits.shape[2:]]
    rows, columns = (side - inside for side, inside in zip(size, covered, strict=True))
    between = F.interpolate(logits, covered, mode="bilinear", align_corners=True)
    with enough_memory(f"logits at {tuple(size)} pixels"):
        return F.pad(between, (0, columns, 0, rows), mode="replicate")
