"""Convolutions of several runs, each with weights of its own, in one call.

The fields of R runs with C channels each are kept as one image of R C channels, ``[1, R C, H, W]``, and each call is a
convolution of R groups. On a CPU the channels lie innermost in memory ("channels last"), in which order its libraries
convolve fields and kernels as they are.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def as_groups(weights: Tensor) -> Tensor:
    """Return ``weights [..., R, C_out, C_in, kh, kw]`` as kernels ``[..., R C_out, C_in, kh, kw]``, one call's each."""
    return _in_order(weights).flatten(-5, -4)


def adjoint(weights: Tensor) -> Tensor:
    """Return the weights ``[..., C_in, C_out, kh, kw]`` that, with ``full``, take a gradient back through these."""
    return weights.flip(-2, -1).transpose(-4, -3)


def joined(fields: Tensor) -> Tensor:
    """Return ``fields [R, C, H, W]`` of R runs as one image ``[1, R C, H, W]``."""
    return _in_order(fields.flatten(0, 1)[None])


def by_run(image: Tensor, runs: int) -> Tensor:
    """Return the image ``[1, R C, H, W]`` of R runs as ``[R, C, H, W]``."""
    return image.unflatten(1, (runs, -1))[0]


def correlate(image: Tensor, kernels: Tensor, full: bool = False) -> Tensor:
    """Cross-correlate each run's channels of ``image [1, R C_in, H, W]`` with its ``kernels [R C_out, C_in, kh, kw]``.

    Where the kernel is inside the image; with ``full``, wherever it touches it.
    """
    height, width = kernels.shape[-2:]
    padding = (height - 1, width - 1) if full else 0
    return F.conv2d(image, kernels, padding=padding, groups=image.shape[1] // kernels.shape[1])


def correlate_by_rows(image: Tensor, weights: Tensor) -> Tensor:
    """Cross-correlate like ``correlate(image, as_groups(weights), full=True)``, faster onto few channels.

    Libraries compute channels in blocks of 16, and a single one costs as much as a block. So each row of the kernels
    gets channels of its own, and what row u gives is added u rows further up.

    Args:
        image: ``[1, R C_in, H, W]``.
        weights: ``[R, C_out, C_in, kh, kw]``.

    Returns:
        ``[R, C_out, H + kh - 1, W + kw - 1]``.
    """
    runs, outputs, _, height, _ = weights.shape
    rows = weights.transpose(2, 3).flatten(1, 2).unsqueeze(3)  # [R, C_out kh, C_in, 1, kw]
    products = by_run(correlate(image, as_groups(rows), full=True), runs).unflatten(1, (outputs, height))
    side, width = products.shape[-2:]
    result = products.new_zeros(runs, outputs, side + height - 1, width)
    for row, summand in enumerate(products.unbind(2)):
        result[:, :, height - 1 - row :][:, :, :side] += summand
    return result


def _in_order(tensor: Tensor) -> Tensor:
    """Return ``tensor [..., C, H, W]`` in the order of memory that the device's libraries convolve."""
    if tensor.device.type != "cpu":
        return tensor.contiguous()
    return tensor.movedim(-3, -1).contiguous().movedim(-1, -3)
