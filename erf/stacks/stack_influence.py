"""Influence maps of many random stacks at once (sections 2.2, 2.4 and 3.1), touching only what can matter.

The unit's cone is all that is computed: the forward pass runs without padding on an input of exactly the TRF, and the
backward pass grows from one pixel to the TRF by one kernel a layer. A linear stack needs no forward pass and is met
from both ends. Several runs, each with its own weights, share every call as the groups of one convolution.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from erf.arguments import require_type, require_whole, shown
from erf.arguments.device import full_float32, named_device
from erf.data.noise import Noise
from erf.errors import InvalidInput
from erf.maps.aggregation import Aggregation, check_aggregation, output_direction
from erf.maps.statistic import Statistic, choice
from erf.networks.conv_stack import Activation, ConvStack
from erf.seeds import INPUTS, MASKS, WEIGHTS, generator
from erf.stacks.both_ends import influence_from_both_ends, meeting_layer
from erf.stacks.grouped_convolution import adjoint, as_groups, correlate, correlate_by_rows, joined

# Runs share a call while their weights and a layer's values stay near the size of a core's cache; on other devices,
# where a call costs more, they are larger. Memory is at most about this much for each layer, whatever the number of
# runs.
BATCH_BYTES, DEVICE_BATCH_BYTES = 21 * 2**18, 2**26
LEAK = 0.01  # slope of leaky_relu below 0, torch's default

_threshold_backward = torch.ops.aten.threshold_backward.grad_input
_leaky_relu_backward = torch.ops.aten.leaky_relu_backward.grad_input
_tanh_backward = torch.ops.aten.tanh_backward.grad_input
_sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input

Slope = Callable[[Tensor], Tensor]
"""Takes a gradient back through what follows a convolution: multiplies it, in place, by the slope there."""


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

    Run r's weights, inputs, dropped units and signs d depend only on (seed, r): not on the batches, the device or the
    dtype.

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
        InvalidInput: An argument is of another kind, or a gradient is not finite; the message names the run.

    >>> import erf
    >>> from erf.networks import ConvStack
    >>> [tuple(batch.shape) for batch in erf.stack_influence(ConvStack(depth=2), range(3))]
    [(3, 1, 5, 5)]
    """
    require_type(ConvStack, stack=stack)
    require_type(range, runs=runs)
    require_whole(0, seed=seed)
    check_aggregation(aggregation, stack.channels)
    noise, device = choice(Noise, noise, "noise"), named_device(device)
    if not isinstance(dtype, torch.dtype) or dtype not in (torch.float32, torch.float64):
        raise InvalidInput(f"dtype={shown(dtype)}: allowed are torch.float32 and torch.float64")
    meeting = _meeting_layer(stack)
    size = _batch_size(stack, meeting, len(runs), device, dtype)
    for first in range(0, len(runs), size):
        batch = runs[first : first + size]
        with full_float32(), torch.inference_mode():  # which makes a call cheaper than no_grad does
            drawn = stack.draw_weights_of_runs([generator(seed, run, WEIGHTS) for run in batch])
            weights = [weight.to(device, dtype) for weight in drawn]
            directions = [output_direction(aggregation, stack.channels, seed, run) for run in batch]
            directions = torch.stack(directions).to(weights[0])
            if meeting:
                influence = influence_from_both_ends(directions, weights, meeting)
            else:
                influence = _backward(directions, weights, stack, batch, seed, noise)
            _require_finite(influence, batch, stack)
        yield influence.clone()  # one that may be changed, and that autograd takes


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

    :func:`erf.map_of_samples` makes a map of them, also of resampled ones, which is what intervals over runs need.

    >>> import erf
    >>> from erf.networks import ConvStack
    >>> erf.stack_moments(ConvStack(depth=2), runs=3).shape
    (3, 5, 5)
    """
    require_type(ConvStack, stack=stack)
    require_whole(runs=runs)
    statistic = choice(Statistic, statistic, "statistic")
    check_aggregation(aggregation, stack.channels, statistic)
    batches = stack_influence(stack, range(runs), seed, aggregation, noise, device, dtype)
    return np.concatenate([statistic.moment(g.double()).mean(1).cpu().numpy() for g in batches])


def _draw_masks(stack: ConvStack, batch: range, seed: int) -> list[Tensor | None]:
    if not stack.dropout_rate:
        return [None] * stack.depth
    drawn = [stack.draw_masks(generator(seed, run, MASKS)) for run in batch]
    return [*(torch.stack(layer) for layer in zip(*drawn, strict=True)), None]


def _meeting_layer(stack: ConvStack) -> int:
    if stack.activation is not Activation.none or stack.dropout_rate:
        return 0
    return meeting_layer(stack.depth, stack.channels, stack.input_channels, stack.kernel_size)


def _batch_size(stack: ConvStack, meeting: int, runs: int, device: torch.device, dtype: torch.dtype) -> int:
    """Return how many of the runs share a call: as many as fit, spread over the batches, so that none is small."""
    side = stack.trf_size - meeting * (stack.kernel_size - 1)
    values, weights = stack.channels * side**2, stack.depth * (stack.channels * stack.kernel_size) ** 2
    limit = BATCH_BYTES if device.type == "cpu" else DEVICE_BATCH_BYTES
    most = max(1, limit // ((values + weights) * dtype.itemsize))
    batches = math.ceil(runs / most)
    return math.ceil(runs / batches) if batches else 1


def _backward(
    directions: Tensor, weights: list[Tensor], stack: ConvStack, batch: range, seed: int, noise: Noise
) -> Tensor:
    """Return the influence ``[R, C_in, S, S]`` of the outputs' sum with ``directions [R, C]`` on the input."""
    first, *others = weights
    kernels, adjoints = _kernels(others)
    first_slope, *slopes = _slopes(stack, [as_groups(first), *kernels], batch, seed, noise)
    g = joined(directions[:, :, None, None])
    for kernel, slope in zip(reversed(adjoints), reversed(slopes), strict=True):
        g = correlate(slope(g), kernel, full=True)
    return correlate_by_rows(first_slope(g), adjoint(first))


def _kernels(layers: list[Tensor]) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
    """Return each layer's kernels on the way up and on the way back; arranging all at once takes fewer calls."""
    if not layers:
        return [], []
    weights = torch.stack(layers)
    return as_groups(weights).unbind(), as_groups(adjoint(weights)).unbind()


def _slopes(stack: ConvStack, kernels: list[Tensor], batch: range, seed: int, noise: Noise) -> list[Slope]:
    """Return what takes a gradient back from each layer's output to its convolution's."""
    masks = [None if mask is None else joined(mask.to(kernels[0])) for mask in _draw_masks(stack, batch, seed)]
    if stack.activation is Activation.none:
        return [partial(_through, _unchanged, mask) for mask in masks]
    shape = (stack.input_channels, stack.trf_size, stack.trf_size)
    x = joined(torch.stack([noise.draw(shape, generator(seed, run, INPUTS)) for run in batch])).to(kernels[0])
    slopes = []
    for kernel, activation, mask in zip(kernels, stack.layer_activations(), masks, strict=True):
        x, slope = _activate(correlate(x, kernel), activation)
        x = x if mask is None else x * mask
        slopes.append(partial(_through, slope, mask))
    return slopes


def _unchanged(g: Tensor) -> Tensor:
    return g


def _through(slope: Slope, mask: Tensor | None, g: Tensor) -> Tensor:
    return slope(g if mask is None else g.mul_(mask))


def _activate(z: Tensor, activation: Activation) -> tuple[Tensor, Slope]:
    """Return the activation of z, in z's memory, and its slope, which is known from the output."""
    match activation:
        case Activation.none:
            return z, _unchanged
        case Activation.relu:
            y = z.relu_()
            return y, lambda g: _threshold_backward(g, y, 0, grad_input=g)
        case Activation.leaky_relu:
            y = F.leaky_relu_(z, LEAK)
            return y, lambda g: _leaky_relu_backward(g, y, LEAK, True, grad_input=g)
        case Activation.tanh:
            y = z.tanh_()
            return y, lambda g: _tanh_backward(g, y, grad_input=g)
        case Activation.sigmoid:
            y = z.sigmoid_()
            return y, lambda g: _sigmoid_backward(g, y, grad_input=g)


def _require_finite(influence: Tensor, batch: range, stack: ConvStack) -> None:
    if influence.is_meta:
        raise InvalidInput("device=meta: there are no values to measure")
    bad = (~influence.isfinite()).flatten(1).any(1).nonzero()
    if len(bad):
        raise InvalidInput(
            f"run {batch[int(bad[0])]}: the gradient through {stack.depth} layers with init {stack.init} overflowed "
            f"{str(influence.dtype).removeprefix('torch.')}; use an init that keeps the variance (glorot_normal for "
            "linear stacks, he_normal for ReLU) or dtype float64"
        )
