"""Paired comparisons of few pairs: sign-flip tests, Holm's correction, and intervals by resampling the pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy

from experiments.harness.intervals import Interval, interval_of

DRAWS = 100_000  # of signs, where there are more than 16 pairs, whose 2^n signs are all tried


def sign_flip_p(differences: Sequence[float] | np.ndarray, seed: int) -> float:
    r"""Return the two-sided p value of the test that both of each pair are exchangeable.

    .. math:: p = P(|\sum_i s_i d_i| \ge |\sum_i d_i|), \quad s_i = \pm 1

    over all signs, or with more than 16 pairs over 100,000 random ones and the given one. A difference of 0 weighs
    nothing. No distribution is assumed (Fisher's randomization test).

    Args:
        differences: One for each pair, antisymmetric in the pair's two.
        seed: Of the random signs.
    """
    values = np.asarray(differences, float)
    if len(values) < 2:  # which scipy refuses
        return 1.0
    drawn: Any = {"random_state": np.random.default_rng(seed)}  # newer releases of scipy call it rng, too
    test = scipy.stats.permutation_test(
        (values,), _distance, permutation_type="samples", n_resamples=DRAWS, alternative="greater", **drawn
    )
    return float(test.pvalue)


def _distance(values: np.ndarray, axis: int) -> np.ndarray:
    return np.abs(values.sum(axis))


def holm(p_values: Sequence[float]) -> list[float]:
    r"""Return the p values corrected for their number by Holm's method (1979): all of a family hold together.

    .. math:: \tilde p_{(i)} = \max_{j \le i} \min(1, (m - j + 1)\, p_{(j)})

    with p_(1) the smallest of m.
    """
    order = np.argsort(p_values, kind="stable")
    factors = len(p_values) - np.arange(len(p_values))
    corrected = np.minimum(1, np.maximum.accumulate(factors * np.asarray(p_values, float)[order]))
    return [float(corrected[place]) for place in np.argsort(order, kind="stable")]


def pairs_interval(
    values: np.ndarray, statistic: Callable[[np.ndarray], np.ndarray], replicates: int, seed: int
) -> Interval:
    """Return the 95 % interval of ``statistic`` by drawing pairs anew with replacement.

    The same seed draws the same pairs of any values of as many.

    Args:
        values: ``[pairs, ...]``.
        statistic: Of values ``[replicates, pairs, ...]``, ``[replicates]``.
        replicates: How many.
        seed: Of the draws.
    """
    draws = np.random.default_rng(seed).integers(0, len(values), (replicates, len(values)))
    return interval_of(statistic(values[draws]))
