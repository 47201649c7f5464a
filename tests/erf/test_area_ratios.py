"""RepLKNet's scores and area ratios, by hand and against its scripts."""

import numpy as np
import pytest

from erf import InvalidInput
from erf.compatibility import AreaRatio, replknet_area_ratio, replknet_scores
from tests.erf.small_resnet import difference
from tests.oracles import replknet


def test_scores():
    scores = replknet_scores(np.array([[0.0, 9.0], [99.0, 0.0]]))
    assert difference(scores, [[0, 0.5], [1, 0]]) < 1e-15


def nines(*pixels, shape):
    """Contributions of 9, whose logarithm is 1, at the pixels; 0 elsewhere."""
    contributions = np.zeros(shape)
    for pixel in pixels:
        contributions[pixel] = 9
    return contributions


@pytest.mark.parametrize(
    ("shape", "pixels", "mass", "expected"),
    [
        # The middle of 6 x 6 is pixel (3, 3); squares of side 3 and 5 are tried.
        ((6, 6), [(3, 3)], 0.99, AreaRatio(3, 9 / 36)),
        ((6, 6), [(3, 3), (1, 1)], 0.5, AreaRatio(5, 25 / 36)),  # half is not more than half
        ((6, 6), [(3, 3), (1, 1)], 0.499, AreaRatio(3, 9 / 36)),
        ((6, 6), [(3, 3), (0, 3)], 0.5, None),
        ((6, 6), [(3, 3), (5, 5)], 0.99, AreaRatio(5, 25 / 36)),
        ((6, 6), [(3, 3)], 1.0, None),
        # Of 7 x 7 the square of side 7, the image, is not tried.
        ((7, 7), [(3, 3), (1, 5)], 0.99, AreaRatio(5, 25 / 49)),
        ((7, 7), [(3, 3), (0, 0)], 0.99, None),
        ((6, 10), [(3, 5), (3, 7)], 0.99, AreaRatio(5, 25 / 60)),
        ((6, 10), [(3, 5), (3, 8)], 0.99, None),
        ((12, 4), [(6, 2), (5, 1)], 0.99, AreaRatio(3, 9 / 48)),
        ((12, 4), [(6, 2), (4, 0)], 0.99, AreaRatio(5, 25 / 48)),
        ((12, 4), [(6, 2), (3, 2)], 0.99, None),
        ((3, 3), [(1, 1)], 0.2, None),
    ],
)
def test_area_ratios_by_hand(shape, pixels, mass, expected):
    assert replknet_area_ratio(nines(*pixels, shape=shape), mass) == expected


@pytest.mark.parametrize("shape", [(31, 31), (32, 32), (16, 41)])
@pytest.mark.parametrize("scale", [1e-3, 1e4])
def test_area_ratios_of_random_maps(shape, scale):
    row, column = np.indices(shape)
    distance = np.hypot(row - shape[0] / 2, column - shape[1] / 2)
    contributions = scale * np.random.default_rng(0).random(shape) * np.exp(-distance / 3)
    for mass in np.linspace(0.02, 1, 50):
        ours = replknet_area_ratio(contributions, mass)
        expected = replknet.side_and_area_ratio(contributions, mass)
        assert (ours is None) == (expected is None)
        assert ours is None or (ours.side, ours.area_ratio) == (expected[0], pytest.approx(expected[1], rel=1e-12))


def test_the_ratio_depends_on_the_units():
    row, column = np.indices((40, 40))
    contributions = np.exp(-np.hypot(row - 20, column - 20) / 3)
    sides = [replknet_area_ratio(contributions * units, 0.5).side for units in (1e-4, 1, 1e4)]
    assert sides == sorted(set(sides))


@pytest.mark.parametrize("mass", [0, 1.01, -0.5, np.nan])
def test_a_mass_out_of_range(mass):
    with pytest.raises(InvalidInput, match=r"mass=.*: allowed are shares in \(0, 1\]"):
        replknet_area_ratio(np.ones((9, 9)), mass)


@pytest.mark.parametrize("contributions", [-np.ones((9, 9)), np.full((9, 9), np.nan), np.ones((1, 9, 9))])
def test_no_contributions(contributions):
    with pytest.raises(InvalidInput, match=r"^contributions.* finite (real numbers|and without negative values)$"):
        replknet_area_ratio(contributions, 0.5)


@pytest.mark.parametrize(("value", "kind"), [(0, "float64"), (1e-17, "float64"), (1e-8, "float32")])
def test_contributions_whose_logarithm_is_nothing(value, kind):
    with pytest.raises(InvalidInput, match=rf"^log10\(x \+ 1\) .* is 0 everywhere in {kind}: they have no area"):
        replknet_area_ratio(np.full((9, 9), value, kind), 0.5)


def test_saved_contributions_keep_the_precision_of_the_script():
    contributions = np.full((9, 9), 1e-8)
    contributions[3:6, 3:6] = 1e-6
    assert replknet_area_ratio(contributions, 0.93) == AreaRatio(5, 25 / 81)
    assert replknet_area_ratio(contributions.astype(np.float32), 0.93) == AreaRatio(3, 9 / 81)
