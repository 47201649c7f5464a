import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erf import InvalidInput, mass_radius, mass_within
from erf.maps.statistic import Statistic
from tests.oracles.maps import gaussian, map_of


def naive_mass_within(imap, radius):
    """Add up, pixel by pixel, what is near enough; whole numbers stay exact."""
    near = total = 0.0
    for place in np.ndindex(imap.values.shape):
        total += imap.values[place]
        # Centers are halves: four times the square of a distance is a whole number.
        if 4 * sum((p - c) ** 2 for p, c in zip(place, imap.center, strict=True)) <= 4 * radius**2 * (1 + 1e-12):
            near += imap.values[place]
    return near / total


def naive_mass_radius(imap, mass):
    """Try every distance that a pixel has."""
    distances = {math.dist(place, imap.center) for place in np.ndindex(imap.values.shape)}
    return min(d for d in distances if naive_mass_within(imap, d) >= mass)


@st.composite
def maps(draw):
    shape = draw(st.sampled_from([(9,), (1,), (5, 4), (3, 6), (3, 2, 4)]))
    whole_numbers = st.integers(0, 5).map(float)
    values = np.array(draw(st.lists(whole_numbers, min_size=math.prod(shape), max_size=math.prod(shape)))).reshape(
        shape
    )
    values[draw(st.sampled_from(list(np.ndindex(shape))))] += 1
    center = tuple(draw(st.integers(-4, 2 * side + 4)) / 2 for side in shape)
    return map_of(values, center=center)


@settings(max_examples=100)
@given(maps(), st.sampled_from([0.01, 0.25, 0.5, 0.75, 0.95, 1.0]), st.integers(0, 12))
def test_both_equal_the_naive_twins(imap, mass, halves):
    assert mass_within(imap, halves / 2) == pytest.approx(naive_mass_within(imap, halves / 2), abs=1e-15)
    assert mass_radius(imap, mass) == pytest.approx(naive_mass_radius(imap, mass), rel=1e-15)


@settings(max_examples=100)
@given(maps(), st.floats(0.001, 1), st.floats(0, 9))
def test_each_undoes_the_other(imap, mass, radius):
    """The radius holds the share, no smaller one does, and what is held reaches no farther than it was asked to."""
    reached = mass_radius(imap, mass)
    assert mass_within(imap, reached) >= mass
    assert reached == 0 or mass_within(imap, np.nextafter(reached, 0)) < mass
    held = mass_within(imap, radius)
    assert held == 0 or mass_radius(imap, held) <= radius
    assert mass_within(imap, math.inf) == 1


@pytest.mark.parametrize("sigma", [4.0, 9.5])
@pytest.mark.parametrize("center", [(50.0, 50.0), (50.5, 49.5)])
def test_the_radii_of_a_gaussian(sigma, center):
    """The share within r of a round Gaussian is 1 - exp(-r^2 / (2 s^2))."""
    imap = map_of(gaussian((101, 101), center, sigma**2 * np.eye(2)), center=center)
    assert mass_radius(imap, 0.5) == pytest.approx(1.177 * sigma, abs=0.5)
    assert mass_radius(imap, 0.95) == pytest.approx(2.448 * sigma, abs=0.5)
    assert mass_within(imap, 2 * sigma) == pytest.approx(1 - math.exp(-2), abs=0.02)


@pytest.mark.parametrize(("axes", "r50", "r95"), [(1, 0.674, 1.960), (3, 1.538, 2.795)])
def test_the_radii_of_a_gaussian_of_one_or_three_axes(axes, r50, r95):
    """Quantiles of the chi distribution with as many degrees of freedom."""
    sigma = 30.0 if axes == 1 else 4.0
    side = 301 if axes == 1 else 35
    imap = map_of(gaussian((side,) * axes, (side // 2,) * axes, sigma**2 * np.eye(axes)))
    assert mass_radius(imap, 0.5) == pytest.approx(r50 * sigma, abs=0.75)
    assert mass_radius(imap, 0.95) == pytest.approx(r95 * sigma, abs=0.75)


def test_shares_by_hand():
    values = np.array([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]])
    imap = map_of(values)
    assert [mass_within(imap, r) for r in (0, 0.99, 1, 1.41, 1.42)] == [0.25, 0.25, 0.75, 0.75, 1]
    assert [mass_radius(imap, m) for m in (0.25, 0.26, 0.75, 0.76, 1)] == [0, 1, 1, math.sqrt(2), math.sqrt(2)]


def test_the_center_is_the_units_not_the_images():
    values = np.zeros((5, 7))
    values[1, 5] = 3.0
    assert mass_radius(map_of(values, center=(1.0, 5.0)), 1) == 0
    assert mass_radius(map_of(values, center=(1.0, 1.0)), 1) == 4
    assert mass_radius(map_of(values, center=(-2.0, 9.0)), 0.1) == 5
    assert mass_within(map_of(values, center=(-2.0, 9.0)), 4.9) == 0


def test_all_of_a_map_reaches_as_far_as_its_last_pixel_that_is_not_0():
    values = np.zeros((9, 9))
    values[4, 2:7] = 0.1
    assert mass_radius(map_of(values), 1) == 2


@pytest.mark.parametrize("mass", [0, -0.5, 1.0001, math.nan])
def test_a_share_out_of_range(mass):
    with pytest.raises(InvalidInput, match=r"mass=.*: allowed are shares in \(0, 1\]"):
        mass_radius(map_of(np.ones((3, 3))), mass)


@pytest.mark.parametrize("radius", [-1, math.nan])
def test_a_radius_out_of_range(radius):
    with pytest.raises(InvalidInput, match=r"radius=.*: allowed are distances from 0, in pixels"):
        mass_within(map_of(np.ones((3, 3))), radius)


@pytest.mark.parametrize("measure", [mass_within, mass_radius])
def test_maps_that_are_no_distribution(measure):
    with pytest.raises(InvalidInput, match="negative values"):
        measure(map_of([[1.0, -1]], statistic=Statistic.signed_mean), 1)
    with pytest.raises(InvalidInput, match="0 everywhere"):
        measure(map_of(np.zeros((3, 3))), 1)
