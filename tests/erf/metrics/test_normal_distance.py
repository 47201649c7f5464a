import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from erf import ConvLayer, InvalidInput, theory
from erf.metrics.normal_distance import line_distance, normal_distance
from tests.oracles.maps import gaussian, map_of

BERRY_ESSEEN = 0.4748  # Shevtsova (2011), for equally distributed steps


def test_two_pixels_by_hand():
    """Mean 0, sigma 1: F is 1/2 between the pixels at -1 and 1, and the normal's 0.1587 and 0.8413 there."""
    expected = stats.norm.cdf(1) - 0.5
    assert normal_distance(map_of([[1.0, 1], [1, 1]])) == pytest.approx((expected, expected), rel=1e-12)


@pytest.mark.parametrize("shape", [(9, 14), (7,), (3, 4, 5)])
def test_it_is_the_largest_difference_over_a_fine_line(shape):
    values = np.random.default_rng(1).random(shape)
    for axis, distance in enumerate(normal_distance(map_of(values))):
        line = values.sum(axis=tuple(a for a in range(values.ndim) if a != axis)) / values.sum()
        places = np.arange(line.size)
        mean = line @ places
        spread = math.sqrt(line @ (places - mean) ** 2)
        fine = np.linspace(-3, line.size + 3, 200_001)
        distribution = (line[None, :] * (places[None, :] <= fine[::20, None])).sum(1)
        coarse = np.abs(distribution - stats.norm.cdf(fine[::20], mean, spread)).max()
        assert coarse <= distance + 1e-12
        assert distance == pytest.approx(coarse, abs=2e-3)


@given(arrays(float, (2, 8), elements=st.floats(0, 1)), st.floats(0.1, 1e6))
@settings(max_examples=50)
def test_neither_a_factor_nor_a_shift_matters(lines, factor):
    lines = lines + np.eye(2, 8) + np.eye(2, 8, 3)
    shifted = np.pad(lines, [(0, 0), (5, 0)])
    np.testing.assert_allclose(line_distance(shifted * factor), line_distance(lines), rtol=1e-7, atol=1e-9)
    assert line_distance(lines)[1] == pytest.approx(float(line_distance(lines[1])), rel=1e-12)


def test_half_a_step_is_left_of_a_normal_map_on_pixels():
    for sigma in (2.0, 5.0, 20.0):
        distances = normal_distance(map_of(gaussian((301, 301), (150, 150), sigma**2 * np.eye(2))))
        assert distances == pytest.approx((0.5 / math.sqrt(2 * math.pi) / sigma,) * 2, rel=1e-3)


@given(
    arrays(int, st.tuples(st.integers(2, 5), st.integers(2, 5)), elements=st.integers(0, 9)),
    st.integers(1, 12),
)
@settings(max_examples=60)
def test_the_bound_of_berry_and_esseen_holds_for_any_kernel(weights, depth):
    weights = weights.astype(float)
    weights[0, 0] += 1
    weights[-1, -1] += 1  # two different steps along each axis
    exact = theory.influence_map([ConvLayer(weights.shape, profile=weights)] * depth)
    for axis, distance in enumerate(normal_distance(exact)):
        line = weights.sum(axis=1 - axis) / weights.sum()
        offset = np.arange(line.size) - line @ np.arange(line.size)
        spread = math.sqrt(line @ offset**2)
        assert distance <= BERRY_ESSEEN * (line @ np.abs(offset) ** 3) / spread**3 / math.sqrt(depth)


@pytest.mark.parametrize(
    ("values", "message"),
    [([[0.0, 0], [0, 0]], "0 everywhere"), ([[-1.0, 1], [1, 1]], "negative"), ([[1.0, 1]], "no extent along an axis")],
)
def test_maps_without_a_distribution(values, message):
    with pytest.raises(InvalidInput, match=message):
        normal_distance(map_of(values))
