"""Dropout leaves the shape of an ERF: the dropout part of claim T5 (section 2.5 of the paper).

Dropout stays on while the map is measured, with masks of its own for each run. Each unit on a path multiplies its
square's expectation by 1 / (1 - p), and all paths cross as many units: E[g^2] grows by a constant and keeps its shape,
whether single units are dropped or whole channels. That is tested by two one-sided tests of equivalence, which both
reject at 2.5 % where the 95 % interval lies within the margin. E|g| has no such law in narrow nets.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from rich.table import Table

from erf import InfluenceMap, InvalidInput, fit_gaussian, theory
from erf.arguments.device import resolve_device
from erf.maps.statistic import Statistic
from erf.metrics.gaussian_fit import map_moments
from erf.networks.conv_stack import ConvStack, Dropout
from erf.seeds import derive
from erf.stacks.stack_influence import stack_influence
from experiments.harness.experiment import option
from experiments.harness.intervals import Interval, interval_of, largest_deviation
from experiments.harness.logbook import Logbook
from experiments.harness.marginals import marginals, sigma
from experiments.harness.soundness import Sides
from experiments.harness.table import table
from experiments.harness.validation import require_increasing
from experiments.stacks.condition import Condition, Estimate, line_estimate, measure_each
from experiments.stacks.paper_stacks import Kind, StackConfig, Stream, map_of, mean_square_total, stack_of

MARGIN = 0.02  # of sigma, within which shapes count as equal
FEWEST = 20  # runs that are not 0 everywhere: a resampling of fewer may be empty


@dataclass
class Config(StackConfig):
    """At which rates random linear stacks are measured, and how wide they are."""

    name: str = option("dropout", "the experiment's name, fixed; it names the folder of results")
    rates: list[float] = option(
        [0.0, 0.1, 0.2, 0.3, 0.4, 0.5], "of dropped units, increasing from 0, which the others are compared with"
    )
    depth: int = option(
        10, "number of convolutions; dropout follows each but the last, whose unit is measured", least=2
    )
    narrow: list[int] = option([1, 4], "channels of narrower stacks, below channels, increasing; elementwise only")
    runs: int = option(4000, "draws of weights and dropped units for each point", least=FEWEST)
    statistic: Statistic = option(
        Statistic.mean_square,
        "what the claim is about; mean_abs is measured beside it",
        fixed="is not what the claim is about",
    )
    bootstrap: int = option(1000, "resamplings of the runs for each interval", least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.narrow:
            require_increasing("narrow", self.narrow, least=1)
        if self.narrow and self.narrow[-1] >= self.channels:
            raise InvalidInput(f"narrow={self.narrow}: allowed are numbers below channels={self.channels}")
        if isinstance(self.aggregation, int) and self.narrow and self.aggregation >= self.narrow[0]:
            raise InvalidInput(f"aggregation={self.aggregation}: narrow={self.narrow} lacks that channel")
        rates = self.rates
        if len(rates) < 2 or rates[0] != 0 or sorted(set(rates)) != rates or not rates[-1] < 1:
            raise InvalidInput(
                f"rates={rates}: allowed are increasing numbers from 0 to below 1, 0 and another at least"
            )


@dataclass(frozen=True)
class Width:
    """The width of a map by its moments, in pixels, the root of the mean of the two axes' variances.

    ``over_theory`` and ``over_zero`` are 95 % intervals over runs of sigma divided by that of the exact map (of
    mean_abs: the one of wide layers), and by that at rate 0, with the same weights run by run (None at rate 0).
    """

    sigma: float
    predicted_sigma: float
    over_theory: Interval
    zero_sigma: float
    over_zero: Interval | None


@dataclass(frozen=True)
class Point:
    """One rate of one kind of dropout in stacks of one width.

    ``largest_deviation`` is the largest |measured - exact| of mean_square over pixels, total included, in standard
    errors over runs; None of narrow stacks, whose few largest runs outweigh all others, so that such an error means
    little. ``zero_runs`` had no influence anywhere, and count in every mean.
    """

    dropout: Dropout
    channels: int
    rate: float
    runs: int
    zero_runs: int
    largest_deviation: float | None
    mean_square: Width
    mean_abs: Width


@dataclass(frozen=True)
class Result:
    """All points. Arrays: ``map/<dropout>/<rate> [S, S]`` of the wide stacks, mean_square, and ``theory``, of sum 1."""

    config: Config
    points: tuple[Point, ...]
    arrays: dict[str, np.ndarray]

    def of(self, dropout: Dropout, channels: int) -> list[Point]:
        """Return the points of one kind of dropout and one width, by rate."""
        return [p for p in self.points if (p.dropout, p.channels) == (dropout, channels)]

    def layout(self) -> dict[str, Sides]:
        """Return the sides of each array."""
        wide = [point for point in self.points if point.channels == self.config.channels]
        maps = (f"map/{point.dropout}/{point.rate}" for point in wide)
        return dict.fromkeys(("theory", *maps), ("S", "S"))

    def metrics(self) -> dict[str, float]:
        """Return, for each kind of dropout, sigma at the highest rate over that at rate 0, in the wide stacks."""
        last = {dropout: self.of(dropout, self.config.channels)[-1].mean_square for dropout in Dropout}
        return {f"sigma_over_rate_0_{dropout}": width.sigma / width.zero_sigma for dropout, width in last.items()}


def run(config: Config, logbook: Logbook) -> Result:
    """Measure every kind of dropout at every rate."""
    exact = theory.influence_map(_stack(config, Dropout.elementwise, config.channels, 0.0).theory())
    arrays, points = {"theory": exact.values}, []
    kinds = [(Dropout.elementwise, n) for n in (*config.narrow, config.channels)] + [(Dropout.spatial, config.channels)]
    conditions = [(*kind, rate) for kind in kinds for rate in config.rates]
    measure = partial(_measure, config, exact)
    zero: dict[tuple[Dropout, int], Condition] = {}
    for at, condition in measure_each(logbook, Condition, measure, conditions, "measuring dropout"):
        dropout, channels, rate = at
        at_zero = zero.setdefault((dropout, channels), condition)
        points.append(_point(config, _stack(config, *at), condition, at_zero))
        _log(config, points[-1], condition, logbook)
        if channels == config.channels:
            arrays[f"map/{dropout}/{rate}"] = condition.imap.values / condition.imap.values.sum()
    return Result(config, tuple(points), arrays)


def _stack(config: Config, dropout: Dropout, channels: int, rate: float) -> ConvStack:
    stack = stack_of(config, Kind.random, config.depth)
    return replace(stack, channels=channels, dropout=dropout, dropout_rate=rate)


def _measure(config: Config, exact: InfluenceMap, dropout: Dropout, channels: int, rate: float) -> Condition:
    stack = _stack(config, dropout, channels, rate)
    squares, absolutes = _moments(config, stack)
    imap = map_of(config, squares)
    if imap.samples < FEWEST:
        raise InvalidInput(
            f"rates: {dropout} dropout at rate {rate} of {channels} channels leaves {imap.samples} of {config.runs} "
            f"runs with any influence, {FEWEST} are needed"
        )
    sigmas = {"mean_square": _sigma(config, squares), "mean_abs": _sigma(config, absolutes)}
    return Condition(imap, sigmas, largest_deviation(squares, exact.values * mean_square_total(config, stack)))


def _sigma(config: Config, moments: np.ndarray) -> Estimate:
    # One seed for all rates: they are compared over the same runs.
    return line_estimate(marginals(moments), sigma, config.bootstrap, derive(config.seed, Stream.bootstrap))


def _moments(config: Config, stack: ConvStack) -> tuple[np.ndarray, np.ndarray]:
    """Return the runs' g^2 and |g|, averaged over input channels."""
    settings = {"seed": derive(config.seed, config.depth), "device": resolve_device(config.device)}
    runs = stack_influence(stack, range(config.runs), aggregation=config.aggregation, noise=config.noise, **settings)
    moments = [(g.double().square().mean(1).cpu(), g.double().abs().mean(1).cpu()) for g in runs]
    squares, absolutes = (np.concatenate(of) for of in zip(*moments, strict=True))
    return squares, absolutes


def _point(config: Config, stack: ConvStack, condition: Condition, zero: Condition) -> Point:
    exact = {"mean_square": theory.influence_map(stack.theory()), "mean_abs": theory.mean_abs_limit(stack.theory())}
    widths = {
        name: _width(stack, wide, condition.estimates[name], zero.estimates[name]) for name, wide in exact.items()
    }
    return Point(
        dropout=stack.dropout,
        channels=stack.channels,
        rate=stack.dropout_rate,
        runs=config.runs,
        zero_runs=condition.imap.skipped,
        largest_deviation=condition.largest_deviation if stack.channels == config.channels else None,
        **widths,
    )


def _width(stack: ConvStack, wide: InfluenceMap, sigma: Estimate, zero: Estimate) -> Width:
    predicted = map_moments(wide).sigma[0]
    return Width(
        sigma=sigma.value,
        predicted_sigma=predicted,
        over_theory=interval_of(sigma.resampled / predicted),
        zero_sigma=zero.value,
        over_zero=interval_of(sigma.resampled / zero.resampled) if stack.dropout_rate else None,
    )


def _log(config: Config, point: Point, condition: Condition, logbook: Logbook) -> None:
    step = round(100 * point.rate)
    numbers = {"sigma": point.mean_square.sigma, "sigma_mean_abs": point.mean_abs.sigma}
    numbers["zero_runs"] = point.zero_runs
    if point.largest_deviation is not None:
        numbers["deviation"] = point.largest_deviation
    kind = f"{point.dropout}/{point.channels}"
    logbook.scalars({f"{name}/{kind}": value for name, value in numbers.items()}, step)
    if point.channels == config.channels:
        logbook.map(f"map/{point.dropout}", condition.imap, fit_gaussian(condition.imap), step)


def summary(result: Result) -> Table:
    """Return the table of widths by kind, channels and rate."""
    return table(
        result.points, "dropout", "channels", ("rate", lambda p: f"{p.rate:g}"), "runs", ("0 everywhere", "zero_runs"),
        ("largest deviation (standard errors)", "largest_deviation", 2),
        ("sigma / theory, 95 %", "mean_square.over_theory", 4), ("/ rate 0, 95 %", "mean_square.over_zero", 4),
        ("mean_abs: / rate 0, 95 %", "mean_abs.over_zero", 4), title="sigma of mean_square",
    )  # fmt: skip
