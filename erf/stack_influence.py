"""Influence maps of many random stacks at once (sections 2.2, 2.4 and 3.1), touching only what can matter.

The unit's cone is all that is computed: the forward pass runs without padding on an input of exactly the TRF, and the
backward pass grows from one pixel to the TRF by one kernel a layer. A linear stack needs no forward pass, and is met
from both ends: its lower layers are one convolution, whose kernel is far smaller than the TRF while it is built up from
the image. Several runs, each with its own weights, share every call as the groups of one convolution.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from erf.aggregation import Aggregation, check_aggregation, output_direction
from erf.device import full_float32
from erf.errors import InvalidInput
from erf.networks.conv_stack import Activation, ConvStack
from erf.noise import Noise
from erf.seeds import INPUTS, WEIGHTS, generator
from erf.statistic import Statistic

# Runs share a call while one layer's activations of all of them stay near the size of a core's cache. What is kept at
# once is at most that for each layer's weights and slopes.
BATCH_BYTES = 5 * 2**19


def stack_influence(
    stack: ConvStack,
    runs: range,
    seed: int = 0,
    aggregation: Aggregation = "random_sign",
    noise: Noise = Noise.normal,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Iterator[Tensor]:
    r"""Yield the signed influence on the unit of one-unit outputs, in batches of runs.

    .. math:: g_{r,c,i,j} = \partial \sum_k d_{r,k}\, y_{r,k} / \partial x_{r,c,i,j}

    Run r's weights, inputs and signs d depend only on (seed, r): not on the batches, the device or the dtype.

    Args:
        stack: The family of networks.
        runs: Which runs.
        seed: Of all runs.
        aggregation: Of the output channels: "random_sign", "sum" or a channel's index.
        noise: Distribution of the input pixels; matters for non-linear stacks only.
        device: Where to compute.
        dtype: In which precision to compute; weights and inputs are drawn in float32.

    Yields:
        ``[R, C_in, S, S]`` with S the side of the TRF.

    Raises:
        InvalidInput: A gradient is not finite; the message names the run.
    """
    side = stack.trf_size
    size = max(1, BATCH_BYTES // (stack.channels * side**2 * dtype.itemsize))
    with full_float32(), torch.no_grad():
        for first in range(0, len(runs), size):
            batch = runs[first : first + size]
            weights = [w.to(device, dtype) for w in _draw_weights(stack, batch, seed)]
            slopes = _slopes(stack, weights, batch, seed, noise)
            directions = [output_direction(aggregation, stack.channels, seed, run) for run in batch]
            influence = _backward(torch.stack(directions).to(weights[0]), weights, slopes)
            _require_finite(influence, batch, stack)
            yield influence


def stack_moments(
    stack: ConvStack,
    runs: int,
    statistic: Statistic = Statistic.mean_abs,
    seed: int = 0,
    aggregation: Aggregation = "random_sign",
    noise: Noise = Noise.normal,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> np.ndarray:
    """Return each run's moment map (|g|, g^2 or g, averaged over input channels), float64 ``[runs, S, S]``.

    :func:`erf.influence_map.map_of_samples` makes a map of them, also of resampled ones, which is what intervals over
    runs need.
    """
    check_aggregation(aggregation, stack.channels, statistic)
    batches = stack_influence(stack, range(runs), seed, aggregation, noise, device, dtype)
    return np.concatenate([statistic.moment(g.double()).mean(1).cpu().numpy() for g in batches])


def _draw_weights(stack: ConvStack, batch: range, seed: int) -> list[Tensor]:
    drawn = [stack.draw_weights(generator(seed, run, WEIGHTS)) for run in batch]
    return [torch.stack(layer) for layer in zip(*drawn, strict=True)]


def _slopes(stack: ConvStack, weights: list[Tensor], batch: range, seed: int, noise: Noise) -> list[Tensor | None]:
    """Return the derivative of each layer's activation at its input, ``[R, C, S_l, S_l]``; None where it is 1."""
    if stack.activation is Activation.none:
        return [None] * stack.depth
    shape = (stack.input_channels, stack.trf_size, stack.trf_size)
    x = torch.stack([noise.draw(shape, generator(seed, run, INPUTS)) for run in batch]).to(weights[0])
    slopes = []
    for weight, activation in zip(weights, stack.layer_activations(), strict=True):
        z = _group_convolve(x, weight)
        x, slope = _activate(z, activation)
        slopes.append(slope)
    return slopes


def _activate(z: Tensor, activation: Activation) -> tuple[Tensor, Tensor | None]:
    match activation:
        case Activation.none:
            return z, None
        case Activation.relu:
            y = z.relu_()
            return y, y.sign()
        case Activation.leaky_relu:
            return F.leaky_relu(z), torch.where(z > 0, torch.ones_like(z), 0.01)
        case Activation.tanh:
            y = z.tanh()
            return y, 1 - y**2
        case Activation.sigmoid:
            y = z.sigmoid()
            return y, y * (1 - y)


def _backward(directions: Tensor, weights: list[Tensor], slopes: list[Tensor | None]) -> Tensor:
    """Return the influence ``[R, C_in, S, S]`` of the outputs' sum with ``directions [R, C]`` on the input."""
    meeting = _meeting_layer(weights, slopes)
    g = directions[:, :, None, None]
    for weight, slope in zip(reversed(weights[meeting:]), reversed(slopes[meeting:]), strict=True):
        if slope is not None:
            g = g.mul_(slope)
        g = _group_convolve(g, weight.flip(-2, -1).transpose(1, 2), padding=weight.shape[-1] - 1)
    if not meeting:
        return g
    slope = slopes[meeting - 1]
    return _through_one_kernel(g if slope is None else g.mul_(slope), _kernel_of_layers(weights[:meeting]))


def _meeting_layer(weights: list[Tensor], slopes: list[Tensor | None]) -> int:
    """Return how many of the lowest layers to make one kernel of, for the fewest multiplications.

    There must be no slopes between them; 0 leaves all layers to the backward pass.
    """
    linear = next((layer for layer, slope in enumerate(slopes, 1) if slope is not None), len(weights))
    return min(range(linear + 1), key=partial(_multiplications, weights))


def _multiplications(weights: list[Tensor], meeting: int) -> int:
    (_, channels, inputs, kernel, _), depth = weights[0].shape, len(weights)
    layer = (channels * kernel) ** 2
    sides = [1 + layers * (kernel - 1) for layers in range(depth + 1)]
    if not meeting:
        return layer * sum(side**2 for side in sides[:-2]) + channels * inputs * (kernel * sides[-2]) ** 2
    above = layer * sum(side**2 for side in sides[: depth - meeting])
    below = layer * sum(inputs * side**2 for side in sides[1:meeting])
    joining = channels * inputs * sides[meeting] ** 2 * sides[depth - meeting] * sides[-1]
    return above + below + joining


def _kernel_of_layers(weights: list[Tensor]) -> Tensor:
    """Return the kernels ``[R, C, C_in, k, k]`` of the linear layers with these weights, first layer first.

    The kernel of each input channel grows by one layer at a time, as a gradient does from above.
    """
    inputs = []
    for kernel in weights[0].unbind(2):
        for weight in weights[1:]:
            kernel = _group_convolve(kernel, weight.flip(-2, -1), padding=weight.shape[-1] - 1)
        inputs.append(kernel)
    return torch.stack(inputs, 2)


def _through_one_kernel(g: Tensor, kernels: Tensor) -> Tensor:
    """Take ``g [R, C, H, H]`` backward through a convolution with large ``kernels [R, C, C_in, k, k]``.

    A kernel's rows are convolved with those of g as the channels of one call, [C] to [C_in k] channels; then row u of
    the kernel adds to the output u rows further down.
    """
    (runs, _, side, _), (inputs, k) = g.shape, kernels.shape[2:4]
    rows = kernels.flip(-1).permute(0, 2, 3, 1, 4).flatten(1, 2)[:, :, :, None]  # [R, C_in k, C, 1, k]
    influence = g.new_zeros(runs, inputs, side + k - 1, side + k - 1)
    for run in range(runs):
        products = _group_convolve(g[run : run + 1], rows[run : run + 1], padding=(0, k - 1))
        products = products.contiguous().unflatten(1, (inputs, k))
        for u in range(k):
            influence[run, :, u : u + side] += products[0, :, u]
    return influence


def _group_convolve(x: Tensor, weights: Tensor, padding: int | tuple[int, int] = 0) -> Tensor:
    """Convolve run r's ``x [R, C_in, H, W]`` with run r's ``weights [R, C_out, C_in, *kernel]``.

    With the channels of all runs innermost in memory, CPU libraries need not reorder fields before and after.
    """
    runs, c_out, c_in, *kernel = weights.shape
    out = F.conv2d(
        x.reshape(1, runs * c_in, *x.shape[2:]).contiguous(memory_format=torch.channels_last),
        weights.reshape(runs * c_out, c_in, *kernel).contiguous(memory_format=torch.channels_last),
        padding=padding,
        groups=runs,
    )
    return out.reshape(runs, c_out, *out.shape[2:])


def _require_finite(influence: Tensor, batch: range, stack: ConvStack) -> None:
    bad = (~influence.isfinite()).flatten(1).any(1).nonzero()
    if len(bad):
        raise InvalidInput(
            f"run {batch[int(bad[0])]}: the gradient through {stack.depth} layers with init {stack.init} overflowed "
            f"{str(influence.dtype).removeprefix('torch.')}; use an init that keeps the variance (glorot_normal for "
            "linear stacks, he_normal for ReLU) or dtype float64"
        )
