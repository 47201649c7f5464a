from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import erf
from erf import InvalidInput
from erf.gaussian_fit import map_moments
from erf.normality import averaged_over_period, distance_to_normal
from erf.statistic import Statistic


def stack(depth, **settings):
    return erf.theory.influence_map([erf.ConvLayer(3, **settings)] * depth)


def test_a_box_has_its_distance_by_hand():
    box = erf.theory.influence_map([erf.ConvLayer((2, 4))])
    sigma = 0.5
    expected = 1 - stats.norm.cdf(1 / sigma)
    assert distance_to_normal(box)[0] == pytest.approx(expected, rel=1e-12)
    sigma = np.sqrt(15 / 12)
    edges = np.array([0.25, 0.5, 0.75, 1]) - stats.norm.cdf((np.arange(4) - 1) / sigma)
    assert distance_to_normal(box)[1] == pytest.approx(np.abs(edges).max(), rel=1e-12)


def test_it_falls_with_depth_like_its_inverse():
    """The first term beyond the normal distribution of a symmetric sum of n is of order 1 / n."""
    far, near = (distance_to_normal(stack(depth))[0] for depth in (40, 80))
    assert far / near == pytest.approx(2, rel=0.02)


def test_only_the_field_counts_and_where_it_lies_does_not_matter():
    imap = stack(5)
    values = np.pad(imap.values, 4, constant_values=1.0)
    moved = replace(imap, values=values, trf_box=((4, 15), (4, 15)), centre=(9.0, 9.0))
    assert distance_to_normal(moved) == pytest.approx(distance_to_normal(imap), rel=1e-12)


@pytest.mark.parametrize("period", [1, 2, 3, 4])
def test_the_average_over_the_period_fills_the_holes(period):
    imap = stack(6, dilation=period)
    filled = averaged_over_period(imap, period)
    undilated = stack(6).values
    assert np.abs(filled.values - np.kron(undilated, np.ones((period, period))) / period**2).max() < 1e-15
    assert filled.trf_box == ((0, filled.values.shape[0]),) * 2
    variance = np.square(map_moments(filled).sigma) - np.square(map_moments(imap).sigma)
    assert variance == pytest.approx([(period**2 - 1) / 12] * 2, abs=1e-9)
    assert map_moments(filled).centre == pytest.approx(filled.centre)


def test_the_average_is_of_the_moments():
    square = stack(3, dilation=2)
    rms = replace(square, values=np.sqrt(square.values), statistic=Statistic.rms)
    averaged = averaged_over_period(rms, 2)
    assert np.abs(averaged.values**2 - averaged_over_period(square, 2).values).max() < 1e-16


def test_a_period_below_one_is_refused():
    with pytest.raises(InvalidInput, match="period=0"):
        averaged_over_period(stack(2), 0)
