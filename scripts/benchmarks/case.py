"""One line of the benchmark, and how two ways to do the same are timed fairly."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import numpy as np

from experiments.harness.environment import Environment
from scripts.benchmarks.limit import MatrixProduct, limit_ratio

LEAST_SECONDS = 0.5  # of one timing
SHORT_TURNS = 3  # times as many repetitions where a turn takes seconds, not a minute: medians are steadier

Durations = Sequence[Sequence[float]]
Measure = Callable[[], np.ndarray]
Clock = Callable[[], float]


class Disagreement(Exception):
    """Two ways to measure the same maps gave different ones."""


@dataclass(frozen=True)
class Case:
    """One line of the benchmark; None where there is no alternative or no limit.

    Attributes:
        name: What is measured.
        ours_seconds: Median duration of ours.
        repetitions: How often each was timed.
        threads: CPU threads of torch.
        device: Name of the device that computed.
        theirs_seconds: Median duration of the alternative.
        ratio: Theirs over ours.
        ratio_range: The smallest and the largest ratio of a repetition's two durations.
        limit_ratio: The duration of the useful operations at the rate of a large matrix product, over ours.
        max_relative_difference: Largest difference of any run's two maps, in units of their peak.
        relative_l2: Root of the sum of squared differences over that of squares, all runs together.
        ours_peak_mib: By how much it raises the peak memory of a fresh process that has loaded its libraries; None
            where it was not measured.
        theirs_peak_mib: Likewise of the alternative.
    """

    name: str
    ours_seconds: float
    repetitions: int
    threads: int
    device: str
    theirs_seconds: float | None = None
    ratio: float | None = None
    ratio_range: tuple[float, float] | None = None
    limit_ratio: float | None = None
    max_relative_difference: float | None = None
    relative_l2: float | None = None
    ours_peak_mib: float | None = None
    theirs_peak_mib: float | None = None

    @classmethod
    def of(cls, name: str, durations: Durations, environment: Environment) -> Case:
        """Return a case of what ours and, where there is one, the alternative took, in seconds of each repetition."""
        ours, *alternative = durations
        case = cls(name, median(ours), len(ours), environment.threads, environment.device)
        if not alternative:
            return case
        (theirs,) = alternative
        ratios = [their / our for our, their in zip(ours, theirs, strict=True)]
        seconds = median(theirs)
        return replace(
            case, theirs_seconds=seconds, ratio=seconds / case.ours_seconds, ratio_range=(min(ratios), max(ratios))
        )


@dataclass(frozen=True)
class Report:
    """All cases, and where they were timed."""

    environment: Environment
    cases: list[Case]


def time_in_turns(
    measurements: Sequence[Callable[[], Any]], repetitions: int, clock: Clock = time.perf_counter
) -> Durations:
    """Return how long each took at each repetition, in seconds; taking turns, all meet the same load of the machine.

    What takes less than LEAST_SECONDS is repeated within its turn, and the mean counts. By ``time.process_time`` it is
    the CPU's time, which other programs change less.
    """
    rounds = [[_seconds(measure, clock) for measure in measurements] for _ in range(repetitions)]
    return list(zip(*rounds, strict=True))


def median_seconds(measurements: Sequence[Callable[[], Any]], repetitions: int) -> list[float]:
    """Return the median duration of each, after a first time that does not count."""
    for measure in measurements:
        measure()
    return [median(durations) for durations in time_in_turns(measurements, repetitions)]


def _seconds(measure: Callable[[], Any], clock: Clock) -> float:
    start, elapsed, times = clock(), 0.0, 0
    while not times or elapsed < LEAST_SECONDS:
        measure()
        elapsed, times = clock() - start, times + 1
    return elapsed / times


@dataclass(frozen=True)
class Difference:
    """Of two maps of the same: the largest of any pixel in units of the peak, and relative L2."""

    of_the_peak: float
    relative_l2: float


def difference(name: str, ours: np.ndarray, theirs: np.ndarray, tolerance: float) -> Difference:
    """Compare maps.

    Raises:
        Disagreement: They differ by more than ``tolerance`` in relative L2.
    """
    of_the_peak = float(np.abs(ours - theirs).max() / np.abs(theirs).max())
    relative_l2 = float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))
    if not relative_l2 <= tolerance:
        raise Disagreement(f"{name}: the maps differ by {relative_l2:.1e} relative L2; allowed: {tolerance:.0e}")
    return Difference(of_the_peak, relative_l2)


def time_both(
    name: str,
    ours: Measure,
    theirs: Measure,
    repetitions: int,
    environment: Environment,
    difference: Difference,
    operations: int | None = None,
    clock: Clock = time.perf_counter,
) -> Case:
    """Return the case of two ways to measure the same, whose maps were compared before.

    Args:
        name: Of the case.
        ours: Measures by this library.
        theirs: Measures by the alternative.
        repetitions: How often each is timed.
        environment: Where.
        difference: Of the maps.
        operations: Useful ones of ours; None: it is not compared with the machine's limit.
        clock: That tells seconds.
    """
    product = MatrixProduct()
    measures = [ours, theirs, product]
    for measure in measures:
        measure()  # warms up
    *durations, of_product = time_in_turns(measures, repetitions, clock)
    case = Case.of(name, durations, environment)
    limit = None if operations is None else limit_ratio(operations, case.ours_seconds, median(of_product))
    differences = {"max_relative_difference": difference.of_the_peak, "relative_l2": difference.relative_l2}
    return replace(case, limit_ratio=limit, **differences)
