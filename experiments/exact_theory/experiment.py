"""Measured maps against exact theory: T1, T2 and T4, and the recursion of receptive fields, R1 (sections 2.1-2.4).

T1: uniform kernels give extended binomial coefficients. T2: with independent zero-mean weights the expected square of
the gradient is the n-fold convolution of the weight variances. T4: ReLU scales it by a constant and leaves its shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from rich.console import Group
from torch import nn

from erf import ConvLayer, InfluenceMap, fit_gaussian, theoretical_receptive_field, theory
from erf.maps.statistic import Statistic
from erf.seeds import derive
from experiments.harness.experiment import option
from experiments.harness.intervals import Interval, largest_deviation
from experiments.harness.logbook import Logbook
from experiments.harness.soundness import Sides
from experiments.harness.table import measured, table
from experiments.stacks.condition import Condition, estimates_of, log_condition, measure_each
from experiments.stacks.paper_stacks import (
    Kind,
    StackConfig,
    Stream,
    map_of,
    mean_sigma,
    mean_square_total,
    measure_map,
    measure_runs,
    predicted_sigma,
    stack_of,
)

# The worked example of R1: four 3x3 convolutions and one 2x2 pooling of stride 1 on a 10x10 image.
EXAMPLE_SIZE = (10, 10)
EXAMPLE_TRF_SIZES = (3, 5, 7, 9, 10)


@dataclass
class Config(StackConfig):
    """At which depths theory is checked, with how many runs."""

    name: str = option("exact_theory", "the experiment's name, fixed; it names the folder of results")
    kernel_sizes: list[int] = option([2, 3, 5], "of the uniform stacks (T1), increasing", increasing_from=2)
    depths: list[int] = option([5, 10, 20, 40], "of the uniform stacks (T1), increasing", increasing_from=1)
    depth: int = option(10, "of the random stacks (T2, T4)", least=2)  # one layer's map is flat, without a Gaussian
    runs: int = option(4000, "of the random stacks", least=2)
    statistic: Statistic = option(
        Statistic.mean_square, "exact theory is about this one", fixed="has no exact theory to compare with"
    )
    bootstrap: int = option(1000, "resamplings of the runs for each interval", least=1)


@dataclass(frozen=True)
class Uniform:
    """A uniform stack (T1): the largest difference from the coefficients, over the peak."""

    kernel_size: int
    depth: int
    exact_difference: float
    measured_difference: float


@dataclass(frozen=True)
class Random:
    """A random stack's mean_square map against the exact one (T2, T4), per-run means over input channels.

    ``largest_deviation`` is the largest |measured - exact| over pixels in standard errors over runs, after the maps
    have been brought to one total where ``scaled``; ``sigma`` is the root of the mean of the two axes' variances.
    """

    kind: Kind
    depth: int
    runs: int
    skipped: int
    scaled: bool
    largest_deviation: float
    sigma: float
    sigma_interval: Interval
    predicted_sigma: float


@dataclass(frozen=True)
class Result:
    """What was compared. Arrays: for each random kind ``<kind> [S, S]``, and ``theory [S, S]``, of sum 1."""

    config: Config
    uniform: tuple[Uniform, ...]
    random: tuple[Random, ...]
    example_trf_sizes: tuple[int, ...]
    arrays: dict[str, np.ndarray]

    def of_kind(self, kind: Kind) -> Random:
        """Return the comparison of one random kind."""
        return next(random for random in self.random if random.kind is kind)

    def layout(self) -> dict[str, Sides]:
        """Return the sides of each array."""
        return dict.fromkeys(("theory", *(str(random.kind) for random in self.random)), ("S", "S"))

    def metrics(self) -> dict[str, float]:
        """Return each random kind's sigma over the predicted one."""
        return {f"sigma_over_theory_{r.kind}": r.sigma / r.predicted_sigma for r in self.random}


def run(config: Config, logbook: Logbook) -> Result:
    """Compare uniform and random stacks with theory, and the recursion with the worked example."""
    layers = stack_of(config, Kind.random, config.depth).theory()
    exact = theory.influence_map(layers, Statistic.mean_square)
    arrays = {"theory": exact.values}
    uniform = [_uniform(config, k, n) for k in config.kernel_sizes for n in config.depths]
    random = []
    kinds, measure = ((kind,) for kind in (Kind.random, Kind.relu)), partial(_measure, config, exact)
    for (kind,), condition in measure_each(logbook, Condition, measure, kinds, "measuring random stacks"):
        random.append(_random(config, kind, condition))
        imap = condition.imap
        arrays[str(kind)] = imap.values / imap.values.sum()
        numbers = {"sigma": random[-1].sigma, "deviation": random[-1].largest_deviation}
        log_condition(logbook, kind, 0, imap, fit_gaussian(imap), **numbers)
    return Result(config, tuple(uniform), tuple(random), _example_trf_sizes(), arrays)


def _uniform(config: Config, kernel_size: int, depth: int) -> Uniform:
    settings = {key: getattr(config, key) for key in ("seed", "device")}
    stack = StackConfig(kernel_size=kernel_size, runs=1, **settings)
    measured = map_of(stack, measure_runs(stack, Kind.uniform, depth, 1, torch.float64)).values
    exact = theory.influence_map([ConvLayer(kernel_size)] * depth, Statistic.signed_mean).values
    coefficients = _coefficients(kernel_size, depth)
    peak = coefficients.max()
    return Uniform(
        kernel_size=kernel_size,
        depth=depth,
        exact_difference=float(np.abs(exact - coefficients).max() / peak),
        measured_difference=float(np.abs(measured - coefficients).max() / peak),
    )


def _coefficients(kernel_size: int, depth: int) -> np.ndarray:
    """Return the extended binomial coefficients over k^(2n), by whole numbers: (1 + x + ... + x^(k-1))^n per axis."""
    line = [1]
    for _ in range(depth):
        line = [sum(line[max(0, i - kernel_size + 1) : i + 1]) for i in range(len(line) + kernel_size - 1)]
    shares = np.array([coefficient / kernel_size**depth for coefficient in line])
    return np.outer(shares, shares)


def _measure(config: Config, exact: InfluenceMap, kind: Kind) -> Condition:
    moments, imap = measure_map(config, kind, config.depth, config.runs, least=2)
    influential = moments[moments.any(axis=(1, 2))]
    # The total of a linear stack follows from its weights' variances; that of ReLU is compared up to a factor.
    linear = kind is Kind.random
    total = mean_square_total(config, stack_of(config, kind, config.depth)) if linear else imap.values.sum()
    deviation = largest_deviation(influential, exact.values * total)
    seed = derive(config.seed, Stream.bootstrap)
    return Condition(imap, estimates_of(moments, imap, {"sigma": mean_sigma}, config.bootstrap, seed), deviation)


def _random(config: Config, kind: Kind, condition: Condition) -> Random:
    return Random(
        kind=kind,
        depth=config.depth,
        runs=condition.runs,
        skipped=condition.imap.skipped,
        scaled=kind is not Kind.random,
        **condition.row(sigma=predicted_sigma(config, kind, config.depth)),
    )


def _example_trf_sizes() -> tuple[int, ...]:
    network = nn.Sequential(*(nn.Conv2d(1, 1, 3) for _ in range(4)), nn.MaxPool2d(2, stride=1))
    names = [name for name, _ in network.named_children()]
    fields = theoretical_receptive_field(network, EXAMPLE_SIZE, names)
    return tuple(int(fields[name].size[0]) for name in names)


def summary(result: Result) -> Group:
    """Return the tables of uniform and random stacks and of the worked example."""
    uniform = table(
        result.uniform, ("kernel", "kernel_size"), "depth",
        ("exact - coefficients", lambda u: f"{u.exact_difference:.1e}"),
        ("measured - coefficients", lambda u: f"{u.measured_difference:.1e}"), title="T1: over the peak",
    )  # fmt: skip
    random = table(
        result.random, "kind", "depth", "runs", ("largest deviation (standard errors)", "largest_deviation", 2),
        *measured("sigma", "sigma", 3),
    )  # fmt: skip
    sizes = ("TRF sizes of the worked example", "example_trf_sizes"), ("expected", lambda _: EXAMPLE_TRF_SIZES)
    return Group(uniform, random, table([result], *sizes))
