"""The influence map by one forward and one backward pass of the whole image for each image, nothing left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from erf.maps.aggregation import output_direction


def whole_image_map(
    network: nn.Module, images: Tensor, layer: str | None, index: Sequence[int | slice], seed: int = 0
) -> np.ndarray:
    """Return the mean of |g| over images and input channels, with random signs of the output channels.

    Args:
        network: Measured in the modes that it is in.
        images: ``[N, C, *size]``.
        layer: A module that runs once and returns one tensor; None is the network.
        index: Of the unit in the layer's output.
    """
    seen: list[Tensor] = []
    module = network.get_submodule(layer or "")
    handle = module.register_forward_hook(lambda _module, _given, output: seen.append(output.clone()))
    total = np.zeros(images.shape[2:])
    for sample, image in enumerate(images):
        leaf = image[None].clone().requires_grad_()
        network(leaf.clone())
        at_unit = seen[-1][tuple(index)].flatten()
        signs = output_direction("random_sign", len(at_unit), seed, sample).to(at_unit)
        (g,) = torch.autograd.grad(at_unit @ signs, leaf, allow_unused=True)
        total += 0 if g is None else g.abs().mean((0, 1)).numpy()
    handle.remove()
    return total / len(images)
