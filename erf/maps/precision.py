"""In which arithmetic a network is run to be measured, and what a coarser one changes in a map."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from erf.errors import InvalidInput


class Precision(StrEnum):
    """Arithmetic of the passes: the network's own, or products in bfloat16, which has 8 bits to float32's 24."""

    as_is = "as_is"
    bfloat16 = "bfloat16"

    def arithmetic(self, images: Tensor) -> AbstractContextManager[Any]:
        """Return the block in which a network runs on such images; its weights stay what they are.

        Raises:
            InvalidInput: The network is not in float32, of which alone torch makes bfloat16.
        """
        if self is Precision.as_is:
            return nullcontext()
        if images.dtype is not torch.float32:
            own = str(images.dtype).removeprefix("torch.")
            raise InvalidInput(f"precision={self}: allowed for networks in float32, and this one is in {own}")
        return torch.autocast(images.device.type, torch.bfloat16)


PrecisionName = Precision | Literal["as_is", "bfloat16"]


def error_of(coarse: np.ndarray, own: np.ndarray, center: Sequence[float]) -> str:
    r"""Return, in words, what bfloat16 changes in a map.

    .. math:: \frac{\sum |c - m|}{\sum |m|}, \quad \frac{r(c) - r(m)}{r(m)}, \quad
              r(m)^2 = \frac{\sum |m_p| \, |p - center|^2}{\sum |m_p|}

    Args:
        coarse: The map ``c`` of some images in bfloat16.
        own: That of the same images in the network's own precision, ``m``.
        center: Of the unit, in the maps' coordinates.
    """
    if not own.any() or not coarse.any():
        return "run in bfloat16, image 0 has no influence from which the error could be told"
    share = np.abs(coarse - own).sum() / np.abs(own).sum()
    before, after = _radius(own, center), _radius(coarse, center)
    radius = f", and its root mean square radius by {after / before - 1:+.2%}" if before else ""
    return f"run in bfloat16, image 0 has a map that differs by {share:.2%} of its sum{radius}".replace("%", " %")


def _radius(values: np.ndarray, center: Sequence[float]) -> float:
    """Return the root mean square distance of the map's influence from the center."""
    places = np.indices(values.shape).reshape(values.ndim, -1) - np.reshape(center, (-1, 1))
    weights = np.abs(values).ravel()
    return float(np.sqrt(((places**2).sum(0) * weights).sum() / weights.sum()))
