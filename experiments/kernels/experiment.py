"""Kernels of any weights: their ERFs are sums of steps (T3), Gaussian (I3), wider if low in the center (I1).

T3, section 2.3: a positive kernel w of sum 1 gives P(S_n = t), S_n a sum of n steps drawn from w, of standard
deviation sqrt(n Var[w]); with random weights w is the profile of their variances. I1, section 4: after any standard
init, scale the kernel's center down and its outside up; the extreme is the four corners. I3: whatever w is, the ERF
stays Gaussian.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

import numpy as np
import torch
from rich.console import Group

from erf import InfluenceMap, fit_power_law, theory
from erf.arguments.device import resolve_device
from erf.inits import Init
from erf.maps.sampled_map import map_of_samples
from erf.maps.statistic import Statistic
from erf.metrics.gaussian_fit import map_moments
from erf.metrics.normal_distance import line_distance, normal_distance
from erf.networks.conv_stack import ConvStack
from erf.seeds import derive
from erf.stacks.stack_influence import stack_moments
from experiments.harness.intervals import Interval, interval_of, largest_deviation
from experiments.harness.logbook import Logbook
from experiments.harness.marginals import marginals, sigma
from experiments.harness.soundness import Sides
from experiments.harness.table import measured, table
from experiments.kernels.center_low import Strength, measure_strengths
from experiments.kernels.config import Config
from experiments.kernels.profiles import Profile, profile_moments, profile_stack, whole_numbers
from experiments.stacks.condition import Condition, line_estimate, measure_each
from experiments.stacks.paper_stacks import Stream, map_of, mean_square_total


@dataclass(frozen=True)
class Fixed:
    """A fixed positive kernel in ``depth`` layers of one channel (T3), differences over the peak.

    ``exact_difference``: of the exact map from the n-fold convolution in whole numbers; ``measured_difference``: of the
    back-propagated one; ``variance_difference``: of the exact map's variance from n Var[w], relative.
    """

    profile: Profile
    kernel_size: int
    exact_difference: float
    measured_difference: float
    variance_difference: float


@dataclass(frozen=True)
class Random:
    """Random weights whose variances have a profile (T3): the mean_square map against the exact one.

    ``largest_deviation`` is the largest |measured - exact| over pixels, total included, in standard errors over runs;
    ``sigma`` the root of the mean of the two axes' variances, in pixels.
    """

    profile: Profile
    kernel_size: int
    depth: int
    largest_deviation: float
    sigma: float
    sigma_interval: Interval
    predicted_sigma: float


@dataclass(frozen=True)
class Distance:
    """Distance of the marginals to the normal by depth, the larger of both axes (I3).

    ``fixed``: of the back-propagated map of the fixed positive kernel. ``random``: of the mean_square map of random
    weights, with its intervals, and ``exponent`` with its interval against depth; only at the smallest kernel size.
    """

    profile: Profile
    kernel_size: int
    depths: tuple[int, ...]
    fixed: tuple[float, ...]
    random: tuple[float, ...] | None
    intervals: tuple[Interval, ...] | None
    exponent: float | None
    exponent_interval: Interval | None


@dataclass(frozen=True)
class Result:
    """What was measured.

    Arrays, for each profile at the smallest kernel size: ``kernel/<profile> [k, k]``, whole numbers;
    ``map/<profile> [S, S]``, mean_square of random weights at the largest depth, of sum 1; and ``theory/<profile>``.
    """

    config: Config
    fixed: tuple[Fixed, ...]
    random: tuple[Random, ...]
    distances: tuple[Distance, ...]
    strengths: tuple[Strength, ...]
    arrays: dict[str, np.ndarray]

    def of_size(self, kernel_size: int) -> list[Strength]:
        """Return the strengths at one kernel size."""
        return [s for s in self.strengths if s.kernel_size == kernel_size]

    def layout(self) -> dict[str, Sides]:
        """Return the sides of each array."""
        size, profiles = self.config.kernel_sizes[0], self.config.profiles
        kernels: dict[str, Sides] = {f"kernel/{profile}": (size, size) for profile in profiles}
        return kernels | {f"{of}/{profile}": ("S", "S") for profile in profiles for of in ("map", "theory")}

    def metrics(self) -> dict[str, float]:
        """Return the gain in sigma at the highest strength by kernel size, and each profile's exponent of distance."""
        gains = {f"gain_{size}x{size}": self.of_size(size)[-1].gain for size in self.config.kernel_sizes}
        exponents = {d.profile: d.exponent for d in self.distances if d.exponent is not None}
        return gains | {f"distance_exponent_{profile}": exponent for profile, exponent in exponents.items()}


def run(config: Config, logbook: Logbook) -> Result:
    """Measure fixed kernels, random ones with profiles of variance, and the strengths of the center-low init."""
    pairs = list(product(config.profiles, config.kernel_sizes))
    fixed = [_fixed(config, *pair) for pair in pairs]
    conditions = dict(measure_each(logbook, Condition, partial(_measure, config), _keys(config), "measuring profiles"))
    random = [_random(config, *key, condition) for key, condition in conditions.items()]
    distances = [_distance(config, *pair, conditions) for pair in pairs]
    strengths = list(measure_strengths(config, logbook))
    _log(random, distances, strengths, logbook)
    arrays = _arrays(config, conditions, logbook)
    return Result(config, tuple(fixed), tuple(random), tuple(distances), tuple(strengths), arrays)


Key = tuple[Profile, int, int]  # profile, kernel size, depth


def _keys(config: Config) -> list[Key]:
    """Return every profile at every kernel size, and at every depth the smallest kernels."""
    smallest = config.kernel_sizes[0]
    stacks = [(k, config.depth) for k in config.kernel_sizes] + [(smallest, depth) for depth in config.depths]
    return [(profile, *stack) for profile, stack in product(config.profiles, dict.fromkeys(stacks))]


def _stack(config: Config, profile: Profile, kernel_size: int, depth: int) -> ConvStack:
    return profile_stack(config, profile.weights(kernel_size, config.seed), depth)


def _fixed_map(config: Config, profile: Profile, kernel_size: int, depth: int) -> InfluenceMap:
    """Return the back-propagated map of one channel's fixed positive kernel."""
    random = _stack(config, profile, kernel_size, depth)
    stack = replace(random, init=Init.equal, channels=1, input_channels=1)
    device = resolve_device(config.device)
    signed = stack_moments(stack, 1, Statistic.signed_mean, aggregation=0, device=device, dtype=torch.float64)
    return map_of_samples(signed, Statistic.signed_mean, stack.trf_box, aggregation=0)


def _fixed(config: Config, profile: Profile, kernel_size: int) -> Fixed:
    layers = _stack(config, profile, kernel_size, config.depth).theory()
    exact = theory.influence_map(layers, Statistic.signed_mean)
    measured = _fixed_map(config, profile, kernel_size, config.depth)
    convolved = whole_numbers(profile.weights(kernel_size, config.seed), config.depth)
    closed = np.array(theory.variance(layers, Statistic.signed_mean))
    differences = np.diag(map_moments(exact).covariance) / closed - 1
    return Fixed(
        profile=profile,
        kernel_size=kernel_size,
        exact_difference=float(np.abs(exact.values - convolved).max() / convolved.max()),
        measured_difference=float(np.abs(measured.values - convolved).max() / convolved.max()),
        variance_difference=float(np.abs(differences).max()),
    )


def _measure(config: Config, profile: Profile, kernel_size: int, depth: int) -> Condition:
    stack = _stack(config, profile, kernel_size, depth)
    moments = profile_moments(config, stack)
    exact = theory.influence_map(stack.theory())
    lines, seed = marginals(moments), derive(config.seed, depth, Stream.bootstrap)
    quantities = {"sigma": sigma, "distance": _largest_distance}
    return Condition(
        map_of(config, moments),
        {name: line_estimate(lines, quantity, config.bootstrap, seed) for name, quantity in quantities.items()},
        largest_deviation(moments, exact.values * mean_square_total(config, stack)),
    )


def _largest_distance(lines: np.ndarray) -> np.ndarray:
    return line_distance(lines).max(-1)


def _random(config: Config, profile: Profile, kernel_size: int, depth: int, condition: Condition) -> Random:
    layers = _stack(config, profile, kernel_size, depth).theory()
    return Random(
        profile=profile,
        kernel_size=kernel_size,
        depth=depth,
        **condition.row(sigma=math.sqrt(np.mean(theory.variance(layers)))),
    )


def _distance(config: Config, profile: Profile, kernel_size: int, conditions: dict[Key, Condition]) -> Distance:
    maps = [_fixed_map(config, profile, kernel_size, depth) for depth in config.depths]
    fixed = tuple(max(normal_distance(imap)) for imap in maps)
    if kernel_size != config.kernel_sizes[0]:
        return Distance(profile, kernel_size, tuple(config.depths), fixed, None, None, None, None)
    estimates = [conditions[profile, kernel_size, depth].estimates["distance"] for depth in config.depths]
    random, draws = tuple(one.value for one in estimates), [one.resampled for one in estimates]
    law = fit_power_law(config.depths, random, np.stack(draws, axis=1))
    intervals = tuple(map(interval_of, draws))
    return Distance(profile, kernel_size, tuple(config.depths), fixed, random, intervals, law.exponent, law.interval)


def _arrays(config: Config, conditions: dict[Key, Condition], logbook: Logbook) -> dict[str, np.ndarray]:
    kernel_size, depth = config.kernel_sizes[0], config.depths[-1]
    arrays = {}
    for profile in config.profiles:
        imap = conditions[profile, kernel_size, depth].imap
        arrays[f"kernel/{profile}"] = profile.weights(kernel_size, config.seed)
        arrays[f"map/{profile}"] = imap.values / imap.values.sum()
        arrays[f"theory/{profile}"] = theory.influence_map(_stack(config, profile, kernel_size, depth).theory()).values
        logbook.map(f"map/{profile}", imap, None, depth)
    return arrays


def _log(random: list[Random], distances: list[Distance], strengths: list[Strength], logbook: Logbook) -> None:
    for r in random:
        size = f"{r.kernel_size}x{r.kernel_size}"
        numbers = {"sigma": r.sigma, "deviation": r.largest_deviation}
        logbook.scalars({f"{name}/{r.profile}/{size}": value for name, value in numbers.items()}, r.depth)
    for d in distances:
        size = f"{d.kernel_size}x{d.kernel_size}"
        for depth, fixed in zip(d.depths, d.fixed, strict=True):
            logbook.scalars({f"distance/{d.profile}/{size}": fixed}, depth)
    for s in strengths:
        size = f"{s.kernel_size}x{s.kernel_size}"
        logbook.scalars({f"gain/{size}": s.gain, f"size/{size}": s.size}, round(100 * s.strength))


def summary(result: Result) -> Group:
    """Return the tables of fixed kernels, random ones, distances to the normal and strengths."""
    kernel = ("profile", "profile"), ("kernel", "kernel_size")
    fixed = table(
        result.fixed, *kernel, ("exact", lambda f: f"{f.exact_difference:.1e}"),
        ("measured", lambda f: f"{f.measured_difference:.1e}"), ("variance", lambda f: f"{f.variance_difference:.1e}"),
        title="fixed kernels: differences",
    )  # fmt: skip
    random = table(
        result.random, *kernel, "depth", ("largest deviation (standard errors)", "largest_deviation", 2),
        *measured("sigma", "sigma", 3),
    )  # fmt: skip
    distances = table(
        result.distances, *kernel,
        *((f"at {depth}", lambda d, i=i: d.fixed[i], 3) for i, depth in enumerate(result.config.depths)),
        ("random: exponent", "exponent", 3), ("95 %", "exponent_interval", 3), title="distance to the normal by depth",
    )  # fmt: skip
    strengths = table(
        result.strengths, ("kernel", "kernel_size"), ("strength", lambda s: f"{s.strength:g}"), ("sigma", "sigma", 3),
        *measured("gain", "gain", 4), *measured("ERF size", "size", 1), title="center-low init",
    )  # fmt: skip
    return Group(fixed, random, distances, strengths)
