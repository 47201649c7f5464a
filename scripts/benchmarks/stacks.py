"""Stacks of random weights against the plain loop: a network, a forward and a backward pass for each run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from erf.data.noise import Noise
from erf.networks.conv_stack import Activation, ConvStack
from erf.seeds import INPUTS, WEIGHTS, generator
from erf.stacks.stack_influence import stack_moments
from experiments.harness.environment import Environment
from scripts.benchmarks.case import Case, Difference, Disagreement, time_both
from scripts.benchmarks.limit import useful_operations
from scripts.benchmarks.memory import peak_alone

SEED = 0
MARGIN = 10  # pixels around the TRF in the plain loop's image

# How close the maps are: linear stacks by max|a-b| / peak; where gates within rounding of 0 flip, by relative L2.
LINEAR_TOLERANCE, RELU_TOLERANCE = 1e-5, 1e-2


def time_stack(stack: ConvStack, runs: int, repetitions: int, environment: Environment) -> Case:
    """Compare the maps of a stack and time both ways to measure them."""
    kind = "linear" if stack.activation is Activation.none else str(stack.activation)
    name = f"{kind} stack, depth {stack.depth}, {stack.channels} channels, {runs} runs"
    ours, theirs = partial(measure_ours, stack, runs), partial(plain_loop, stack, runs)
    differing = require_agreement(name, ours(), theirs(), stack.activation)
    return time_both(name, ours, theirs, repetitions, environment, differing, useful_operations(stack, runs))


def with_memory(case: Case, stack: ConvStack, runs: int) -> Case:
    """Add the memory that both ways take."""
    ours, theirs = (stack_peak(measure, stack, runs) for measure in (measure_ours, plain_loop))
    return replace(case, ours_peak_mib=ours, theirs_peak_mib=theirs)


def stack_peak(measure: Callable[[ConvStack, int], np.ndarray], stack: ConvStack, runs: int) -> float | None:
    """Return by how much one of the ways raises a fresh process's peak memory, in MiB."""
    return peak_alone(partial(measure, replace(stack, depth=1), 1), partial(measure, stack, runs))


def measure_ours(stack: ConvStack, runs: int) -> np.ndarray:
    """Return |g| of each run by the library, from output channel 0, ``[runs, S, S]``."""
    return stack_moments(stack, runs, seed=SEED, aggregation=0)


def plain_loop(stack: ConvStack, runs: int) -> np.ndarray:
    """Return the same maps, each by a forward and a backward pass of its own network."""
    return torch.stack([_plain_map(stack, run) for run in range(runs)]).numpy()


def _plain_map(stack: ConvStack, run: int) -> Tensor:
    network = stack.network(stack.draw_weights(generator(SEED, run, WEIGHTS)), padding=stack.kernel_size // 2)
    trf = Noise.normal.draw((1, stack.input_channels, stack.trf_size, stack.trf_size), generator(SEED, run, INPUTS))
    image = F.pad(trf, [MARGIN] * 4).requires_grad_()
    output = network(image)
    gradient = torch.zeros_like(output)
    gradient[0, 0, output.shape[2] // 2, output.shape[3] // 2] = 1
    output.backward(gradient)
    assert image.grad is not None
    return image.grad[0, :, MARGIN:-MARGIN, MARGIN:-MARGIN].double().abs().mean(0)


def max_relative_difference(a: np.ndarray, b: np.ndarray) -> float:
    """Return the largest difference of two maps ``[H, W]`` in units of the second's peak, over all pairs ``[R]``."""
    peaks = np.abs(b).max((1, 2))
    differences = np.abs(a - b).max((1, 2))
    return float((differences / np.where(peaks == 0, 1, peaks)).max())


def relative_l2(a: np.ndarray, b: np.ndarray) -> float:
    """Return the root of the sum of squared differences over the sum of squares of ``b``."""
    return float(np.linalg.norm(a - b) / (np.linalg.norm(b) or 1.0))


def require_agreement(name: str, a: np.ndarray, b: np.ndarray, activation: Activation) -> Difference:
    """Return the difference of float32 maps ``[R, H, W]`` measured in two ways.

    Raises:
        Disagreement: It is more than rounding.
    """
    differing = Difference(max_relative_difference(a, b), relative_l2(a, b))
    value, allowed, measure = differing.relative_l2, RELU_TOLERANCE, "relative L2"
    if activation is Activation.none:
        value, allowed, measure = differing.of_the_peak, LINEAR_TOLERANCE, "of the peak"
    if not value <= allowed:
        raise Disagreement(f"{name}: the maps differ by {value:.1e} {measure}; allowed: {allowed:.0e}")
    return differing
