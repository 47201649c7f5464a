"""Random images of a stated distribution, where the paper does not name its inputs (section 2.4)."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import torch
from torch import Tensor


class Noise(StrEnum):
    """The distribution of each pixel, independently: N(0, 1), or the uniform one on [0, 1)."""

    normal = "normal"
    uniform = "uniform"

    def draw(self, shape: Sequence[int], generator: torch.Generator) -> Tensor:
        """Return float32 pixels of ``shape``."""
        sample = torch.randn if self is Noise.normal else torch.rand
        return sample(tuple(shape), generator=generator)
