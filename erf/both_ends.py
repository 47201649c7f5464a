"""The influence through linear stacks, met from both ends (section 2.2).

The lower layers of a linear stack are one convolution. Its kernel grows layer by layer from the image, as the gradient
grows from the unit; where the two have grown so far that joining them costs less than going on, they are convolved.
Everything is sums of products, as layer by layer, so small values far from the centre keep their digits.
"""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor

from erf.grouped_convolution import as_groups, by_run, correlate, joined

ROWS = 48  # of a large kernel that are convolved in one call; a multiple of the 16 values in a processor's register


def meeting_layer(depth: int, channels: int, input_channels: int, kernel_size: int) -> int:
    """Return how many of the lowest layers to make one kernel of, for the fewest multiplications; 0: none."""
    sizes = (depth, channels, input_channels, kernel_size)
    return min(range(depth), key=lambda meeting: _multiplications(meeting, *sizes))


def _multiplications(meeting: int, depth: int, channels: int, input_channels: int, kernel_size: int) -> int:
    areas = [(1 + layers * (kernel_size - 1)) ** 2 for layers in range(depth + 1)]
    layer, first = (channels * kernel_size) ** 2, channels * input_channels * kernel_size**2
    if not meeting:
        return layer * sum(areas[: depth - 1]) + first * areas[depth - 1]
    growing = sum(areas[: depth - meeting]) + input_channels * sum(areas[1:meeting])
    return layer * growing + channels * input_channels * areas[meeting] * areas[depth - meeting]


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
    # Each field is kept turned by 180 degrees, which spares turning every layer's kernel.
    return _join(by_run(g, len(directions)), _kernel_of_layers(weights[:meeting])).flip(-2, -1)


def _kernel_of_layers(weights: list[Tensor]) -> Tensor:
    """Return ``[R, C, C_in, k, k]``, each input channel's influence on the last of these layers, turned."""
    kernels = []
    for kernel in weights[0].flip(-2, -1).unbind(2):
        grown = joined(kernel)
        for weight in weights[1:]:
            grown = correlate(grown, as_groups(weight), full=True)
        kernels.append(by_run(grown, len(kernel)))
    return torch.stack(kernels, 2)


def _join(g: Tensor, kernels: Tensor) -> Tensor:
    """Convolve ``g [R, C, H, H]`` with large ``kernels [R, C, C_in, k, k]``, summed over C: ``[R, C_in, S, S]``.

    Each row of the kernel is a channel of one convolution along the rows of g, [C] to [C_in rows]; then the products
    with row u are added u rows further down.
    """
    (runs, _, side, _), (inputs, k) = g.shape, kernels.shape[2:4]
    rows = kernels.flip(-1).permute(0, 2, 3, 1, 4).unsqueeze(4)  # [R, C_in, k, C, 1, k]
    result = g.new_zeros(runs, inputs, side + k - 1, side + k - 1)
    spaced = g.new_zeros(inputs, ROWS, side + ROWS, side + k - 1)
    for run, first in product(range(runs), range(0, k, ROWS)):
        some = rows[run, :, first : first + ROWS]
        count = some.shape[1]
        products = correlate(g[run : run + 1], some.flatten(0, 1), full=True)
        spaced[:, :count, :side] = products[0].unflatten(0, (inputs, count))
        result[run, :, first : first + side + count - 1] += _add_shifted(spaced[:, :count])[:, : side + count - 1]
    return result


def _add_shifted(spaced: Tensor) -> Tensor:
    """Return the sum over u of ``spaced[:, u]``, of ``[C, n, H, W]``, u rows further down: ``[C, H - 1, W]``.

    The last n rows of each are 0, so it suffices to count rows anew: u H + i = u (H - 1) + (u + i).
    """
    _, n, height, _ = spaced.shape
    return spaced.flatten(1, 2)[:, : n * (height - 1)].unflatten(1, (n, height - 1)).sum(1)
