import numpy as np
import pytest
from scipy import stats

import erf
from erf import InvalidInput
from erf.metrics.gaussian_fit import map_moments
from erf.metrics.grid_average import grid_average
from erf.metrics.normal_distance import normal_distance


def stack(depth, **settings):
    return erf.theory.influence_map([erf.ConvLayer(3, **settings)] * depth)


def test_a_box_has_its_distance_by_hand():
    two, four = normal_distance(erf.theory.influence_map([erf.ConvLayer((2, 4))]))
    assert two == pytest.approx(0.5 - stats.norm.cdf(-1), rel=1e-12)  # at the first of two pixels, one sigma away
    sigma = np.sqrt(15 / 12)
    after = np.array([1, 2, 3, 4]) / 4 - stats.norm.cdf(np.array([-1.5, -0.5, 0.5, 1.5]) / sigma)
    assert four == pytest.approx(max(after.max(), (0.25 - after).max()), rel=1e-12)


def test_it_falls_with_depth_to_half_the_height_of_a_step():
    far, near = (normal_distance(stack(depth))[0] for depth in (40, 160))
    assert far / near == pytest.approx(2, rel=0.02)
    assert near * map_moments(stack(160)).sigma[0] == pytest.approx(0.5 * stats.norm.pdf(0), rel=0.02)


@pytest.mark.parametrize("period", [1, 2, 3, 4])
def test_the_average_over_the_period_fills_the_holes(period):
    imap = stack(6, dilation=period)
    filled = grid_average(imap, period)
    undilated = stack(6).values
    assert np.abs(filled.values - np.kron(undilated, np.ones((period, period))) / period**2).max() < 1e-15
    assert filled.trf_box == ((0, filled.values.shape[0]),) * 2
    variance = np.square(map_moments(filled).sigma) - np.square(map_moments(imap).sigma)
    assert variance == pytest.approx([(period**2 - 1) / 12] * 2, abs=1e-9)
    assert map_moments(filled).center == pytest.approx(filled.center)


def test_a_period_below_one_is_refused():
    with pytest.raises(InvalidInput, match="period=0"):
        grid_average(stack(2), 0)
