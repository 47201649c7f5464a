"""Every map is held against its theoretical field: influence outside of it shows that erf has the field wrong."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from erf.errors import InternalError
from erf.reachability.box import Box
from erf.reachability.forward import trace
from erf.reachability.receptive_field import ReceptiveField
from erf.reachability.request import called


def check_field(network: nn.Module, field: ReceptiveField, values: np.ndarray, channels: int, rounding: float) -> None:
    """Raise InternalError if a pixel outside of a unit's field has influence on it.

    The field is that of an unbounded image. Only where something lies outside of it, as behind circular padding, is the
    field of the image as it is asked for, by one more pass without data.

    Args:
        network: That was measured, in the modes that it was measured in.
        field: Of the unit.
        values: Its influence, by any statistic, on every pixel of the image.
        channels: Of the image.
        rounding: The share of the largest influence that rounding may leave where there is none.
    """
    if _outside(values, field.box, rounding) is None:
        return
    box = bounded_box(network, field, values.shape, channels)
    pixel = _outside(values, box, rounding)
    if pixel is not None:
        raise InternalError(
            f"to bound the influence on unit {field.unit} of {type(network).__name__}, {called(field.step.name)}: "
            f"pixel {pixel} has an influence of {values[pixel]:.3g}, but the box of the unit's field is {box}"
        )


def rounding_of(gradient: Tensor) -> float:
    """Return the share for :func:`check_field`: CPUs multiply by 0 what is 0; others may convolve by transforms."""
    return 0.0 if gradient.device.type == "cpu" else torch.finfo(gradient.dtype).eps ** 0.5


def _outside(values: np.ndarray, box: Box, rounding: float) -> tuple[int, ...] | None:
    """Return the pixel of the largest influence outside of the box; None if there is none."""
    outside = np.abs(values)
    allowed = rounding * outside.max()
    outside[tuple(slice(max(first, 0), max(end, 0)) for first, end in box)] = 0
    largest = np.unravel_index(int(outside.argmax()), outside.shape)
    return tuple(map(int, largest)) if outside[largest] > allowed else None


def bounded_box(network: nn.Module, field: ReceptiveField, size: tuple[int, ...], channels: int) -> Box:
    """Return the box of the pixels of this image, and none beyond its borders, that reach the unit."""
    passed = trace(network, size, channels, bounded=True, until=field.step.name)
    axes = [reach.dense()[(slice(None), *field.index)] for reach in passed.steps[-1].outputs[0]]
    # First pixel, last one below 0, and what spans the axis.
    numbers = [axis.reshape(len(axis), -1).min(1) for axis in axes]
    return tuple(
        (0, n) if np.isfinite(operators).any() else (int(first), int(1 - last)) if np.isfinite(first) else (0, 0)
        for (first, last, *operators), n in zip(numbers, size, strict=True)
    )
