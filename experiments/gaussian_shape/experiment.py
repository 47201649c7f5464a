"""Figure 1: ERFs are Gaussian, with uniform and random weights, less so with ReLU (sections 2 and 3.1).

Claim F1: 3x3 kernels, depths 5 to 40, mean of 20 runs. How Gaussian a mean over few runs can look is a matter of their
number: 1 - r_squared falls like 1 / runs down to the exact map's own misfit, which is measured on groups of runs at
one depth.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import partial
from itertools import product

import numpy as np
from rich.console import Group

from erf import InfluenceMap, InvalidInput, PowerLaw, fit_gaussian, fit_power_law
from erf.seeds import derive
from experiments.harness.experiment import option
from experiments.harness.intervals import Interval, mean_interval
from experiments.harness.logbook import Logbook
from experiments.harness.soundness import Sides
from experiments.harness.table import table
from experiments.stacks.condition import log_condition, measure_each
from experiments.stacks.paper_stacks import (
    Kind,
    StackConfig,
    map_of,
    measure_map,
    measure_runs,
    predicted_map,
    predicted_sigma,
)

BOOTSTRAP = 1000  # resamplings of the groups for the exponent's interval


class GroupStream(IntEnum):
    """Streams of random numbers of the groups: of their runs, which are others than the panels', and of their draws."""

    runs = 1
    bootstrap = 2


@dataclass
class Config(StackConfig):
    """Which stacks are drawn, and how far runs are added up."""

    name: str = option("gaussian_shape", "the experiment's name, fixed; it names the folder of results")
    kinds: list[Kind] = option(
        [Kind.uniform, Kind.random, Kind.relu], "kinds of stack, a row of maps each", distinct=True
    )
    depths: list[int] = option([5, 10, 20, 40], "numbers of convolutions, a column of maps each", increasing_from=2)
    group_depth: int = option(20, "depth at which the fit is measured against the number of runs", least=2)
    group_runs: list[int] = option([20, 100, 200, 500], "runs in one map, increasing", increasing_from=1)
    group_total: int = option(2000, "runs in all, shared out into groups of each size")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.group_total < self.group_runs[-1]:
            raise InvalidInput(f"group_total={self.group_total} is too small; allowed: {self.group_runs[-1]} or more")


@dataclass(frozen=True)
class Panel:
    """One map of the figure and its Gaussian fit; sigmas in pixels."""

    kind: Kind
    depth: int
    trf_size: int
    runs: int
    skipped: int
    r_squared: float
    predicted_r_squared: float
    sigma: tuple[float, float]
    predicted_sigma: float
    excess_kurtosis: tuple[float, float]


@dataclass(frozen=True)
class Groups:
    """The fit of maps of so many runs: the mean of r_squared over disjoint groups, with its 95 % interval."""

    kind: Kind
    runs: int
    groups: int
    r_squared: float
    interval: Interval | None


@dataclass(frozen=True)
class Fall:
    """Exponents against the number of runs, with their 95 % intervals over groups.

    ``exponent`` is that of 1 - r_squared; ``noise_exponent`` that of what is left of it when the exact map's own
    misfit, which no number of runs removes, has been subtracted.
    """

    kind: Kind
    exponent: float
    interval: Interval
    noise_exponent: float
    noise_interval: Interval


@dataclass(frozen=True)
class Result:
    """The panels, and how the fit gets better with the number of runs.

    Arrays: ``map/<kind>/<depth> [S, S]`` and ``theory/<kind>/<depth> [S, S]``, each with peak 1.
    """

    config: Config
    panels: tuple[Panel, ...]
    groups: tuple[Groups, ...]
    falls: tuple[Fall, ...]
    arrays: dict[str, np.ndarray]

    def panel(self, kind: Kind, depth: int) -> Panel:
        """Return one panel."""
        return next(panel for panel in self.panels if (panel.kind, panel.depth) == (kind, depth))

    def of_kind(self, kind: Kind) -> list[Groups]:
        """Return the groups of one kind, by number of runs."""
        return [groups for groups in self.groups if groups.kind is kind]

    def map_in_words(self, key: str) -> str:
        """Return what the map of this key is of."""
        _, kind, depth = key.split("/")
        names = {"relu": "random weights and ReLU", "uniform": "uniform weights", "random": "random weights"}
        return f"{names.get(kind, kind.replace('_', ' '))}, {depth} layers"

    def layout(self) -> dict[str, Sides]:
        """Return the sides of each array."""
        maps = product(("map", "theory"), self.panels)
        return {f"{of}/{panel.kind}/{panel.depth}": (panel.trf_size, panel.trf_size) for of, panel in maps}

    def metrics(self) -> dict[str, float]:
        """Return each kind's r_squared at the largest depth."""
        return {f"r_squared_{kind}": self.panel(kind, self.config.depths[-1]).r_squared for kind in self.config.kinds}


def run(config: Config, logbook: Logbook) -> Result:
    """Measure and fit every panel, then groups of runs at one depth."""
    panels, arrays = [], {}
    conditions = product(config.kinds, config.depths)
    for at, imap in measure_each(logbook, InfluenceMap, partial(_measure, config), conditions, "measuring maps"):
        panels.append(_panel(config, *at, imap, arrays, logbook))
    groups: list[Groups] = []
    falls: list[Fall] = []
    kinds = [("groups", kind) for kind in config.kinds if kind is not Kind.uniform]
    measure = partial(_measure_groups, config)
    for (_, kind), misfits in measure_each(logbook, dict[int, np.ndarray], measure, kinds, "measuring groups of runs"):
        groups += _groups(config, kind, misfits)
        falls += _fall(config, kind, misfits)
    return Result(config, tuple(panels), tuple(groups), tuple(falls), arrays)


def _measure(config: Config, kind: Kind, depth: int) -> InfluenceMap:
    return measure_map(config, kind, depth, config.runs, least=1)[1]


def _panel(
    config: Config, kind: Kind, depth: int, imap: InfluenceMap, arrays: dict[str, np.ndarray], logbook: Logbook
) -> Panel:
    exact = predicted_map(config, kind, depth)
    fit, exact_fit = fit_gaussian(imap), fit_gaussian(exact)
    log_condition(logbook, kind, depth, imap, fit, r_squared=fit.r_squared, skipped_runs=imap.skipped)
    arrays[f"map/{kind}/{depth}"] = imap.values / imap.values.max()
    arrays[f"theory/{kind}/{depth}"] = exact.values / exact.values.max()
    return Panel(
        kind=kind,
        depth=depth,
        trf_size=imap.trf_size[0],
        runs=int(imap.samples),
        skipped=imap.skipped,
        r_squared=fit.r_squared,
        predicted_r_squared=exact_fit.r_squared,
        sigma=(fit.sigma[0], fit.sigma[1]),
        predicted_sigma=predicted_sigma(config, kind, depth),
        excess_kurtosis=(float(fit.moments.excess_kurtosis[0]), float(fit.moments.excess_kurtosis[1])),
    )


def _measure_groups(config: Config, _: str, kind: Kind) -> dict[int, np.ndarray]:
    """Return 1 - r^2 of each group, by the number of runs in a group."""
    apart = replace(config, seed=derive(config.seed, GroupStream.runs))
    moments = measure_runs(apart, kind, config.group_depth, config.group_total)
    influential = moments[moments.any(axis=(1, 2))]
    return {
        runs: np.array([1 - fit_gaussian(map_of(config, group)).r_squared for group in _split(influential, runs)])
        for runs in config.group_runs
    }


def _split(runs: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for first in range(0, len(runs) - size + 1, size):
        yield runs[first : first + size]


def _groups(config: Config, kind: Kind, misfits: dict[int, np.ndarray]) -> Iterator[Groups]:
    for runs in config.group_runs:
        fits = 1 - misfits[runs]
        if len(fits):  # fewer runs than asked for may have had any influence
            yield Groups(kind, runs, len(fits), float(fits.mean()), mean_interval(fits))


def _fall(config: Config, kind: Kind, misfits_of: dict[int, np.ndarray]) -> Iterator[Fall]:
    sizes = [runs for runs in config.group_runs if len(misfits_of[runs])]
    if len(sizes) < 3:
        return
    misfits = [misfits_of[runs] for runs in sizes]
    floor = 1 - fit_gaussian(predicted_map(config, kind, config.group_depth)).r_squared
    misfit, noise = (_misfit_law(config, sizes, [m - less for m in misfits]) for less in (0.0, floor))
    yield Fall(kind, misfit.exponent, misfit.interval, noise.exponent, noise.interval)


def _misfit_law(config: Config, sizes: list[int], misfits: list[np.ndarray]) -> PowerLaw:
    rng = np.random.default_rng(derive(config.seed, GroupStream.bootstrap))
    draws = [rng.choice(misfit, (BOOTSTRAP, len(misfit))).mean(1) for misfit in misfits]
    return fit_power_law(sizes, [misfit.mean() for misfit in misfits], np.stack(draws, axis=1))


def summary(result: Result) -> Group:
    """Return the tables of panels and groups."""
    panels = table(
        result.panels, "kind", "depth", ("TRF", "trf_size"), ("r²", "r_squared", 4),
        ("of theory", "predicted_r_squared", 4), ("sigma", lambda p: np.mean(p.sigma), 2),
        ("theory", "predicted_sigma", 2), ("kurtosis", lambda p: np.mean(p.excess_kurtosis), 2), "runs", "skipped",
    )  # fmt: skip
    groups = table(
        result.groups, "kind", "runs", "groups", ("mean r²", "r_squared", 4), ("95 %", "interval", 4),
        title=f"depth {result.config.group_depth}",
    )  # fmt: skip
    falls = table(
        result.falls, "kind", ("1 - r² ~ runs^x: x", "exponent", 3), ("95 %", "interval", 3),
        ("less theory's 1 - r²", "noise_exponent", 3), ("95 %", "noise_interval", 3),
    )  # fmt: skip
    return Group(panels, groups, falls)
