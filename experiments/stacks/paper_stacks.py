"""The stacks of Figures 1 and 2 of the paper, and the settings that their experiments share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from itertools import pairwise

import numpy as np
import torch

from erf import InfluenceMap, InvalidInput, erf_size, theory
from erf.arguments.device import resolve_device
from erf.data.noise import Noise
from erf.inits import Init, weight_variance
from erf.maps.aggregation import check_aggregation
from erf.maps.sampled_map import map_of_samples
from erf.maps.statistic import Statistic
from erf.metrics.gaussian_fit import map_moments
from erf.metrics.grid_average import grid_average
from erf.networks.conv_stack import Activation, ConvStack
from erf.seeds import derive
from erf.stacks.stack_influence import stack_moments
from experiments.harness.experiment import ExperimentConfig, option
from experiments.harness.machine import FLOAT32, FLOAT64, require_memory


class Kind(StrEnum):
    """A kind of stack: uniform weights (all equal), random weights, or random weights and a nonlinearity."""

    uniform = "uniform"
    random = "random"
    relu = "relu"
    leaky_relu = "leaky_relu"
    tanh = "tanh"
    sigmoid = "sigmoid"

    @property
    def activation(self) -> Activation:
        """What follows every convolution."""
        linear = self in (Kind.uniform, Kind.random)
        return Activation.none if linear else Activation(self.value)


class Stream(IntEnum):
    """Streams of random numbers of a seed, or of a seed and a depth, besides those of the runs."""

    bootstrap = 1
    single_layers = 2


@dataclass
class StackConfig(ExperimentConfig):
    """What the experiments on stacks share; the paper names none of it but the kernel size and the number of runs."""

    runs: int = option(20, "draws of weights and inputs for each point", least=1)
    statistic: Statistic = option(Statistic.mean_abs, "over runs and input channels")
    aggregation: int | str = option(
        0, "of output channels: one channel's index (the paper's one unit), sum, random_sign"
    )
    init: Init = option(Init.he_normal, "of the random kinds")
    channels: int = option(16, "of every layer; uniform stacks have one, as more would only repeat it", least=1)
    input_channels: int = option(1, "of the image", least=1)
    kernel_size: int = option(3, "of every convolution; even ones are allowed", least=2)
    noise: Noise = option(Noise.normal, "distribution of the input pixels; matters for nonlinear kinds")
    final_activation: bool = option(True, "also after the last convolution: then a unit may be 0 and its map too")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.statistic is Statistic.signed_mean:
            raise InvalidInput("statistic=signed_mean of random weights is noise; allowed: mean_abs, rms, mean_square")
        if self.init is Init.equal:
            raise InvalidInput("init=equal is not random; for equal weights give the kind uniform")
        check_aggregation(self.aggregation, self.channels)
        self._require_room()
        resolve_device(self.device)

    def _require_room(self) -> None:
        """Ask for the weights of one run, its map, and a number for each run or resampling: less than is needed."""
        of_depth = {key: max(self._all(key)) for key in ("depth", "depths", "group_depth") if self._all(key)}
        of_width = {key: max(self._all(key)) for key in ("kernel_size", "kernel_sizes", "area") if self._all(key)}
        deepest, widest = max(of_depth.values(), default=1), max(of_width.values())
        layers = self.channels * (self.input_channels + max(deepest - 1, 0) * self.channels)
        map_values = (1 + deepest * (widest - 1)) ** 2
        weights = of_depth | of_width
        channels = {"channels": self.channels, "input_channels": self.input_channels}
        require_memory(FLOAT32 * layers * self.kernel_size**2, **channels, **weights)
        require_memory(FLOAT64 * map_values, **weights)
        for key in ("runs", "group_total", "bootstrap", "networks", "groups"):
            require_memory(FLOAT64 * max(self._all(key), default=0), **{key: getattr(self, key, 0)})

    def _all(self, *keys: str) -> list[int]:
        """Return the numbers of these settings, as far as the experiment has them, those of lists one by one."""
        values = [getattr(self, key, []) for key in keys]
        return [number for value in values for number in (value if isinstance(value, list) else [value])]


def require_runs(imap: InfluenceMap, kind: str, depth: int, least: int) -> None:
    """Raise InvalidInput unless so many runs of a point had any influence at all."""
    if imap.samples < least:
        raise InvalidInput(
            f"{kind} at depth {depth}: {imap.samples} of {imap.samples + imap.skipped} runs are not 0 everywhere, "
            f"{least} are needed; raise runs, or give aggregation=random_sign"
        )


def stack_of(config: StackConfig, kind: Kind, depth: int) -> ConvStack:
    """Return the stack of this kind and depth; a uniform one has one channel, of which more would be copies."""
    uniform = kind is Kind.uniform
    return ConvStack(
        depth=depth,
        channels=1 if uniform else config.channels,
        input_channels=1 if uniform else config.input_channels,
        kernel_size=config.kernel_size,
        init=Init.equal if uniform else config.init,
        activation=kind.activation,
        final_activation=config.final_activation,
    )


def measure_runs(
    config: StackConfig, kind: Kind, depth: int, runs: int, dtype: torch.dtype = torch.float32
) -> np.ndarray:
    """Return the moment maps ``[R, S, S]`` of runs of this kind; one for a uniform stack, whose runs are all equal.

    The draws of different depths are independent; different kinds of one depth share weights and inputs.
    """
    uniform = kind is Kind.uniform
    return stack_moments(
        stack_of(config, kind, depth),
        runs=1 if uniform else runs,
        statistic=config.statistic,
        seed=derive(config.seed, depth),
        aggregation=0 if uniform else config.aggregation,
        noise=config.noise,
        device=resolve_device(config.device),
        dtype=dtype,
    )


def map_of(config: StackConfig, moments: np.ndarray) -> InfluenceMap:
    """Return the influence map of runs' moment maps."""
    return map_of_samples(moments, config.statistic, ((0, moments.shape[1]),) * 2, config.aggregation)


def measure_map(config: StackConfig, kind: Kind, depth: int, runs: int, least: int) -> tuple[np.ndarray, InfluenceMap]:
    """Return the runs' moment maps, as :func:`measure_runs` does, and the map over them.

    Raises:
        InvalidInput: Fewer than ``least`` of them had any influence at all.
    """
    moments = measure_runs(config, kind, depth, runs)
    imap = map_of(config, moments)
    require_runs(imap, kind, depth, least)
    return moments, imap


def predicted_map(config: StackConfig, kind: Kind, depth: int) -> InfluenceMap:
    """Return the exact map (mean_abs of random kinds: that of wide layers) up to a factor, by sections 2.1 and 2.2."""
    layers = stack_of(config, kind, depth).theory()
    if kind is Kind.uniform:
        exact = theory.influence_map(layers, Statistic.signed_mean)
        return exact.with_moment(config.statistic.moment(exact.values), config.statistic)
    statistic = Statistic.mean_square if config.statistic is Statistic.mean_square else Statistic.rms
    return theory.influence_map(layers, statistic)


def mean_square_total(config: StackConfig, stack: ConvStack) -> float:
    """Return the expected sum over pixels of g^2 of one input channel of a random linear stack, dropout included.

    A product over layers of fan-out x variance; a unit that dropout may take from the layer has E[m^2] = 1 / (1 - p).
    """
    widths = [stack.input_channels] + [stack.channels] * stack.depth
    window = stack.kernel_size**2
    total = (1 - stack.dropout_rate) ** (1.0 - stack.depth)
    for c_in, c_out in pairwise(widths):
        total *= c_out * window * weight_variance(stack.init, c_in, c_out, window)
    return total / stack.channels if isinstance(config.aggregation, int) else total


def averaged_size(period: int, imap: InfluenceMap) -> float:
    """Return the ERF size of a map averaged over the period of its grid, in pixels."""
    return erf_size(grid_average(imap, period))


def mean_sigma(imap: InfluenceMap) -> float:
    """Return the root of the mean of the two axes' variances of a map, in pixels."""
    return math.sqrt(np.mean(np.square(map_moments(imap).sigma)))


def predicted_sigma(config: StackConfig, kind: Kind, depth: int) -> float:
    """Return the standard deviation of the Gaussian that the map tends to with depth, in pixels."""
    layers = stack_of(config, kind, depth).theory()
    if kind is not Kind.uniform:
        return theory.gaussian_sigma(layers, config.statistic)[0]
    sigma = theory.gaussian_sigma(layers, Statistic.signed_mean)[0]
    # The square of a Gaussian is one of half the variance.
    return sigma / math.sqrt(2) if config.statistic is Statistic.mean_square else sigma
