import numpy as np
import pytest
from scipy import stats

from erf import InvalidInput, fit_power_law

DEPTHS = np.array([5, 10, 20, 30, 40, 80])


@pytest.mark.parametrize("exponent", [0.5, -0.43, 0.0, 2.0])
def test_an_exact_law(exponent):
    law = fit_power_law(DEPTHS, 3.5 * DEPTHS**exponent)
    assert law.exponent == pytest.approx(exponent, abs=1e-12)
    assert law.amplitude == pytest.approx(3.5, rel=1e-12)
    assert law.interval == pytest.approx((exponent, exponent), abs=1e-7)


def test_least_squares_by_hand():
    y = np.array([3.0, 5, 6, 9, 9, 15])
    law = fit_power_law(list(DEPTHS), list(y))
    slope, intercept = np.polyfit(np.log(DEPTHS), np.log(y), 1)
    assert law.exponent == pytest.approx(slope, rel=1e-12)
    assert law.amplitude == pytest.approx(np.exp(intercept), rel=1e-12)
    offsets = np.log(DEPTHS) - np.log(DEPTHS).mean()
    rest = np.log(y) - slope * np.log(DEPTHS) - intercept
    error = np.sqrt(rest @ rest / 4 / (offsets @ offsets))
    assert law.interval == pytest.approx((slope - 2.7764 * error, slope + 2.7764 * error), rel=1e-4)


@pytest.mark.parametrize("points", [3, 6])
def test_the_t_interval_covers_the_exponent_in_95_of_100_cases(points):
    """1000 cases: 95 % has a standard error of 0.7 %."""
    rng = np.random.default_rng(points)
    x = DEPTHS[:points]
    laws = [fit_power_law(x, 2 * np.sqrt(x) * np.exp(0.1 * rng.normal(size=points))) for _ in range(1000)]
    covered = np.mean([law.interval[0] < 0.5 < law.interval[1] for law in laws])
    assert 0.93 < covered < 0.97


def test_replicates_give_the_middle_95_percent_of_their_exponents():
    rng = np.random.default_rng(0)
    replicates = 2 * np.sqrt(DEPTHS) * np.exp(0.05 * rng.normal(size=(501, 6)))
    law = fit_power_law(DEPTHS, 2 * np.sqrt(DEPTHS), replicates)
    assert law.exponent == pytest.approx(0.5, abs=1e-12)
    exponents = sorted(np.polyfit(np.log(DEPTHS), np.log(y), 1)[0] for y in replicates)
    # The 2.5 % and 97.5 % quantiles of 501 values lie half-way between two of them.
    expected = (np.mean(exponents[12:14]), np.mean(exponents[487:489]))
    assert law.interval == pytest.approx(expected, rel=1e-9)


def test_a_bootstrap_over_runs_covers_the_exponent():
    """Of 200 cases of 40 runs each; 95 % has a standard error of 1.5 %, and a bootstrap is slightly too narrow."""
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        runs = np.sqrt(DEPTHS) * np.exp(0.3 * rng.normal(size=(40, 6)))
        logs = np.log(runs)
        drawn = rng.integers(0, 40, (300, 40))
        law = fit_power_law(DEPTHS, np.exp(logs.mean(0)), np.exp(logs[drawn].mean(1)))
        covered += law.interval[0] < 0.5 < law.interval[1]
    assert stats.binom.cdf(covered, 200, 0.95) > 1e-3
    assert covered < 200


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([1, 2], [1, 2], "at least three different x, not 2"),
        ([1, 2, 2, 1], [1, 2, 3, 4], "at least three different x, not 2"),
        ([1, 2, 3], [1, 2], "vectors of one length"),
        ([[1, 2, 3]], [[1, 2, 3]], "vectors of one length"),
        ([0, 1, 2], [1, 2, 3], "x must be positive and finite"),
        ([1, 2, 3], [1, -2, 3], "y must be positive and finite"),
        ([1, 2, 3], [1, np.nan, 3], r"y=\[1, nan, 3\]: allowed are finite real numbers"),
        ([1, 2, np.inf], [1, 2, 3], r"x=\[1, 2, inf\]: allowed are finite real numbers"),
    ],
)
def test_bad_points(x, y, message):
    with pytest.raises(InvalidInput, match=message):
        fit_power_law(x, y)


@pytest.mark.parametrize(
    ("replicates", "message"),
    [
        ([1, 2, 3], r"replicates must have shape \[B, 3\], not \[3\]"),
        (np.ones((4, 2)), r"replicates must have shape \[B, 3\], not \[4, 2\]"),
        (np.ones((0, 3)), r"replicates must have shape \[B, 3\], not \[0, 3\]"),
        (np.zeros((4, 3)), "replicates must be positive and finite"),
    ],
)
def test_bad_replicates(replicates, message):
    with pytest.raises(InvalidInput, match=message):
        fit_power_law([1, 2, 3], [1, 2, 3], replicates)
