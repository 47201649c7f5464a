"""The procedure that the RepLKNet paper published for its ERFs, written anew and as plainly as it is described.

An image at a time: the rectified features of the middle unit are summed over channels, the gradient of that sum is
rectified and summed over colours, and the images' results are averaged. The area ratio takes log10(x + 1) of that,
divides by the largest, and widens a square about the middle pixel, by a pixel on each side, until it holds more than
the wanted share of the sum; the image as a whole is not among the squares.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor


def contributions(features_of: Callable[[Tensor], Tensor], images: Tensor) -> np.ndarray:
    """Return the average contribution scores ``[H, W]`` of ``images [N, C, H, W]``."""
    each = []
    for image in images:
        pixels = image.clone().requires_grad_()
        features = features_of(pixels[None])[0]
        channels, height, width = features.shape
        middle = sum(features[k, height // 2, width // 2].clamp(min=0) for k in range(channels))
        (gradient,) = torch.autograd.grad(middle, pixels)
        each.append(gradient.clamp(min=0).sum(0).numpy())
    return np.mean(each, axis=0)


def side_and_area_ratio(contribution: np.ndarray, mass: float) -> tuple[int, float] | None:
    """Return the side of the first square that holds more than ``mass``, and its share of the area."""
    scores = np.log10(contribution + 1)
    scores = scores / scores.max()
    height, width = scores.shape
    row, column = np.indices(scores.shape)
    distance = np.maximum(abs(row - height // 2), abs(column - width // 2))
    for reach in range(1, height // 2):
        if scores[distance <= reach].sum() / scores.sum() > mass:
            side = 2 * reach + 1
            return side, (side / height) * (side / width)
    return None
