"""Influence maps of many random stacks at once (sections 2.2, 2.4 and 3.1), touching only what can matter.

The unit's cone is all that is computed: the forward pass runs without padding on an input of exactly the TRF, and the
backward pass grows from one pixel to the TRF by one kernel a layer. A linear stack needs no forward pass. Several runs,
each with its own weights, share every call as the groups of one convolution.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from erf.aggregation import Aggregation, check_aggregation, output_direction
from erf.device import full_float32
from erf.errors import InvalidInput
from erf.networks.conv_stack import Activation, ConvStack
from erf.noise import Noise
from erf.seeds import INPUTS, MASKS, WEIGHTS, generator
from erf.statistic import Statistic

# Runs share a call while one layer's activations of all of them stay near the size of a processor's cache.
BATCH_BYTES = 8 * 2**20


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


def _draw_masks(stack: ConvStack, batch: range, seed: int) -> list[Tensor | None]:
    if not stack.dropout_rate:
        return [None] * stack.depth
    drawn = [stack.draw_masks(generator(seed, run, MASKS)) for run in batch]
    return [*(torch.stack(layer) for layer in zip(*drawn, strict=True)), None]


def _slopes(stack: ConvStack, weights: list[Tensor], batch: range, seed: int, noise: Noise) -> list[Tensor | None]:
    """Return the derivative of each layer's output at its convolution's, ``[R, C, S_l, S_l]``; None where it is 1."""
    masks = [None if mask is None else mask.to(weights[0]) for mask in _draw_masks(stack, batch, seed)]
    if stack.activation is Activation.none:
        return masks
    shape = (stack.input_channels, stack.trf_size, stack.trf_size)
    x = torch.stack([noise.draw(shape, generator(seed, run, INPUTS)) for run in batch]).to(weights[0])
    slopes = []
    for weight, activation, mask in zip(weights, stack.layer_activations(), masks, strict=True):
        x, slope = _activate(_group_convolve(x, weight), activation)
        if mask is not None:
            x, slope = x * mask, mask if slope is None else slope * mask
        slopes.append(slope)
    return slopes


def _activate(z: Tensor, activation: Activation) -> tuple[Tensor, Tensor | None]:
    match activation:
        case Activation.none:
            return z, None
        case Activation.relu:
            return z.relu(), z > 0
        case Activation.leaky_relu:
            return F.leaky_relu(z), torch.where(z > 0, torch.ones_like(z), 0.01)
        case Activation.tanh:
            y = z.tanh()
            return y, 1 - y**2
        case Activation.sigmoid:
            y = z.sigmoid()
            return y, y * (1 - y)


def _backward(directions: Tensor, weights: list[Tensor], slopes: list[Tensor | None]) -> Tensor:
    g = directions[:, :, None, None]
    for weight, slope in zip(reversed(weights), reversed(slopes), strict=True):
        if slope is not None:
            g = g * slope
        turned = weight.flip(-2, -1).transpose(1, 2)
        g = _group_convolve(g, turned, padding=weight.shape[-1] - 1)
    return g


def _group_convolve(x: Tensor, weights: Tensor, padding: int = 0) -> Tensor:
    """Convolve run r's ``x [R, C_in, H, W]`` with run r's ``weights [R, C_out, C_in, k, k]``."""
    runs, c_out, c_in, *kernel = weights.shape
    out = F.conv2d(
        x.reshape(1, runs * c_in, *x.shape[2:]),
        weights.reshape(runs * c_out, c_in, *kernel),
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
