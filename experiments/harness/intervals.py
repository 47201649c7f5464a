"""95 % intervals: of means over groups of runs, and by resampling runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from erf import InfluenceMap
from erf.metrics.power_law import TAILS

Interval = tuple[float, float]

# Resampled maps held in memory at once.
CHUNK = 50

# Exact maps promise their relative error down to this share of the peak.
FAINT = 1e-12


@dataclass(frozen=True)
class Mean:
    """A mean over trainings and its 95 % interval, t; None for fewer than two."""

    value: float
    interval: Interval | None

    @classmethod
    def of(cls, values: Sequence[float] | np.ndarray) -> Mean:
        """Return that of independent ``values``."""
        return cls(float(np.mean(values)), mean_interval(values))

    def in_words(self, digits: int) -> str:
        """Return the mean, and in brackets its interval, if there is one."""
        return f"{self.value:z.{digits}f}" + (f" ({interval_text(self.interval, digits)})" if self.interval else "")


def mean_interval(values: Sequence[float] | np.ndarray) -> Interval | None:
    """Return the t interval of the mean of independent ``values``; None for fewer than two."""
    if len(values) < 2:
        return None
    half = scipy.stats.t.ppf(TAILS[1], len(values) - 1) * scipy.stats.sem(values)
    return float(np.mean(values) - half), float(np.mean(values) + half)


def difference_interval(a: Sequence[float], b: Sequence[float]) -> Interval | None:
    """Return Welch's interval of mean(a) - mean(b), independent samples; None for fewer than two in either."""
    if min(len(a), len(b)) < 2:
        return None
    low, high = scipy.stats.ttest_ind(a, b, equal_var=False).confidence_interval(TAILS[1] - TAILS[0])
    return float(low), float(high)


def bootstrap_maps(
    moments: np.ndarray, imap: InfluenceMap, quantity: Callable[[InfluenceMap], float], replicates: int, seed: int
) -> np.ndarray:
    """Return ``quantity`` of maps of runs drawn anew with replacement, ``[replicates]``.

    Args:
        moments: The runs' moment maps ``[R, S, S]``; all-zero ones are not drawn, as they are not in ``imap``.
        imap: The map of all runs.
        quantity: What is computed of each resampled map.
        replicates: How many.
        seed: Of the draws.
    """
    return resampled(moments[moments.any(axis=(1, 2))], imap, quantity, replicates, seed)


def resampled(
    moments: np.ndarray, imap: InfluenceMap, quantity: Callable[[InfluenceMap], float], replicates: int, seed: int
) -> np.ndarray:
    """Return what :func:`bootstrap_maps` does, but with all-zero maps drawn like others.

    The same seed then draws the same samples of another set of as many, which pairs the two. For quantities that a
    constant factor does not change, such as sizes.
    """
    runs = len(moments)
    pixels, draws = moments.reshape(runs, -1), run_draws(runs, replicates, seed)
    quantities = []
    for first in range(0, replicates, CHUNK):
        for mean in draws[first : first + CHUNK] @ pixels / runs:
            quantities.append(quantity(imap.with_moment(mean.reshape(imap.values.shape), imap.statistic)))
    return np.array(quantities)


def widened(replicates: np.ndarray, estimate: float, samples: int) -> np.ndarray:
    r"""Return bootstrap replicates of an estimate from few samples, spread so that their quantiles are those of t.

    .. math:: \theta + \sqrt{\frac{n}{n - 1}} \, \frac{t_{n-1}}{z} \, (\theta^* - \theta)

    with the 97.5 % quantiles of Student's t and the normal distribution. Resampling n samples alone gives a mean the
    standard error of samples whose variance is divided by n, not n - 1, and takes that error for known.
    """
    t, z = scipy.stats.t.ppf(TAILS[1], samples - 1), scipy.stats.norm.ppf(TAILS[1])
    factor = math.sqrt(samples / (samples - 1)) * t / z
    return estimate + factor * (replicates - estimate)


def run_draws(runs: int, replicates: int, seed: int) -> np.ndarray:
    """Return how often each run is drawn, ``[replicates, runs]``, as many being drawn with replacement as there are."""
    return np.random.default_rng(seed).multinomial(runs, [1 / runs] * runs, size=replicates)


def largest_deviation(moments: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest |mean over runs - expected| over pixels, in standard errors over runs.

    Where all runs agree to the last bit, as in a hole that none reaches, any difference is infinitely many of them.
    Pixels of less than FAINT of the peak are left out, unless no path leads there at all: float32 cannot hold them.

    Args:
        moments: ``[R, S, S]``.
        expected: ``[S, S]``, the exact map, total included.
    """
    compared = (expected == 0) | (expected > FAINT * expected.max())
    difference = np.abs(moments.mean(0) - expected)[compared]
    error = (moments.std(0, ddof=1) / math.sqrt(len(moments)))[compared]
    with np.errstate(divide="ignore"):
        return float(np.divide(difference, error, out=np.zeros_like(error), where=difference > 0).max())


def middle(replicates: np.ndarray) -> Interval | None:
    """Return the range of the middle 95 % of bootstrap replicates; None where there are none."""
    if not replicates.size:
        return None
    low, high = np.quantile(replicates, TAILS)
    return float(low), float(high)


def interval_of(replicates: np.ndarray) -> Interval:
    """Return :func:`middle` of one bootstrap replicate or more."""
    interval = middle(replicates)
    assert interval, "there is no replicate"
    return interval


def interval_text(interval: Interval | None, digits: int) -> str:
    """Return "low to high" for a table, or "-" where there is no interval; what rounds to 0 has no sign."""
    return "-" if interval is None else f"{interval[0]:z.{digits}f} to {interval[1]:z.{digits}f}"
