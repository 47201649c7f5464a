"""The influence through linear stacks, met from both ends (section 2.2).

The lower layers of a linear stack are one convolution. Its kernel grows layer by layer from the image, as the gradient
grows from the unit; where the two have grown so far that joining them costs less than going on, they are convolved.
Everything is sums of products, as layer by layer, so small values far from the center keep their digits.
"""

from __future__ import annotations

import math
from itertools import product

import torch
from torch import Tensor

from erf.stacks.grouped_convolution import as_groups, by_run, correlate, joined

BLOCK = 16  # channels that libraries compute together, whether or not so many are asked for
ROWS = 3 * BLOCK  # of a large kernel that are convolved in one call


def meeting_layer(depth: int, channels: int, input_channels: int, kernel_size: int) -> int:
    """Return how many of the lowest layers to make one kernel of, for the fewest multiplications; 0: none."""
    sizes = (depth, channels, input_channels, kernel_size)
    return min(range(depth), key=lambda meeting: _multiplications(meeting, *sizes))


def _multiplications(meeting: int, depth: int, channels: int, input_channels: int, kernel_size: int) -> int:
    areas = [(1 + layers * (kernel_size - 1)) ** 2 for layers in range(depth)]
    layer, first = (channels * kernel_size) ** 2, channels * input_channels * kernel_size**2
    if not meeting:
        return layer * sum(areas[: depth - 1]) + first * areas[depth - 1]
    growing = sum(areas[: depth - meeting]) + input_channels * sum(areas[1:meeting])
    joining = _joining(1 + meeting * (kernel_size - 1), 1 + depth * (kernel_size - 1))
    return layer * growing + channels * input_channels * joining


def _joining(k: int, size: int) -> int:
    """Return the multiplications of :func:`_join` for each pair of channels, those with its zeros included."""
    rows = BLOCK * math.ceil(k / BLOCK)
    return rows * k * (size - k + 1) * size


def influence_from_both_ends(directions: Tensor, weights: list[Tensor], meeting: int) -> Tensor:
    """Return the influence ``[R, C_in, S, S]`` of the outputs' sum with ``directions [R, C]`` on the input.

    Args:
        directions: Of each run.
        weights: Of each layer, first layer first, ``[R, C_out, C_in, k, k]``.
        meeting: How many of the lowest layers to make one kernel of, from 1.
    """
    g = joined(directions[:, :, None, None])
    for weight in reversed(weights[meeting:]):
        g = correlate(g, as_groups(weight.transpose(1, 2)), full=True)
    g = by_run(g, len(directions))
    # Each field is kept turned by 180 degrees, which spares turning every layer's kernel.
    kernels = [_kernel_of_layers(first, weights[1:meeting]) for first in weights[0].flip(-2, -1).unbind(2)]
    return torch.stack([_join(g, kernel) for kernel in kernels], 1).flip(-2, -1)


def _kernel_of_layers(first: Tensor, others: list[Tensor]) -> Tensor:
    """Return ``[R, C, k, k]``, an input channel's influence on the last of these layers, turned.

    Args:
        first: The first layer's weights of that channel, ``[R, C, k, k]``, turned.
        others: Of the other layers.
    """
    grown = joined(first)
    for weight in others:
        grown = correlate(grown, as_groups(weight), full=True)
    return by_run(grown, len(first))


def _join(g: Tensor, kernel: Tensor) -> Tensor:
    """Convolve ``g [R, C, H, H]`` with a large ``kernel [R, C, k, k]`` of each run, summed over C: ``[R, S, S]``.

    Each row of the kernel is a channel of one convolution along the rows of g; then the products with row u are added
    u rows further down. Run by run, so that all of it stays in the cache.
    """
    (runs, _, side, _), k = g.shape, kernel.shape[-1]
    most = min(k, ROWS)
    result = g.new_zeros(runs, side + k - 1, side + k - 1)
    spaced = g.new_zeros(most, side + most, side + k - 1)
    for run, first in product(range(runs), range(0, k, ROWS)):
        rows = kernel[run, :, first : first + ROWS].flip(-1).transpose(0, 1)
        count = len(rows)
        spaced[:count, :side] = correlate(g[run : run + 1], rows.unsqueeze(2), full=True)[0]
        result[run, first : first + side + count - 1] += _add_shifted(spaced[:count])[: side + count - 1]
    return result


def _add_shifted(spaced: Tensor) -> Tensor:
    """Return the sum over u of ``spaced[u]``, of ``[n, H, W]``, u rows further down: ``[H - 1, W]``.

    The last n rows of each are 0, so it suffices to count rows anew: u H + i = u (H - 1) + (u + i).
    """
    n, height, _ = spaced.shape
    return spaced.flatten(0, 1)[: n * (height - 1)].unflatten(0, (n, height - 1)).sum(0)
