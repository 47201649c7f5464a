"""The expected squares of a layer's weights."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Literal

import torch
from torch import Tensor


class WeightSquares(StrEnum):
    """The squares that a pass takes for a layer's weights: their mean, or each its own."""

    variance = "variance"
    squared = "squared"


WeightsName = WeightSquares | Literal["variance", "squared"]


def squares_of(kind: WeightSquares, weights: Tensor) -> Callable[[], Tensor]:
    """Return what returns the expected squares; those of each weight are made only then, to spare memory."""
    if kind is WeightSquares.squared:
        return lambda: weights.detach().double().square()
    mean = torch.linalg.vector_norm(weights.detach(), dtype=torch.float64) ** 2 / weights.numel()
    return lambda: mean
