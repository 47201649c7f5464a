"""Influence maps of many random stacks at once (sections 2.2, 2.4 and 3.1), touching only what can matter.

The unit's cone is all that is computed: the forward pass runs without padding on an input of exactly the TRF, and the
backward pass grows from one pixel to the TRF by one kernel a layer. Several runs, each with its own weights, share
every call as the groups of one convolution.

A linear stack needs no forward pass and is met from both ends. Its lower layers are one convolution, whose kernel
grows layer by layer from the image as the gradient does from the unit; where the two have grown so far that joining
them costs less than going on, they are convolved. That takes about a third of the multiplications.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

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

# Runs share a call while one layer's activations of all of them stay near the size of a core's cache. Memory is at most
# about this much for each layer, whatever the number of runs.
BATCH_BYTES = 9 * 2**18
LEAK = 0.01  # slope of leaky_relu below 0, torch's default

Slope = Callable[[Tensor], Tensor]
"""Takes a gradient back through what follows a convolution: multiplies it by the slope there."""


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
    meeting = _meeting_layer(stack)
    size = _batch_size(stack, meeting, dtype)
    with full_float32(), torch.no_grad():
        for first in range(0, len(runs), size):
            batch = runs[first : first + size]
            weights = [w.to(device, dtype) for w in _draw_weights(stack, batch, seed)]
            slopes = _slopes(stack, weights, batch, seed, noise)
            directions = [output_direction(aggregation, stack.channels, seed, run) for run in batch]
            influence = _backward(torch.stack(directions).to(weights[0]), weights, slopes, meeting)
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


def _slopes(stack: ConvStack, weights: list[Tensor], batch: range, seed: int, noise: Noise) -> list[Slope | None]:
    """Return what multiplies ``[R, C, S_l, S_l]`` by the slope of each layer's activation; None where that is 1."""
    if stack.activation is Activation.none:
        return [None] * stack.depth
    shape = (stack.input_channels, stack.trf_size, stack.trf_size)
    x = torch.stack([noise.draw(shape, generator(seed, run, INPUTS)) for run in batch]).to(weights[0])
    slopes = []
    for weight, activation in zip(weights, stack.layer_activations(), strict=True):
        x, slope = _activate(_correlate(x, weight), activation)
        slopes.append(slope)
    return slopes


def _activate(z: Tensor, activation: Activation) -> tuple[Tensor, Slope | None]:
    """Return the activation of z, in z's memory, and its slope, which is known from the output."""
    aten = torch.ops.aten
    match activation:
        case Activation.none:
            return z, None
        case Activation.relu:
            y = z.relu_()
            return y, lambda g: aten.threshold_backward.grad_input(g, y, 0, grad_input=g)
        case Activation.leaky_relu:
            y = F.leaky_relu_(z, LEAK)
            return y, lambda g: aten.leaky_relu_backward.grad_input(g, y, LEAK, True, grad_input=g)
        case Activation.tanh:
            y = z.tanh_()
            return y, lambda g: aten.tanh_backward.grad_input(g, y, grad_input=g)
        case Activation.sigmoid:
            y = z.sigmoid_()
            return y, lambda g: aten.sigmoid_backward.grad_input(g, y, grad_input=g)


def _meeting_layer(stack: ConvStack) -> int:
    """Return how many of the lowest layers to make one kernel of, for the fewest multiplications; 0: none."""
    if stack.activation is not Activation.none:
        return 0
    return min(range(stack.depth), key=lambda layers: _multiplications(stack, layers))


def _multiplications(stack: ConvStack, meeting: int) -> int:
    """Return how many a run of a linear stack takes; that many of its layers are one kernel."""
    grown = [1 + layers * (stack.kernel_size - 1) for layers in range(stack.depth + 1)]
    above, below = grown[stack.depth - meeting], grown[meeting]
    inputs, layer = stack.input_channels, (stack.channels * stack.kernel_size) ** 2
    if not meeting:
        return layer * sum(side**2 for side in grown[:-2]) + layer // stack.channels * inputs * grown[-2] ** 2
    layers = layer * (
        sum(side**2 for side in grown[: -1 - meeting]) + inputs * sum(side**2 for side in grown[1:meeting])
    )
    return layers + stack.channels * inputs * below**2 * above * (above + below - 1)


def _batch_size(stack: ConvStack, meeting: int, dtype: torch.dtype) -> int:
    side = stack.trf_size - meeting * (stack.kernel_size - 1)
    return max(1, BATCH_BYTES // (stack.channels * side**2 * dtype.itemsize))


def _backward(directions: Tensor, weights: list[Tensor], slopes: list[Slope | None], meeting: int) -> Tensor:
    """Return the influence ``[R, C_in, S, S]`` of the outputs' sum with ``directions [R, C]`` on the input.

    Each step convolves with a kernel turned by 180 degrees. Where there are no slopes, the gradient itself is kept
    turned instead, and turned back at the end.
    """
    linear = not any(slopes)
    if not linear:
        weights = [weight.flip(-2, -1) for weight in weights]
    g = directions[:, :, None, None]
    for weight, slope in zip(reversed(weights[meeting:]), reversed(slopes[meeting:]), strict=True):
        g = _correlate(g if slope is None else slope(g), weight.transpose(1, 2), full=True)
    if meeting:
        g = _join(g, _kernel_of_layers(weights[:meeting]))
    return g.flip(-2, -1) if linear else g


def _kernel_of_layers(weights: list[Tensor]) -> Tensor:
    """Return ``[R, C, C_in, k, k]``, the influence of each input channel's pixels on the last of these linear layers."""
    inputs = []
    for kernel in weights[0].flip(-2, -1).unbind(2):
        for weight in weights[1:]:
            kernel = _correlate(kernel, weight, full=True)
        inputs.append(kernel)
    return torch.stack(inputs, 2)


def _join(g: Tensor, kernels: Tensor) -> Tensor:
    """Convolve ``g [R, C, H, H]`` with large ``kernels [R, C, C_in, k, k]``, summed over C.

    Each row of the kernel is a channel of one convolution along the rows of g, [C] to [C_in k]; then the products with
    row u are added u rows further down.
    """
    (runs, _, side, _), (inputs, k) = g.shape, kernels.shape[2:4]
    rows = kernels.flip(-1).permute(0, 2, 3, 1, 4).flatten(1, 2).unsqueeze(3)  # [R, C_in k, C, 1, k]
    joined = g.new_zeros(runs, inputs, side + k - 1, side + k - 1)
    for run in range(runs):
        products = _correlate(g[run : run + 1], rows[run : run + 1], full=True)
        products = products.unflatten(1, (inputs, k))
        for u in range(k):
            joined[run, :, u : u + side].add_(products[0, :, u])
    return joined


def _correlate(x: Tensor, weights: Tensor, full: bool = False) -> Tensor:
    """Cross-correlate run r's ``x [R, C_in, H, W]`` with run r's ``weights [R, C_out, C_in, kh, kw]``.

    Where the kernel is inside x; with ``full``, wherever it touches x. The channels of all runs lie innermost in memory
    ("channels last"), in which order CPU libraries convolve fields as they are; the result lies so too.
    """
    runs, _, c_in, height, width = weights.shape
    out = F.conv2d(
        x.reshape(1, runs * c_in, *x.shape[2:]).contiguous(memory_format=torch.channels_last),
        weights.permute(0, 1, 3, 4, 2).contiguous().flatten(0, 1).permute(0, 3, 1, 2),
        padding=(height - 1, width - 1) if full else 0,
        groups=runs,
    )
    return out.unflatten(1, (runs, -1))[0]


def _require_finite(influence: Tensor, batch: range, stack: ConvStack) -> None:
    bad = (~influence.isfinite()).flatten(1).any(1).nonzero()
    if len(bad):
        raise InvalidInput(
            f"run {batch[int(bad[0])]}: the gradient through {stack.depth} layers with init {stack.init} overflowed "
            f"{str(influence.dtype).removeprefix('torch.')}; use an init that keeps the variance (glorot_normal for "
            "linear stacks, he_normal for ReLU) or dtype float64"
        )
