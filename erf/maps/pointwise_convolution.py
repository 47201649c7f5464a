"""The backward pass of several images through a 1x1 convolution, as one matrix product."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

# Torch multiplies image by image on one thread, unless there are so many.
MANY_IMAGES = 16


def is_one_product(
    grad_output: Tensor, input: Tensor, weight: Tensor, stride: list[int], padding: list[int], groups: int
) -> bool:
    """Whether torch would multiply image by image what one product does as it lies in memory, channels innermost."""
    several = torch.get_num_threads() == 1 and 1 < len(grad_output) < MANY_IMAGES
    pointwise = groups == 1 and {*weight.shape[2:], *stride} == {1} and not any(padding)
    return several and pointwise and all(_has_channels_innermost(values) for values in (grad_output, input))


def _has_channels_innermost(values: Tensor) -> bool:
    fits = values.ndim == 4 and values.dtype == torch.float32
    return fits and values.is_contiguous(memory_format=torch.channels_last)


def input_gradient(grad_output: Tensor, weight: Tensor) -> tuple[Tensor, Any, Any]:
    r"""Return what ``aten::convolution_backward`` returns for the input, channels innermost in memory.

    .. math:: g_{n,c,i,j} = \sum_k w_{k,c}\, g^{output}_{n,k,i,j}
    """
    images, channels, *size = grad_output.shape
    product = grad_output.movedim(1, -1).reshape(-1, channels) @ weight.flatten(1)
    return product.reshape(images, *size, -1).movedim(-1, 1), None, None
