import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erf import InvalidInput, contribution_area_ratio, erf_size, theory
from erf.maps.statistic import Statistic
from erf.metrics.erf_size import TWO_SIGMA_MASS, center_value, contour_size
from tests.oracles.maps import gaussian, map_of


def round_gaussian(sigma, side=201, center=None, axes=2):
    center = center or ((side - 1) / 2,) * axes
    return map_of(gaussian((side,) * axes, center, sigma**2 * np.eye(axes)), center=center)


def test_two_sigma():
    assert TWO_SIGMA_MASS == 0.9545


@pytest.mark.parametrize("sigma", [8.0, 15.0, 31.0])
@pytest.mark.parametrize("size", [erf_size, contour_size])
def test_the_size_of_a_gaussian(size, sigma):
    """The threshold is a circle of radius s sqrt(2 ln(1 / 0.0455)), as large as a square of side 4.406 s."""
    assert math.sqrt(2 * math.pi * math.log(1 / 0.0455)) == pytest.approx(4.406, abs=5e-4)
    assert size(round_gaussian(sigma)) == pytest.approx(4.406 * sigma, rel=4e-3)


@pytest.mark.parametrize(("axes", "factor"), [(1, 2 * 2.486), (3, (4 / 3 * math.pi) ** (1 / 3) * 2.486)])
def test_the_size_of_a_gaussian_of_one_or_three_axes(axes, factor):
    """In one dimension a segment, in three a ball, of radius 2.486 s."""
    imap = round_gaussian(12.0, side=81, axes=axes)
    assert erf_size(imap) == pytest.approx(factor * 12, abs=1)  # a row has a whole number of pixels
    assert contour_size(round_gaussian(2.5, side=21, axes=axes)) == pytest.approx(factor * 2.5, rel=0.02)


def test_pixels_are_counted_by_hand():
    values = np.array([[0.0, 0.1, 0.0], [0.04, 1.0, 0.05], [0.0, 0.0454, 0.02]])
    assert erf_size(map_of(values)) == math.sqrt(3)  # 1, 0.1 and 0.05 are above 1 - 0.9545
    assert erf_size(map_of(values[1])) == 2


@pytest.mark.parametrize("level", [0.01, 0.5, 0.9])
def test_the_size_of_a_gaussian_above_another_level(level):
    size = erf_size(round_gaussian(20.0), level=level)
    assert size == pytest.approx(20 * math.sqrt(2 * math.pi * math.log(1 / level)), rel=1e-2)
    assert erf_size(round_gaussian(20.0), level=1 - TWO_SIGMA_MASS) == erf_size(round_gaussian(20.0))


@pytest.mark.parametrize("level", [-0.1, 1.0, math.nan])
def test_bad_levels(level):
    with pytest.raises(InvalidInput, match=f"level={level}: allowed are shares of the reference in"):
        erf_size(round_gaussian(3.0, side=21), level=level)


def test_the_reference():
    values = np.full((5, 5), 0.05)
    values[2, 2], values[0, 0] = 1.0, 2.0
    assert erf_size(map_of(values)) == 5
    assert erf_size(map_of(values), reference="peak") == math.sqrt(2)


@pytest.mark.parametrize(
    ("center", "pixels"),
    [
        ((2.0, 1.0), [(2, 1)]),
        ((2.5, 1.0), [(2, 1), (3, 1)]),
        ((2.0, 1.5), [(2, 1), (2, 2)]),
        ((2.5, 1.5), [(2, 1), (3, 1), (2, 2), (3, 2)]),
        ((0.0, 4.0), [(0, 4)]),
    ],
)
def test_the_center_is_the_mean_of_the_pixels_around_it(center, pixels):
    values = np.random.default_rng(0).random((5, 5))
    expected = np.mean([values[pixel] for pixel in pixels])
    imap = map_of(values, center=center)
    assert center_value(imap) == pytest.approx(expected, rel=1e-15)
    assert erf_size(imap) == math.sqrt((values > 0.0455 * expected).sum())


def test_a_hole_at_the_center_proposes_the_peak():
    imap = theory.influence_map([theory.ConvLayer(2), theory.ConvLayer(2, dilation=3)])
    holed = map_of(np.where(np.arange(5)[:, None] == 2, 0, imap.values))
    for size in (erf_size, contour_size):
        with pytest.raises(InvalidInput, match=r"is 0 \(a hole of the grid\); use reference='peak'"):
            size(holed)
    assert erf_size(holed, reference="peak") == math.sqrt(np.count_nonzero(holed.values))


@pytest.mark.parametrize("center", [(-1.0, 2.0), (2.0, 5.0), (4.5, 2.0), (-0.5, 0.0)])
def test_a_center_outside_proposes_the_peak(center):
    imap = map_of(np.ones((5, 5)), center=center)
    with pytest.raises(InvalidInput, match="outside the image; use reference='peak'"):
        erf_size(imap)
    assert erf_size(imap, reference="peak") == 5


def test_the_contour_is_smooth_where_the_count_jumps():
    sigmas = np.linspace(6, 6.5, 26)
    counts, contours = (np.array([size(round_gaussian(s, 61)) for s in sigmas]) for size in (erf_size, contour_size))
    assert np.abs(contours / sigmas / 4.4063 - 1).max() < 2e-3
    assert np.abs(counts / sigmas / 4.4063 - 1).max() > 5e-3


def naive_ratio(imap, mass, scale):
    """Grow the square by half pixels until it holds enough."""
    values = np.log10(imap.values + 1) if scale == "log10" else imap.values
    places = np.indices(values.shape)
    for half in np.arange(0, 2 * max(values.shape) + 1, 0.25):
        near = [np.abs(p - c) <= half for p, c in zip(places, imap.center, strict=True)]
        square = np.logical_and.reduce(near)
        if values[square].sum() >= mass * values.sum() * (1 - 1e-12):
            return square.mean()
    raise AssertionError


@settings(max_examples=150)
@given(st.data())
def test_the_area_ratio_is_that_of_the_smallest_square(data):
    axes = data.draw(st.sampled_from([1, 2, 2, 3]))
    shape = data.draw(st.tuples(*[st.integers(1, 7)] * axes))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    values = rng.integers(0, 4, shape) * 10.0 ** data.draw(st.integers(-3, 3))
    values[(0,) * axes] += 1
    center = tuple(data.draw(st.integers(-2, 2 * side + 2)) / 2 for side in shape)
    imap = map_of(values, center=center)
    mass = data.draw(st.sampled_from([0.01, 0.2, 0.5, 0.77, 0.99, 1.0]))
    scale = data.draw(st.sampled_from(["linear", "log10"]))
    assert contribution_area_ratio(imap, mass, scale) == naive_ratio(imap, mass, scale)


def test_area_ratios_by_hand():
    values = np.ones((5, 5))
    values[2, 2] = 24
    imap = map_of(values)  # of 48, the middle holds one half, the 3x3 square two thirds
    assert contribution_area_ratio(imap, 0.5) == 1 / 25
    assert contribution_area_ratio(imap, 0.51) == 9 / 25
    assert contribution_area_ratio(imap, 2 / 3) == 9 / 25
    assert contribution_area_ratio(imap, 0.67) == 1
    assert contribution_area_ratio(imap, 1) == 1
    assert contribution_area_ratio(map_of(np.ones((4, 4)), center=(0, 0)), 0.25) == 0.25


def test_the_logarithm_depends_on_the_maps_units():
    values = np.full((5, 5), 1.0)
    values[2, 2] = 99
    assert contribution_area_ratio(map_of(values), 0.75) == 1 / 25
    assert contribution_area_ratio(map_of(values), 0.75, scale="log10") == 1  # 2 of 2 + 24 * 0.301
    assert contribution_area_ratio(map_of(values * 1e-6), 0.75, scale="log10") == 1 / 25


@pytest.mark.parametrize("mass", [0, -0.1, 1.01, math.nan])
def test_bad_mass(mass):
    with pytest.raises(InvalidInput, match=r"allowed are shares in \(0, 1\]"):
        contribution_area_ratio(map_of(np.ones((3, 3))), mass)


SIZES = [erf_size, contour_size, lambda imap: contribution_area_ratio(imap, 0.5)]


@pytest.mark.parametrize("size", SIZES)
def test_maps_without_a_size(size):
    with pytest.raises(InvalidInput, match="negative values"):
        size(map_of([[1.0, -1, 1]], statistic=Statistic.signed_mean))
    with pytest.raises(InvalidInput, match="0 everywhere"):
        size(map_of(np.zeros((3, 3))))


def test_unknown_choices():
    with pytest.raises(InvalidInput, match="reference='middle' is unknown; allowed: center, peak"):
        erf_size(map_of(np.ones((3, 3))), reference="middle")
    with pytest.raises(InvalidInput, match="scale='log' is unknown; allowed: linear, log10"):
        contribution_area_ratio(map_of(np.ones((3, 3))), 0.5, scale="log")
