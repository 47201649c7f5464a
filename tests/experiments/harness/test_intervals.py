import numpy as np
import pytest

from erf.maps.sampled_map import map_of_samples
from erf.maps.statistic import Statistic
from experiments.harness.intervals import (
    bootstrap_maps,
    difference_interval,
    interval_of,
    interval_text,
    largest_deviation,
    mean_interval,
    middle,
    resampled,
    run_draws,
    widened,
)


def test_t_intervals_cover_the_mean_as_often_as_they_say():
    rng = np.random.default_rng(0)
    draws = rng.normal(3.0, 2.0, (1000, 5))
    hits = [low <= 3.0 <= high for low, high in map(mean_interval, draws)]
    assert 0.93 < np.mean(hits) < 0.97
    assert mean_interval([1.0]) is None


def test_difference_intervals_cover_the_difference_as_often_as_they_say():
    rng = np.random.default_rng(1)
    pairs = zip(rng.normal(1.0, 1.0, (1000, 6)), rng.normal(0.0, 3.0, (1000, 9)), strict=True)
    hits = [low <= 1.0 <= high for low, high in (difference_interval(a, b) for a, b in pairs)]
    assert 0.93 < np.mean(hits) < 0.97
    assert difference_interval([1.0, 2.0], [1.0]) is None


def test_widened_bootstrap_intervals_cover_the_mean_as_often_as_they_say():
    draws = np.random.default_rng(4).normal(3.0, 2.0, (2000, 4))
    means = draws @ run_draws(4, 400, seed=5).T / 4
    intervals = [interval_of(widened(each, own.mean(), 4)) for each, own in zip(means, draws, strict=True)]
    assert np.mean([low <= 3.0 <= high for low, high in intervals]) == pytest.approx(0.95, abs=0.01)


def test_bootstrap_has_the_spread_of_a_mean_and_leaves_zero_runs_out():
    rng = np.random.default_rng(2)
    moments = rng.exponential(1.0, (40, 3, 3))
    moments[::4] = 0
    imap = map_of_samples(moments, Statistic.mean_abs, ((0, 3), (0, 3)), 0)
    sums = bootstrap_maps(moments, imap, lambda m: float(m.values[0, 0]), replicates=4000, seed=3)
    corners = moments[moments.any(axis=(1, 2)), 0, 0]
    assert len(corners) == imap.samples == 30
    assert sums.mean() == pytest.approx(corners.mean(), rel=0.02)
    assert sums.std() == pytest.approx(corners.std() / np.sqrt(30), rel=0.05)
    assert np.array_equal(sums, bootstrap_maps(moments, imap, lambda m: float(m.values[0, 0]), 4000, seed=3))


def test_bootstrap_of_rms_takes_the_root_after_the_mean():
    moments = np.full((5, 2, 2), 4.0)
    imap = map_of_samples(moments, Statistic.rms, ((0, 2), (0, 2)), 0)
    assert np.array_equal(bootstrap_maps(moments, imap, lambda m: float(m.values.max()), 10, seed=0), [2.0] * 10)


def test_middle_and_its_text():
    assert middle(np.empty(0)) is None
    assert middle(np.arange(1001.0)) == pytest.approx((25.0, 975.0))
    assert interval_text((0.123, 4.5), 2) == "0.12 to 4.50"
    assert interval_text((-0.04, 0.6), 1) == "0.0 to 0.6"
    assert interval_text((-0.06, -0.04), 1) == "-0.1 to 0.0"
    assert interval_text(None, 2) == "-"


def one_map(moments, statistic=Statistic.mean_abs):
    return map_of_samples(np.asarray(moments, dtype=float), statistic, ((0, 1), (0, 1)), 0)


def test_resampling_with_one_seed_pairs_two_sets_of_samples():
    rng = np.random.default_rng(5)
    before = rng.exponential(1.0, (30, 3, 3))
    before[3] = 0  # is drawn like any other
    after = 2 * before + rng.normal(0, 1e-3, before.shape)
    imap = map_of_samples(before, Statistic.mean_abs, ((0, 3), (0, 3)), 0)

    def corner_share(m):
        return float(m.values[0, 0] / m.values.sum())

    a, b, other = (resampled(x, imap, corner_share, 500, seed) for x, seed in ((before, 7), (after, 7), (before, 8)))
    assert np.std(a - b) < 0.01 * np.std(a)
    assert np.std(a - other) > np.std(a)
    means = rng.choice(30, (500, 30))
    shares = [
        corner_share(map_of_samples(before[m].mean(0)[None], Statistic.mean_abs, ((0, 3), (0, 3)), 0)) for m in means
    ]
    assert np.std(a) == pytest.approx(np.std(shares), rel=0.15)


def test_the_largest_deviation_is_in_standard_errors():
    moments = np.random.default_rng(5).exponential(1.0, (50, 4, 4))
    error = moments.std(0, ddof=1) / np.sqrt(50)
    expected = moments.mean(0) + 0.1 * error
    expected[2, 1] += 6 * error[2, 1]
    assert largest_deviation(moments, expected) == pytest.approx(6.1, rel=1e-9)


def test_holes_must_be_holes_and_what_float32_cannot_hold_is_left_out():
    moments = np.random.default_rng(6).exponential(1.0, (50, 1, 3))
    moments[:, 0, 1:] = 0
    mean = moments.mean(0)
    assert largest_deviation(moments, mean) == 0
    faint = mean + np.array([[0, 0, 1e-13]])
    assert largest_deviation(moments, faint) == 0
    assert largest_deviation(moments, mean + np.array([[0, 0, 1e-9]])) == np.inf
    moments[3, 0, 1] = 1e-6  # an influence where no path leads
    assert largest_deviation(moments, mean) == pytest.approx(1, rel=0.1)


def test_an_interval_needs_a_replicate():
    assert interval_of(np.array([2.0])) == (2, 2)
    with pytest.raises(AssertionError, match="no replicate"):
        interval_of(np.empty(0))
