import numpy as np
import pytest

from erf import ConvLayer, InvalidInput, erf_size, theory
from erf.maps.statistic import Statistic
from erf.metrics.gaussian_fit import map_moments
from erf.metrics.grid_average import grid_average, grid_average_inside
from tests.oracles.maps import map_of

CORNERS = np.array([[1.0, 0, 1], [0, 0, 0], [1, 0, 1]])


@pytest.mark.parametrize("period", [1, 2, 3, (2, 4)])
def test_every_window_is_averaged(period):
    values = np.random.default_rng(0).random((5, 6))
    imap = map_of(values, center=(1.5, 3.0), box=((1, 4), (0, 6)), statistic=Statistic.mean_abs)
    averaged = grid_average(imap, period)
    rows, columns = period if isinstance(period, tuple) else (period, period)
    padded = np.pad(values, [(rows - 1, rows - 1), (columns - 1, columns - 1)])
    expected = [
        [padded[i : i + rows, j : j + columns].mean() for j in range(6 + columns - 1)] for i in range(5 + rows - 1)
    ]
    np.testing.assert_allclose(averaged.values, expected, rtol=1e-13)
    assert averaged.values.sum() == pytest.approx(values.sum(), rel=1e-13)
    assert averaged.center == (1.5 + (rows - 1) / 2, 3.0 + (columns - 1) / 2)
    assert averaged.trf_box == ((1, 4 + rows - 1), (0, 6 + columns - 1))


def test_of_rms_the_squares_are_averaged():
    values = np.random.default_rng(1).random((4, 4))
    squares = grid_average(map_of(values**2, statistic=Statistic.mean_square), 3).values
    averaged = grid_average(map_of(values, statistic=Statistic.rms), 3)
    np.testing.assert_allclose(averaged.values, np.sqrt(squares), rtol=1e-13)


@pytest.mark.parametrize("depth", [4, 5, 12, 13])
@pytest.mark.parametrize("period", [2, 3, 4])
def test_variance_and_center(depth, period):
    exact = theory.influence_map([ConvLayer(3, profile=CORNERS)] * depth)
    moments = map_moments(grid_average(exact, period))
    plain = map_moments(exact)
    np.testing.assert_allclose(moments.sigma, np.sqrt(np.square(plain.sigma) + (period**2 - 1) / 12), rtol=1e-12)
    np.testing.assert_allclose(moments.center, grid_average(exact, period).center, rtol=1e-12)


@pytest.mark.parametrize("depth", [7, 8, 20, 21])
def test_it_fills_the_holes_of_the_corners_grid_whatever_the_parity(depth):
    exact = theory.influence_map([ConvLayer(3, profile=CORNERS)] * depth)
    assert np.count_nonzero(exact.values == 0) > 0.7 * exact.values.size
    averaged = grid_average(exact, 2)
    assert (averaged.values > 0).all()
    # Steps of one pixel each way: as wide as a stack of binomial kernels of 2 x 2 taps two pixels apart.
    dense = theory.influence_map([ConvLayer(2)] * depth)
    assert erf_size(averaged) == pytest.approx(2 * erf_size(dense), rel=1e-12)


@pytest.mark.parametrize("period", [0, -1, (2,), (2, 2, 2)])
def test_bad_periods(period):
    with pytest.raises(InvalidInput, match="allowed are whole numbers from 1, one for each of 2 axes"):
        grid_average(map_of(np.ones((3, 3))), period)


def test_a_clipped_map_is_refused():
    with pytest.raises(InvalidInput, match="the TRF leaves the map"):
        grid_average(map_of(np.ones((3, 3)), box=((-1, 3), (0, 3))), 2)


@pytest.mark.parametrize("period", [1, 2, 5, (2, 4)])
@pytest.mark.parametrize("statistic", [Statistic.mean_abs, Statistic.rms])
def test_every_window_in_the_map_is_averaged(period, statistic):
    values = np.random.default_rng(2).random((5, 6))
    imap = map_of(values, center=(1.5, 3.0), box=((-3, 7), (0, 6)), statistic=statistic)
    averaged = grid_average_inside(imap, period)
    rows, columns = period if isinstance(period, tuple) else (period, period)
    moments = statistic.to_mean_moment(values)
    expected = [[moments[i : i + rows, j : j + columns].mean() for j in range(7 - columns)] for i in range(6 - rows)]
    np.testing.assert_allclose(statistic.to_mean_moment(averaged.values), expected, rtol=1e-13)
    assert averaged.center == (1.5 - (rows - 1) / 2, 3.0 - (columns - 1) / 2)
    assert averaged.trf_box == ((-3 - (rows - 1), 7), (0 - (columns - 1), 6))


@pytest.mark.parametrize("depth", [7, 8])
def test_where_the_map_holds_all_both_averages_have_one_size(depth):
    exact = theory.influence_map([ConvLayer(3, profile=CORNERS)] * depth)
    margin = 3
    wide = map_of(
        np.pad(exact.values, margin),
        center=tuple(c + margin for c in exact.center),
        box=tuple((low + margin, high + margin) for low, high in exact.trf_box),
    )
    assert erf_size(grid_average_inside(wide, 2)) == erf_size(grid_average(exact, 2))


@pytest.mark.parametrize("period", [0, -1, (2,)])
def test_bad_periods_inside(period):
    with pytest.raises(InvalidInput, match="allowed are whole numbers from 1, one for each of 2 axes"):
        grid_average_inside(map_of(np.ones((3, 3))), period)


def test_a_period_larger_than_the_map():
    with pytest.raises(InvalidInput, match=r"period=\(2, 5\) is larger than the map, 3 x 4 pixels"):
        grid_average_inside(map_of(np.ones((3, 4))), (2, 5))
