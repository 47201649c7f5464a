"""Measures of shape do not depend on a map's scale, however near to the largest or smallest numbers it is."""

import math

import numpy as np
import pytest

from erf import contribution_area_ratio, erf_size, fit_gaussian, mass_radius, mass_within
from erf.maps.sampled_map import map_of_samples
from erf.maps.statistic import Statistic
from erf.metrics.erf_size import center_value, contour_size
from erf.metrics.gaussian_fit import map_moments
from erf.metrics.normal_distance import normal_distance
from tests.oracles.maps import gaussian, map_of

VALUES = gaussian((8, 9), (3.4, 4.1), [[2.0, 0.3], [0.3, 1.5]]) + 0.01 * np.random.default_rng(0).random((8, 9))
MEASURES = {
    "mass_radius": lambda imap: mass_radius(imap, 0.95),
    "mass_within": lambda imap: mass_within(imap, 2),
    "contribution_area_ratio": lambda imap: contribution_area_ratio(imap, 0.9),
    "map_moments": lambda imap: [getattr(map_moments(imap), name).tolist() for name in ("center", "covariance")],
    "kurtosis": lambda imap: map_moments(imap).excess_kurtosis.tolist(),
    "normal_distance": normal_distance,
    "erf_size": erf_size,
    "contour_size": contour_size,
    "center_value": lambda imap: center_value(imap) / imap.values.max(),
    "fit": lambda imap: [(fit := fit_gaussian(imap)).center.tolist(), fit.covariance.tolist(), fit.r_squared],
    "amplitude": lambda imap: fit_gaussian(imap).amplitude / imap.values.max(),
}


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("exponent", [-960, -600, 17, 600, 1023])
def test_a_map_times_a_power_of_two_has_the_same_measures_to_the_last_bit(measure, exponent):
    measured = [MEASURES[measure](map_of(values)) for values in (VALUES, np.ldexp(VALUES, exponent))]
    assert measured[0] == measured[1]


def test_the_radius_of_equal_values_whose_sum_is_too_large():
    assert mass_radius(map_of(np.full((3, 3), 1e308)), 0.95) == math.sqrt(2)
    assert map_moments(map_of(np.full((3, 3), 1e308))).covariance == pytest.approx(np.eye(2) * 2 / 3)


def test_samples_whose_sums_are_too_large_or_small_are_normalized_each_by_its_own():
    samples = np.stack([VALUES, np.ldexp(VALUES, 1023), np.ldexp(VALUES, -960)])
    box = ((0, 8), (0, 9))
    one, all_ = (
        map_of_samples(each, Statistic.mean_abs, box, "sum", normalize=True) for each in (samples[:1], samples)
    )
    assert all_.values == pytest.approx(one.values, rel=1e-15)
    assert all_.values.sum() == pytest.approx(1)
