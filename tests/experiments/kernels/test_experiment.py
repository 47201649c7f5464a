"""Oracles of kernels with profiles, and what the experiment makes of them."""

import math
from dataclasses import replace

import numpy as np
import pytest

from erf import ConvLayer, theory
from erf.inits import Init
from experiments.claims import kernels as claims
from experiments.kernels import experiment as kernels
from experiments.kernels.experiment import Config, run
from experiments.kernels.profiles import Profile, whole_numbers
from tests.experiments.list_logbook import ListLogbook
from tests.oracles.whole_numbers import convolved, shares


@pytest.fixture(scope="module")
def measured():
    settings = {"profiles": [Profile.lopsided, Profile.ring, Profile.corners], "strengths": [0.0, 0.5, 1.0]}
    config = Config(kernel_sizes=[3, 4], depths=[2, 4, 8], depth=4, runs=500, bootstrap=100, **settings)
    return run(config, ListLogbook())


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize("kernel_size", [2, 3, 4, 7])
def test_profiles_are_whole_positive_numbers_that_differ(profile, kernel_size):
    weights = profile.weights(kernel_size, seed=0)
    assert weights.shape == (kernel_size, kernel_size)
    assert weights.dtype.kind == "i"
    assert (weights >= (0 if profile is Profile.corners else 1)).all()
    assert np.array_equal(weights, profile.weights(kernel_size, seed=0))
    assert (profile is Profile.drawn) == (not np.array_equal(weights, profile.weights(kernel_size, seed=1)))


def test_profiles_by_hand():
    weights = {profile: profile.weights(3, 0).tolist() for profile in Profile if profile is not Profile.drawn}
    assert weights == {
        Profile.equal: [[1, 1, 1]] * 3,
        Profile.binomial: [[1, 2, 1], [2, 4, 2], [1, 2, 1]],
        Profile.lopsided: [[1, 3, 5], [2, 4, 6], [3, 5, 7]],
        Profile.ring: [[9, 9, 9], [9, 1, 9], [9, 9, 9]],
        Profile.corners: [[1, 0, 1], [0, 0, 0], [1, 0, 1]],
    }


def test_whole_numbers_are_those_of_the_oracle():
    weights = Profile.drawn.weights(4, 3)
    np.testing.assert_array_equal(whole_numbers(weights, 6), shares(convolved([weights] * 6)))


def test_fixed_kernels_are_sums_of_steps(measured):
    assert len(measured.fixed) == 3 * 2
    for fixed in measured.fixed:
        assert fixed.exact_difference < 1e-9
        assert fixed.measured_difference < 1e-6
        assert fixed.variance_difference < 1e-9


def test_random_kernels_have_the_exact_map_of_their_variances(measured):
    assert len(measured.random) == 3 * (2 + 2)
    for random in measured.random:
        assert random.largest_deviation < 5
        assert random.sigma == pytest.approx(random.predicted_sigma, rel=0.04)
        assert random.sigma_interval[0] < random.sigma < random.sigma_interval[1]


@pytest.mark.parametrize("init", [Init.he_uniform, Init.glorot_normal, Init.orthogonal])
def test_random_kernels_have_it_after_any_init_and_a_wrong_profile_is_seen(init, monkeypatch):
    settings = {"kernel_sizes": [3], "profiles": [Profile.lopsided], "depths": [2, 3, 4], "depth": 4, "runs": 400}
    config = Config(init=init, bootstrap=20, strengths=[0.0, 1.0], **settings)
    (from_the_init, *_) = run(config, ListLogbook()).random
    assert from_the_init.largest_deviation < 5
    flat = theory.influence_map([ConvLayer(3)] * 4)
    monkeypatch.setattr(kernels.theory, "influence_map", lambda *_: flat)
    assert kernels._measure(config, Profile.lopsided, 3, 4).largest_deviation > 5


def test_the_distance_of_random_kernels_is_that_of_fixed_ones(measured):
    for point in measured.distances:
        assert list(point.fixed) == sorted(point.fixed, reverse=True)
        if point.kernel_size == 3:
            np.testing.assert_allclose(point.random, point.fixed, rtol=0.2)
            assert point.exponent_interval[0] < point.exponent < point.exponent_interval[1] < 0
        else:
            assert point.random is point.exponent is point.exponent_interval is None


def test_gains_are_those_of_the_variance_by_hand(measured):
    half = math.exp(1)  # strength 0.5: m^2 grows by e from the middle of an edge to its corner
    variances = {0.0: 2 / 3, 0.5: 2 * half / (2 * half + 1), 1.0: 1}
    for point in measured.of_size(3):
        assert point.predicted_gain == pytest.approx(math.sqrt(variances[point.strength] * 3 / 2), rel=1e-9)
        assert point.predicted_sigma == pytest.approx(math.sqrt(4 * variances[point.strength]), rel=1e-9)
        assert point.gain == pytest.approx(point.predicted_gain, rel=0.03)
        assert point.size_interval[0] <= point.size <= point.size_interval[1]
        assert point.size == pytest.approx(point.predicted_size, rel=0.1)
    first, *others = measured.of_size(4)
    assert first.step is None
    assert all(point.step[0] > 0 for point in others)


def holds(parts, result):
    return [part.holds for part in parts(result)]


def test_each_part_of_the_rules_holds_up_to_its_limit_and_not_beyond(measured):
    def check(parts, key, index, **values):
        entries = [replace(entry, **values) for entry in getattr(measured, key)]
        return holds(parts, replace(measured, **{key: tuple(entries)}))[index]

    assert all(holds(claims._t3_parts, measured))
    assert all(holds(claims._i3_parts, measured))
    for index, key in enumerate(("exact_difference", "measured_difference", "variance_difference")):
        limit = 1e-5 if key == "measured_difference" else 1e-9
        assert check(claims._t3_parts, "fixed", index, **{key: 0.9 * limit})
        assert not check(claims._t3_parts, "fixed", index, **{key: 1.1 * limit})
    assert check(claims._t3_parts, "random", 3, largest_deviation=4.9)
    assert not check(claims._t3_parts, "random", 3, largest_deviation=5.1)
    assert check(claims._i1_parts, "strengths", 0, step=(1e-6, 1))
    assert not check(claims._i1_parts, "strengths", 0, step=(-1e-6, 1))
    for gains, expected in [((0.981, 1.019), True), ((0.979, 1.0), False), ((1.0, 1.021), False)]:
        assert check(claims._i1_parts, "strengths", 1, predicted_gain=1.0, gain_interval=gains) == expected
    assert not check(claims._i3_parts, "distances", 0, fixed=(0.3, 0.2, 0.2))
    assert check(claims._i3_parts, "distances", 1, exponent_interval=(-1, -1e-6))
    assert not check(claims._i3_parts, "distances", 1, exponent_interval=(-1, 1e-6))


def test_stacks_that_are_too_deep_for_a_standard_error_do_not_count(measured):
    deep = replace(measured.random[0], depth=16, largest_deviation=9.0)
    assert holds(claims._t3_parts, replace(measured, random=(deep, *measured.random)))[3]
