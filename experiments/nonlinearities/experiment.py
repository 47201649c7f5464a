"""Inset of Figure 1: with nonlinearities, more runs over weights and inputs give a more Gaussian ERF (section 2.4).

Claim F1b: 20 layers of random weights with ReLU, tanh or sigmoid, mean of 100 runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from rich.table import Table

from erf import InfluenceMap, InvalidInput, fit_gaussian
from erf.inits import Init
from experiments.harness.experiment import option
from experiments.harness.intervals import Interval, difference_interval, mean_interval
from experiments.harness.logbook import Logbook
from experiments.harness.soundness import Sides
from experiments.harness.table import table
from experiments.stacks.condition import log_condition, measure_each
from experiments.stacks.paper_stacks import (
    Kind,
    StackConfig,
    map_of,
    measure_map,
    predicted_map,
    predicted_sigma,
)


@dataclass
class Config(StackConfig):
    """Which nonlinearities are compared, at which numbers of runs."""

    name: str = option("nonlinearities", "the experiment's name, fixed; it names the folder of results")
    kinds: list[Kind] = option(
        [Kind.relu, Kind.tanh, Kind.sigmoid, Kind.leaky_relu, Kind.random],
        "kinds of stack; random has no nonlinearity",
        distinct=True,
    )
    depth: int = option(20, "number of convolutions", least=2)
    init: Init = option(
        Init.glorot_normal, "keeps tanh and sigmoid near their linear region; ReLU's shape has no scale"
    )
    runs: int = option(100, "runs that are not 0 everywhere in one map", least=1)
    fewer_runs: int = option(20, "the smaller number of runs to compare with", least=1)
    groups: int = option(10, "disjoint groups of runs, for intervals", least=2)

    def __post_init__(self) -> None:
        super().__post_init__()
        if Kind.uniform in self.kinds:
            raise InvalidInput("kinds: uniform stacks have no runs to average over; allowed are the random kinds")
        if self.fewer_runs >= self.runs:
            raise InvalidInput(f"fewer_runs={self.fewer_runs} must be smaller than runs={self.runs}")


@dataclass(frozen=True)
class Fits:
    """Gaussian fits of one kind of stack: r_squared of each group of runs, means with 95 % intervals.

    ``gain`` is the interval of r_squared with the larger number of runs minus that with the smaller one.
    """

    kind: Kind
    measured: int
    skipped: int
    r_squared: tuple[float, ...]
    interval: Interval
    fewer_r_squared: tuple[float, ...]
    fewer_interval: Interval
    gain: Interval
    sigma: tuple[float, float]
    predicted_sigma: float


@dataclass(frozen=True)
class Result:
    """The fits by kind. Arrays: ``map/<kind> [S, S]``, the first group's map, and ``theory [S, S]``, of peak 1."""

    config: Config
    fits: tuple[Fits, ...]
    arrays: dict[str, np.ndarray]

    def of_kind(self, kind: Kind) -> Fits:
        """Return the fits of one kind."""
        return next(fits for fits in self.fits if fits.kind is kind)

    def layout(self) -> dict[str, Sides]:
        """Return the sides of each array."""
        return dict.fromkeys(("theory", *(f"map/{fits.kind}" for fits in self.fits)), ("S", "S"))

    def metrics(self) -> dict[str, float]:
        """Return each kind's mean r_squared over groups."""
        return {f"r_squared_{fits.kind}": float(np.mean(fits.r_squared)) for fits in self.fits}


def run(config: Config, logbook: Logbook) -> Result:
    """Measure groups of runs of every kind and fit each group's map."""
    exact = predicted_map(config, config.kinds[0], config.depth)
    arrays = {"theory": exact.values / exact.values.max()}
    fits = []
    kinds = ((kind,) for kind in config.kinds)
    for (kind,), group in measure_each(logbook, GroupFits, partial(_measure, config), kinds, "nonlinearities"):
        fits.append(group.fits)
        numbers = {"r_squared": float(np.mean(group.fits.r_squared)), "skipped_runs": group.fits.skipped}
        log_condition(logbook, kind, config.runs, group.imap, fit_gaussian(group.imap), **numbers)
        arrays[f"map/{kind}"] = group.imap.values / group.imap.values.max()
    return Result(config, tuple(fits), arrays)


@dataclass(frozen=True)
class GroupFits:
    """What is kept of one kind: the first group's map, and the fits of all groups."""

    imap: InfluenceMap
    fits: Fits


def _measure(config: Config, kind: Kind) -> GroupFits:
    wanted = config.runs * config.groups
    # With a ReLU at the end about half of the runs are 0 everywhere; three times as many leave enough.
    drawn = 3 * wanted if kind is Kind.relu and config.final_activation else wanted
    moments, over_all = measure_map(config, kind, config.depth, drawn, least=wanted)
    influential = moments[moments.any(axis=(1, 2))][:wanted]
    first = map_of(config, influential[: config.runs])
    more, fewer = (tuple(_r_squared(config, influential, runs)) for runs in (config.runs, config.fewer_runs))
    interval, fewer_interval, gain = mean_interval(more), mean_interval(fewer), difference_interval(more, fewer)
    assert interval is not None, "the config asks for two groups at least"
    assert fewer_interval is not None
    assert gain is not None
    sigma = fit_gaussian(first).sigma
    fits = Fits(
        kind=kind,
        measured=len(moments),
        skipped=over_all.skipped,
        r_squared=more,
        interval=interval,
        fewer_r_squared=fewer,
        fewer_interval=fewer_interval,
        gain=gain,
        sigma=(sigma[0], sigma[1]),
        predicted_sigma=predicted_sigma(config, kind, config.depth),
    )
    return GroupFits(first, fits)


def _r_squared(config: Config, moments: np.ndarray, runs: int) -> Iterator[float]:
    """Yield the fit of the first ``runs`` of each group."""
    for first in range(0, len(moments), config.runs):
        yield fit_gaussian(map_of(config, moments[first : first + runs])).r_squared


def summary(result: Result) -> Table:
    """Return the table of fits."""
    return table(
        result.fits, "kind", (f"r² of {result.config.runs} runs", lambda f: np.mean(f.r_squared), 4),
        ("95 %", "interval", 4), (f"r² of {result.config.fewer_runs}", lambda f: np.mean(f.fewer_r_squared), 4),
        ("95 %", "fewer_interval", 4), ("gain", "gain", 4), ("sigma", lambda f: np.mean(f.sigma), 2),
        ("theory", "predicted_sigma", 2), "measured", "skipped",
    )  # fmt: skip
