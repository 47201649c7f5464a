"""Strengths of the center-low init: sigma and ERF size against theory (I1, section 4 of the paper)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product

from erf import theory
from erf.inits import center_low_profile
from erf.metrics.gaussian_fit import map_moments
from erf.networks.conv_stack import ConvStack
from erf.seeds import derive
from experiments.harness.intervals import Interval, interval_of
from experiments.harness.logbook import Logbook
from experiments.harness.marginals import marginals, sigma
from experiments.kernels.config import Config
from experiments.kernels.profiles import profile_moments, profile_stack
from experiments.stacks.condition import Condition, estimates_of, line_estimate, measure_each
from experiments.stacks.paper_stacks import Stream, averaged_size, map_of


@dataclass(frozen=True)
class Strength:
    """A strength of the center-low init (I1), mean_square; sigma and size in pixels.

    ``gain`` is sigma over that at strength 0 and ``step`` its interval minus the strength before (None at 0), each with
    the same draws run by run. ``size`` is the ERF size of the map averaged over the period k - 1 of the corners' grid,
    relative to its peak.
    """

    kernel_size: int
    strength: float
    sigma: float
    predicted_sigma: float
    gain: float
    gain_interval: Interval
    predicted_gain: float
    step: Interval | None
    size: float
    size_interval: Interval
    predicted_size: float


def measure_strengths(config: Config, logbook: Logbook) -> Iterator[Strength]:
    """Yield every strength at every kernel size."""
    conditions, measure = product(config.kernel_sizes, config.strengths), partial(_measure, config)
    first: Condition | None = None
    before: Condition | None = None
    for (kernel_size, strength), condition in measure_each(
        logbook, Condition, measure, conditions, "measuring strengths"
    ):
        first = first if first and strength else condition
        yield _strength(config, kernel_size, strength, condition, first, before if strength else None)
        before = condition


def _center_low(config: Config, kernel_size: int, strength: float) -> ConvStack:
    return profile_stack(config, (center_low_profile((kernel_size,) * 2, strength) ** 2).numpy(), config.depth)


def _measure(config: Config, kernel_size: int, strength: float) -> Condition:
    moments = profile_moments(config, _center_low(config, kernel_size, strength))
    imap, size = map_of(config, moments), {"size": partial(averaged_size, kernel_size - 1)}
    # One seed for all strengths: they are compared over the same runs.
    seed = derive(config.seed, config.depth, Stream.bootstrap)
    width = line_estimate(marginals(moments), sigma, config.bootstrap, seed)
    return Condition(imap, {"sigma": width} | estimates_of(moments, imap, size, config.bootstrap, seed, paired=True))


def _strength(
    config: Config, kernel_size: int, strength: float, condition: Condition, first: Condition, before: Condition | None
) -> Strength:
    exact, none = (theory.influence_map(_center_low(config, kernel_size, s).theory()) for s in (strength, 0.0))
    predicted, without = (map_moments(imap).sigma[0] for imap in (exact, none))
    width, standard = condition.estimates["sigma"], first.estimates["sigma"]
    gains = width.resampled / standard.resampled
    return Strength(
        kernel_size=kernel_size,
        strength=strength,
        sigma=width.value,
        predicted_sigma=predicted,
        gain=width.value / standard.value,
        gain_interval=interval_of(gains),
        predicted_gain=predicted / without,
        step=None if before is None else interval_of(gains - before.estimates["sigma"].resampled / standard.resampled),
        **condition.row(size=averaged_size(kernel_size - 1, exact)),
    )
