import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from erf import InvalidInput, theory
from erf.maps.influence_map import require_non_negative
from erf.maps.precision import Precision
from erf.maps.sampled_map import map_of_samples
from erf.maps.statistic import Statistic, choice
from tests.oracles.maps import map_of

UNSEEN = "what lies outside cannot be measured, though the ERF may lie inside"
BOX = ((0, 4), (1, 3))


def samples(count=6, seed=0):
    return np.random.default_rng(seed).normal(size=(count, 4, 5))


def measured(g, statistic=Statistic.mean_abs, **settings):
    return map_of_samples(statistic.moment(g), statistic, BOX, "sum", **settings)


@pytest.mark.parametrize(
    ("statistic", "by_hand"),
    [
        ("mean_abs", lambda g: np.abs(g).mean(0)),
        ("rms", lambda g: np.sqrt((g**2).mean(0))),
        ("mean_square", lambda g: (g**2).mean(0)),
        ("signed_mean", lambda g: g.mean(0)),
    ],
)
def test_statistics_by_hand(statistic, by_hand):
    imap = measured(samples(), Statistic(statistic))
    np.testing.assert_allclose(imap.values, by_hand(samples()), rtol=1e-14)
    assert (imap.samples, imap.skipped, imap.statistic) == (6, 0, statistic)


def test_normalized_samples_count_alike():
    g = samples() * np.array([1, 10, 100, 1e3, 1e4, 1e5])[:, None, None]
    moments = g**2
    expected = np.sqrt((moments / moments.sum((1, 2), keepdims=True)).mean(0))
    imap = measured(g, Statistic.rms, normalize=True)
    np.testing.assert_allclose(imap.values, expected, rtol=1e-13)
    assert imap.normalized
    assert not measured(g).normalized


def test_samples_that_are_zero_are_left_out():
    g = samples()
    g[[0, 3]] = 0
    for normalize in (False, True):
        imap = measured(g, normalize=normalize)
        assert (imap.samples, imap.skipped) == (4, 2)
        np.testing.assert_array_equal(imap.values, measured(g[[1, 2, 4, 5]], normalize=normalize).values)


def test_geometry():
    imap = map_of(np.ones((6, 9)), box=((1, 4), (-2, 12)), center=(2, 4.5))
    assert imap.trf_size == (3, 14)
    assert imap.clipped == (False, True)
    assert imap.on_trf() == (slice(1, 4), slice(0, 9))
    assert imap.origin == (0, 0)
    assert measured(samples()).center == (1.5, 1.5)


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("statistic", Statistic)
@pytest.mark.parametrize("cut", [0, 1, 4, 6])
def test_merged_maps_are_those_of_all_samples(statistic, normalize, cut):
    g = np.abs(samples()) if normalize and statistic is Statistic.signed_mean else samples()
    g[2] = 0
    at_once = measured(g, statistic, normalize=normalize)
    merged = measured(g[:cut], statistic, normalize=normalize).merge(measured(g[cut:], statistic, normalize=normalize))
    np.testing.assert_allclose(merged.values, at_once.values, rtol=0, atol=1e-14 * np.abs(at_once.values).max())
    assert (merged.samples, merged.skipped) == (5, 1)
    assert merged.normalized == normalize


def test_merging_nothing_but_zeros():
    nothing = measured(np.zeros((2, 4, 5)))
    merged = nothing.merge(nothing)
    assert (merged.samples, merged.skipped) == (0, 4)
    assert not merged.values.any()
    assert (merged.merge(measured(samples())).values == measured(samples()).values).all()


def test_merged_findings_are_said_once():
    one = map_of(np.ones((2, 2)), samples=1, findings=("spanned", "zero"))
    other = map_of(np.ones((2, 2)), samples=1, findings=("zero", "cancelling"))
    assert one.merge(other).findings == ("spanned", "zero", "cancelling")
    assert one.merge(other).diagnostics == one.merge(other).findings


@pytest.mark.parametrize(
    ("box", "said"),
    [
        (((0, 6), (0, 9)), ()),
        (((-1, 5), (3, 9)), (f"the TRF (6 x 6 pixels) reaches beyond the image (6 x 9): {UNSEEN}",)),
        (((-1, 7), (0, 3)), (f"the TRF (8 x 3 pixels) is larger than the image (6 x 9): {UNSEEN}",)),
    ],
)
def test_a_map_that_is_cut_off_says_so(box, said):
    assert map_of(np.ones((6, 9)), box=box).diagnostics == said


def test_a_map_says_what_was_left_out():
    g = samples()
    assert measured(g).diagnostics == ()
    g[[0, 3]] = 0
    assert measured(g).diagnostics == ("2 of 6 samples have no influence at any pixel and are not counted",)
    merged = measured(g[:3]).merge(measured(g[3:]))
    assert merged.diagnostics == measured(g).diagnostics
    assert measured(0 * g).diagnostics == ("the unit is dead: no pixel of any of the 6 samples has an influence on it",)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("statistic", Statistic.mean_abs),
        ("center", (0.0, 0.0)),
        ("trf_box", ((0, 2), (0, 3))),
        ("origin", (1, 0)),
        ("aggregation", "sum"),
        ("normalized", True),
        ("precision", Precision.bfloat16),
    ],
)
def test_maps_that_cannot_be_merged(name, value):
    one, other = map_of(np.ones((2, 2)), samples=1), map_of(np.ones((2, 2)), samples=1)
    object.__setattr__(other, name, value)
    with pytest.raises(InvalidInput, match=f"maps of different {name}"):
        one.merge(other)


def test_shapes_that_cannot_be_merged():
    one = map_of(np.ones((2, 2)), samples=1)
    with pytest.raises(InvalidInput, match=r"shapes \(2, 2\) and \(2, 3\)"):
        one.merge(map_of(np.ones((2, 3)), one.center, one.trf_box, samples=1))


def test_exact_maps_have_no_samples_to_merge():
    exact = theory.influence_map([theory.ConvLayer(3)], "rms")
    assert exact.samples == math.inf
    with pytest.raises(InvalidInput, match="exact"):
        exact.merge(exact)


def test_only_distributions_have_sizes():
    require_non_negative(map_of([[0, 1.0]]))
    with pytest.raises(InvalidInput, match="the signed_mean map has negative values"):
        require_non_negative(map_of([[-1.0, 2]], statistic=Statistic.signed_mean))
    with pytest.raises(InvalidInput, match=r"0 everywhere \(3 samples, 4 skipped\)"):
        require_non_negative(map_of(np.zeros((2, 2)), samples=3, skipped=4))


def test_arrays_and_lists_of_places_are_kept_as_tuples():
    plain = map_of(np.ones((3, 3)), samples=2)
    for places in (np.array, list, torch.tensor):
        given = replace(plain, center=places((1, 1)), origin=places((0, 0)))
        assert (given.center, given.origin) == (plain.center, plain.origin)
        assert [type(place) for place in (*given.center, *given.origin)] == [float, float, int, int]
        assert given.merge(plain).samples == 2 * plain.samples
    for places in (np.array, list):
        assert replace(plain, trf_box=places(plain.trf_box)).merge(plain).trf_box == plain.trf_box
    center: Any = np.zeros(2)
    assert map_of_samples(np.ones((2, 3, 3)), Statistic.rms, plain.trf_box, "sum", center=center).center == (0, 0)


def test_maps_are_immutable():
    with pytest.raises(AttributeError):
        map_of([[1.0]]).samples = 3


def test_choices_are_listed():
    assert choice(Statistic, "rms", "statistic") is Statistic.rms
    with pytest.raises(InvalidInput, match="statistic='max' is unknown; allowed: mean_abs, rms, mean_square, signed_"):
        choice(Statistic, "max", "statistic")


def test_a_field_outside_of_the_map_has_no_pixels_in_it():
    for box in (((-6, -3), (0, 9)), ((9, 12), (0, 9))):
        imap = map_of(np.ones((8, 9)), box=box)
        assert imap.values[imap.on_trf()].size == 0


@pytest.mark.parametrize("statistic", Statistic)
def test_a_map_of_another_moment_is_otherwise_like_it(statistic):
    imap, other = measured(samples(), statistic), measured(samples(seed=1), statistic)
    moved = imap.with_moment(statistic.moment(samples(seed=1)).mean(0), statistic)
    np.testing.assert_array_equal(moved.values, other.values)
    others = ("statistic", "center", "trf_box", "samples", "aggregation", "jump")
    assert [getattr(moved, name) for name in others] == [getattr(imap, name) for name in others]


def test_the_same_moment_is_read_by_another_statistic():
    square, root = (measured(samples(), Statistic(name)) for name in ("mean_square", "rms"))
    read = square.with_moment(square.values, "rms")
    np.testing.assert_array_equal(read.values, root.values)
    assert read.statistic is Statistic.rms
