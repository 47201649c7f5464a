"""Random changes of training images that keep what they show, for a whole batch at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from erf.arguments import require_type, require_whole
from erf.errors import InvalidInput


@dataclass(frozen=True)
class FlipAndShift:
    """Mirror each image left to right with probability 1/2, and move it by whole pixels along each axis.

    What moves in at a border is the image's reflection, so that labels of pixels can be moved in the same way and no
    border of a constant colour is learnt.

    Attributes:
        shift: The largest move along each axis, in pixels; every one of -shift ... shift is equally likely.
        flip: Whether to mirror.
    """

    shift: int = 0
    flip: bool = True

    def __post_init__(self) -> None:
        require_whole(0, shift=self.shift)
        require_type(bool, flip=self.flip)

    def __call__(self, images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return changed images ``[N, C, H, W]``, channels_last, and labels ``[N]``, or ``[N, H, W]`` moved with them.

        Args:
            images: Of any type, on any device.
            labels: On the same device.
            generator: On the CPU, so that every device gives the same.

        Raises:
            InvalidInput: ``shift`` is not smaller than the image's sides: it has no reflection that far.
        """
        require_type(Tensor, images=images, labels=labels)
        require_type(torch.Generator, generator=generator)
        if images.ndim != 4 or labels.shape not in (images.shape[:1], (len(images), *images.shape[2:])):
            raise InvalidInput(
                f"images must have shape [N, C, H, W] and labels [N] or [N, H, W], not {list(images.shape)} and "
                f"{list(labels.shape)}"
            )
        count, _, height, width = images.shape
        if self.shift >= min(height, width):
            raise InvalidInput(
                f"shift={self.shift}: images of {height} x {width} pixels allow {min(height, width) - 1}"
            )
        rows, columns = (self._sources(side, count, generator) for side in (height, width))
        if self.flip:
            mirrored = torch.rand(count, generator=generator) < 0.5
            columns = torch.where(mirrored[:, None], columns.flip(1), columns)
        place = torch.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]
        image, row, column = (index.to(images.device) for index in place)
        moved = images[image, :, row, column].permute(0, 3, 1, 2)
        return moved, labels if labels.ndim == 1 else labels[image, row, column]

    def _sources(self, side: int, count: int, generator: torch.Generator) -> Tensor:
        """Return ``[count, side]``: where each pixel of an axis is taken from."""
        offsets = torch.randint(-self.shift, self.shift + 1, (count, 1), generator=generator)
        places = (torch.arange(side) + offsets).abs()
        return side - 1 - (side - 1 - places).abs()
