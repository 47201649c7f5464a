import numpy as np
import pytest

from erf.maps.sampled_map import map_of_samples
from erf.maps.statistic import Statistic
from erf.metrics.gaussian_fit import map_moments
from erf.metrics.normal_distance import line_distance, normal_distance
from experiments.harness.intervals import resampled
from experiments.harness.marginals import marginals, resampled_means, sigma

RUNS = np.random.default_rng(0).exponential(1.0, (30, 5, 5)) * np.arange(1, 6)


def sigma_of_map(imap):
    return float(np.sqrt(np.mean(np.square(map_moments(imap).sigma))))


def test_sigma_and_distance_are_those_of_the_map():
    imap = map_of_samples(RUNS, Statistic.mean_square, ((0, 5),) * 2, 0)
    lines = marginals(RUNS).mean(0)
    assert sigma(lines) == pytest.approx(sigma_of_map(imap), rel=1e-12)
    np.testing.assert_allclose(line_distance(lines), normal_distance(imap), rtol=1e-12)


def test_resampling_marginals_is_resampling_maps():
    imap = map_of_samples(RUNS, Statistic.mean_square, ((0, 5),) * 2, 0)
    expected = resampled(RUNS, imap, sigma_of_map, 60, seed=4)
    sigmas = sigma(resampled_means(marginals(RUNS), 60, seed=4))
    np.testing.assert_allclose(sigmas, expected, rtol=1e-10)
    assert sigmas.std() > 0
