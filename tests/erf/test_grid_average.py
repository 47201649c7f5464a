import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erf import InvalidInput
from erf.grid_average import average_over_grid
from tests.oracles.maps import marginal_moments


@settings(deadline=None, max_examples=30, derandomize=True)
@given(st.integers(1, 6), st.integers(0, 99))
def test_any_pattern_of_the_period_is_removed(period, seed):
    pattern = np.random.default_rng(seed).random((period, period))
    averaged = average_over_grid(np.tile(pattern, (8, 8)), period)
    inside = averaged[period : 7 * period, period : 7 * period]
    np.testing.assert_allclose(inside, pattern.mean(), rtol=1e-12)


@pytest.mark.parametrize(("period", "added"), [(1, 0), (2, 6 / 12), (3, 8 / 12), (8, 66 / 12)])
def test_it_adds_its_own_variance_and_keeps_sum_and_centre(period, added):
    values = np.zeros((31, 33))
    values[14:17, 15:18] = np.arange(9).reshape(3, 3)
    averaged = average_over_grid(values, period)
    (centre, variance), (mean, spread) = marginal_moments(values), marginal_moments(averaged)
    assert averaged.sum() == pytest.approx(values.sum(), rel=1e-12)
    assert mean == pytest.approx(centre, abs=1e-12)
    assert spread == pytest.approx(np.array(variance) + added, rel=1e-12)


def test_each_map_of_many_is_averaged_alone():
    maps = np.random.default_rng(0).random((3, 9, 9))
    together = average_over_grid(maps, 3)
    assert all(np.array_equal(one, average_over_grid(alone, 3)) for one, alone in zip(together, maps, strict=True))
    assert np.array_equal(average_over_grid(maps, 1), maps)


def test_a_period_below_1_is_named():
    with pytest.raises(InvalidInput, match="period=0"):
        average_over_grid(np.ones((3, 3)), 0)
