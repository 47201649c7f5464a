"""One line of the benchmark, and how two ways to do the same are timed fairly."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any


class Disagreement(Exception):
    """Two ways to measure the same maps gave different ones."""


@dataclass(frozen=True)
class Case:
    """One line of the benchmark; None where there is no alternative.

    Attributes:
        name: What is measured.
        ours_seconds: Median duration of ours.
        repetitions: How often each was timed.
        threads: CPU threads of torch.
        device: Name of the device that computed.
        theirs_seconds: Median duration of the alternative.
        ratio: Theirs over ours.
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
    max_relative_difference: float | None = None
    relative_l2: float | None = None
    ours_peak_mib: float | None = None
    theirs_peak_mib: float | None = None


def interleaved_medians(measurements: Sequence[Callable[[], Any]], repetitions: int) -> list[float]:
    """Return the median duration of each, in seconds; taking turns, all meet the same load of the machine."""
    rounds = [[_seconds(measure) for measure in measurements] for _ in range(repetitions)]
    return [median(durations) for durations in zip(*rounds, strict=True)]


def _seconds(measure: Callable[[], Any]) -> float:
    start = time.perf_counter()
    measure()
    return time.perf_counter() - start
