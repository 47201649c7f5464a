"""Kernels whose weights, or variances of random weights, have a profile (section 2.3 of the paper)."""

from __future__ import annotations

import math
from dataclasses import replace
from enum import StrEnum

import numpy as np

from erf.arguments.device import resolve_device
from erf.maps.statistic import Statistic
from erf.networks.conv_stack import ConvStack
from erf.seeds import derive
from erf.stacks.stack_influence import stack_moments
from experiments.stacks.paper_stacks import Kind, StackConfig, stack_of


class Profile(StrEnum):
    """The weights of a kernel, or the variances of its random weights, relative to one another, in whole numbers.

    ``equal``: all 1. ``binomial``: high in the center. ``lopsided``: rising along both axes. ``ring``: 9 at the border,
    1 inside. ``drawn``: 1 to 9, drawn from the seed. ``corners``: the four corners alone.
    """

    equal = "equal"
    binomial = "binomial"
    lopsided = "lopsided"
    ring = "ring"
    drawn = "drawn"
    corners = "corners"

    def weights(self, kernel_size: int, seed: int) -> np.ndarray:
        """Return the kernel ``[k, k]``, whole numbers from 0."""
        k = kernel_size
        place = np.arange(k)
        is_end = place % (k - 1) == 0
        match self:
            case Profile.equal:
                return np.ones((k, k), dtype=int)
            case Profile.binomial:
                line = [math.comb(k - 1, i) for i in place]
                return np.outer(line, line)
            case Profile.lopsided:
                return 1 + np.add.outer(place, 2 * place)
            case Profile.ring:
                return np.where(np.maximum.outer(is_end, is_end), 9, 1)
            case Profile.drawn:
                return np.random.default_rng(derive(seed, k)).integers(1, 10, (k, k))
            case Profile.corners:
                return np.outer(is_end, is_end).astype(int)


def whole_numbers(weights: np.ndarray, depth: int) -> np.ndarray:
    """Return the n-fold convolution of a kernel of whole numbers over its sum, without rounding up to the division."""
    counts = np.ones((1, 1), dtype=object)
    for _ in range(depth):
        grown = np.zeros([side + len(weights) - 1 for side in counts.shape], dtype=object)
        for (i, j), weight in np.ndenumerate(weights):
            grown[i : i + len(counts), j : j + len(counts)] += counts * int(weight)
        counts = grown
    return (counts / counts.sum()).astype(np.float64)


def profile_stack(config: StackConfig, weights: np.ndarray, depth: int) -> ConvStack:
    """Return the random linear stack whose variances have the profile ``weights [k, k]``."""
    profile = tuple(tuple(float(w) for w in row) for row in weights)
    return replace(stack_of(config, Kind.random, depth), kernel_size=len(profile), profile=profile)


def profile_moments(config: StackConfig, stack: ConvStack) -> np.ndarray:
    """Return the runs' g^2, averaged over input channels, ``[R, S, S]``; all stacks of one depth share draws."""
    return stack_moments(
        stack,
        runs=config.runs,
        statistic=Statistic.mean_square,
        seed=derive(config.seed, stack.depth),
        aggregation=config.aggregation,
        device=resolve_device(config.device),
    )
