"""Random images of a stated distribution, where the paper does not name its inputs (section 2.4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor

from erf.arguments import LARGEST, is_whole, require_type, require_whole, shown
from erf.errors import InvalidInput
from erf.maps.statistic import choice
from erf.seeds import INPUTS, generator


class Noise(StrEnum):
    """The distribution of each pixel, independently: N(0, 1), or the uniform one on [0, 1)."""

    normal = "normal"
    uniform = "uniform"

    def draw(self, shape: Sequence[int], generator: torch.Generator) -> Tensor:
        """Return float32 pixels of ``shape``."""
        sample = torch.randn if self is Noise.normal else torch.rand
        return sample(tuple(shape), generator=generator)


@dataclass(frozen=True)
class NoiseImages:
    """Noise as batches of images ``[n, *shape]``; image i depends on (seed, i) alone, and each pass gives the same.

    Attributes:
        noise: "normal" or "uniform", of every value independently.
        shape: Of one image, channels first: ``(C, H, W)``, or with one or three spatial axes.
        count: Number of images.
        seed: Of all of them.
        batch_size: Images drawn at a time; what they are does not depend on it.
    """

    noise: str
    shape: tuple[int, ...]
    count: int
    seed: int = 0
    batch_size: int = 8

    def __post_init__(self) -> None:
        choice(Noise, self.noise, "noise")
        require_type(Sequence, shape=self.shape)
        if not 2 <= len(self.shape) <= 4 or any(not is_whole(side) or not 1 <= side <= LARGEST for side in self.shape):
            raise InvalidInput(
                f"shape={shown(self.shape)}: allowed are the channels and 1 to 3 spatial axes, each from 1"
            )
        require_whole(count=self.count, batch_size=self.batch_size)
        require_whole(0, seed=self.seed)

    def __iter__(self) -> Iterator[Tensor]:
        noise = Noise(self.noise)
        for first in range(0, self.count, self.batch_size):
            batch = range(first, min(first + self.batch_size, self.count))
            yield torch.stack([noise.draw(self.shape, generator(self.seed, i, INPUTS)) for i in batch])
