"""Figure 2: the ERF grows like the root of the depth, and its share of the TRF shrinks (section 3.1).

Claim F2: on a log-log plot over depths the ERF size has slope 0.56 against the theoretical one and their ratio -0.43,
in the paper, for 20 runs each; in the limit of deep stacks theory has 0.5 and -0.5.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
from rich.console import Group

from erf import erf_size, fit_gaussian, fit_power_law
from erf.metrics.erf_size import contour_size
from erf.seeds import derive
from experiments.harness.experiment import option
from experiments.harness.intervals import Interval
from experiments.harness.logbook import Logbook
from experiments.harness.soundness import Sides
from experiments.harness.table import measured, table
from experiments.stacks.condition import Condition, estimates_of, log_condition, measure_each
from experiments.stacks.paper_stacks import (
    Kind,
    StackConfig,
    Stream,
    measure_map,
    predicted_map,
    predicted_sigma,
)

# Figure 2 of the paper.
PAPER_SLOPES = {"size": 0.56, "ratio": -0.43}
# The paper's depths (section 3.1, Figure 1), and where its finite-depth excess over 0.5 has died away.
PAPER_DEPTHS, DEEP = (5, 40), 40

# Where the prediction is drawn: doubling from one to another gives its slope over a factor of 2.
THEORY_DEPTHS = (5, 7, 10, 14, 20, 28, 40, 56, 80, 112, 160)


@dataclass
class Config(StackConfig):
    """Which stacks are measured at which depths."""

    name: str = option("erf_growth", "the experiment's name, fixed; it names the folder of results")
    kinds: list[Kind] = option([Kind.uniform, Kind.random, Kind.relu], "kinds of stack", distinct=True)
    depths: list[int] = option(  # one layer's map may be flat, without a Gaussian
        [5, 10, 15, 20, 25, 30, 35, 40, 50, 60, 70, 80, 90, 100],
        "numbers of convolutions, increasing",
        increasing_from=2,
    )
    runs: int = option(20, "draws of weights and inputs for each point", least=2)
    bootstrap: int = option(1000, "resamplings of the runs for each interval", least=1)

    @property
    def all_depths(self) -> tuple[int, int]:
        """The smallest and the largest."""
        return self.depths[0], self.depths[-1]


@dataclass(frozen=True)
class Point:
    """One kind of stack at one depth; sizes and sigmas in pixels, intervals 95 % over runs.

    ``predicted_size`` is that of the exact map, ``predicted_sigma`` that of its Gaussian limit.
    """

    kind: Kind
    depth: int
    trf_size: int
    runs: int
    skipped: int
    size: float
    size_interval: Interval | None
    predicted_size: float
    sigma: tuple[float, float]
    predicted_sigma: float
    r_squared: float

    @property
    def ratio(self) -> float:
        """ERF size / TRF size."""
        return self.size / self.trf_size


@dataclass(frozen=True)
class Slope:
    """An exponent of ``y`` ("size" or "ratio") against ``x`` ("depth" or "trf_size") over a range of depths.

    ``interval`` is 95 %, over runs (of uniform stacks, whose runs are equal: of the scatter about the line);
    ``predicted`` is the exponent of the exact sizes at the same depths.
    """

    kind: Kind
    y: str
    x: str
    depths: tuple[int, int]
    exponent: float
    interval: Interval
    predicted: float


@dataclass(frozen=True)
class Result:
    """All points, their slopes (none over ranges with fewer than three depths), and predictions between the points.

    Arrays: ``theory_depths [T]``; at those depths ``predicted_sizes/uniform [T]`` and ``predicted_sizes/random [T]``,
    between pixels (``contour_size``), the latter for all random kinds; for each kind ``<kind>/resampled_sizes [B, P]``.
    """

    config: Config
    points: tuple[Point, ...]
    slopes: tuple[Slope, ...]
    arrays: dict[str, np.ndarray]

    def of_kind(self, kind: Kind) -> list[Point]:
        """Return the points of one kind, by depth."""
        return [point for point in self.points if point.kind is kind]

    def slope(self, kind: Kind, y: str, x: str, depths: tuple[int, int]) -> Slope | None:
        """Return one slope, or None where it could not be fitted."""
        return next((s for s in self.slopes if (s.kind, s.y, s.x, s.depths) == (kind, y, x, depths)), None)

    def layout(self) -> dict[str, Sides]:
        """Return the sides of each array."""
        config = self.config
        layout: dict[str, Sides] = {
            f"{kind}/resampled_sizes": (0 if kind is Kind.uniform else config.bootstrap, len(config.depths))
            for kind in config.kinds
        }
        theory = ("theory_depths", "predicted_sizes/uniform", "predicted_sizes/random")
        return layout | dict.fromkeys(theory, ("T",))

    def metrics(self) -> dict[str, float]:
        """Return each kind's size at the largest depth and its exponent against the TRF over all depths."""
        sizes = {f"size_{kind}": self.of_kind(kind)[-1].size for kind in self.config.kinds}
        fitted = [self.slope(kind, "size", "trf_size", self.config.all_depths) for kind in self.config.kinds]
        return sizes | {f"exponent_{slope.kind}": slope.exponent for slope in fitted if slope}


def run(config: Config, logbook: Logbook) -> Result:
    """Measure every kind at every depth and fit the slopes."""
    conditions = product(config.kinds, config.depths)
    measured = dict(measure_each(logbook, Condition, partial(_measure, config), conditions, "measuring stacks"))
    points = [_report(config, *at, condition, logbook) for at, condition in measured.items()]
    arrays = {"theory_depths": np.array(THEORY_DEPTHS, dtype=np.float64)} | _predicted_sizes(config)
    for kind in config.kinds:
        sizes = [measured[kind, depth].estimates["size"].resampled for depth in config.depths]
        arrays[f"{kind}/resampled_sizes"] = np.stack(sizes, axis=1)
    return Result(config, tuple(points), tuple(_slopes(config, points, arrays)), arrays)


def _measure(config: Config, kind: Kind, depth: int) -> Condition:
    least, replicates = (1, 0) if kind is Kind.uniform else (2, config.bootstrap)
    moments, imap = measure_map(config, kind, depth, config.runs, least)
    seed = derive(config.seed, depth, Stream.bootstrap)
    return Condition(imap, estimates_of(moments, imap, {"size": erf_size}, replicates, seed))


def _slopes(config: Config, points: list[Point], arrays: dict[str, np.ndarray]) -> Iterator[Slope]:
    ranges = dict.fromkeys([PAPER_DEPTHS, (DEEP, config.depths[-1]), config.all_depths])
    for kind, depths in product(config.kinds, ranges):
        chosen = [p for p in points if p.kind is kind and depths[0] <= p.depth <= depths[1]]
        if len(chosen) < 3:
            continue
        columns = [i for i, depth in enumerate(config.depths) if depths[0] <= depth <= depths[1]]
        resampled = arrays[f"{kind}/resampled_sizes"][:, columns]
        for y, x in product(("size", "ratio"), ("trf_size", "depth")):
            yield _slope(chosen, resampled, y, x, depths)


def _slope(chosen: list[Point], resampled: np.ndarray, y: str, x: str, depths: tuple[int, int]) -> Slope:
    scale = np.array([point.trf_size if y == "ratio" else 1 for point in chosen])
    at = [getattr(point, x) for point in chosen]
    law = fit_power_law(at, [point.size for point in chosen] / scale, resampled / scale if len(resampled) else None)
    predicted = fit_power_law(at, [point.predicted_size for point in chosen] / scale).exponent
    return Slope(chosen[0].kind, y, x, depths, law.exponent, law.interval, predicted)


def _predicted_sizes(config: Config) -> dict[str, np.ndarray]:
    """Return the predictions at THEORY_DEPTHS of uniform stacks and of random ones, the same for any nonlinearity."""
    return {
        f"predicted_sizes/{kind}": np.array([contour_size(predicted_map(config, kind, n)) for n in THEORY_DEPTHS])
        for kind in (Kind.uniform, Kind.random)
    }


def _report(config: Config, kind: Kind, depth: int, condition: Condition, logbook: Logbook) -> Point:
    imap = condition.imap
    fit = fit_gaussian(imap)
    point = Point(
        kind=kind,
        depth=depth,
        trf_size=imap.trf_size[0],
        runs=condition.runs,
        skipped=imap.skipped,
        **condition.row(size=erf_size(predicted_map(config, kind, depth))),
        sigma=(fit.sigma[0], fit.sigma[1]),
        predicted_sigma=predicted_sigma(config, kind, depth),
        r_squared=fit.r_squared,
    )
    numbers = {"size": point.size, "ratio": point.ratio, "sigma": float(np.mean(fit.sigma))}
    numbers |= {"r_squared": fit.r_squared, "skipped_runs": imap.skipped}
    log_condition(logbook, kind, depth, imap, fit, **numbers)
    return point


def summary(result: Result) -> Group:
    """Return the tables of sizes and slopes."""
    sizes = table(
        result.points, "kind", "depth", ("TRF", "trf_size"), *measured("ERF size", "size", 1), ("ratio", "ratio", 3),
        ("sigma", lambda p: np.mean(p.sigma), 2), ("r²", "r_squared", 3), "runs", "skipped",
    )  # fmt: skip
    slopes = table(
        result.slopes, "kind", ("slope of", "y"), ("against", "x"),
        ("depths", lambda s: f"{s.depths[0]}-{s.depths[1]}"), ("exponent", "exponent", 3), ("95 %", "interval", 3),
        ("theory", "predicted", 3), ("paper", lambda s: PAPER_SLOPES[s.y] if s.depths == PAPER_DEPTHS else ""),
    )  # fmt: skip
    return Group(sizes, slopes)
