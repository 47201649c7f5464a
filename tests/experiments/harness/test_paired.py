"""Tests on few pairs against enumeration by hand, and their rates under the null."""

import itertools

import numpy as np
import pytest

from experiments.harness.paired import holm, pairs_interval, sign_flip_p


def test_by_hand():
    assert sign_flip_p([1.0, 2.0, 3.0], 0) == 2 / 8  # only all signs alike reach 6
    assert sign_flip_p([1.0, -2.0, 3.0], 0) == 6 / 8  # sums 6, 4, 2, 0 in both directions; 2 is reached by all but 0
    assert sign_flip_p([0.0, 0.0], 0) == 1
    assert sign_flip_p([1.0] * 10, 0) == 2 / 2**10


def test_it_is_the_enumeration():
    values = np.random.default_rng(0).normal(0.4, 1, 9)
    sums = [abs(np.dot(signs, values)) for signs in itertools.product((-1, 1), repeat=9)]
    expected = np.mean([total >= abs(values.sum()) - 1e-9 for total in sums])
    assert 0.01 < expected < 0.9
    assert sign_flip_p(values, 0) == expected == sign_flip_p(-values, 1)


def test_more_pairs_are_drawn_and_agree_with_the_normal_limit():
    values = np.random.default_rng(1).normal(0, 1, 40)
    values += 0.25 - values.mean()
    p = sign_flip_p(values, 0)
    assert p == sign_flip_p(values, 0)
    assert p == pytest.approx(sign_flip_p(values, 1), abs=0.01)
    from scipy.stats import norm

    assert p == pytest.approx(2 * norm.sf(values.sum() / np.sqrt((values**2).sum())), abs=0.01)


def test_under_the_null_small_p_values_are_as_rare_as_they_say():
    draws = np.random.default_rng(2).standard_t(2, (400, 8))  # symmetric, heavy-tailed
    p = np.array([sign_flip_p(one, 0) for one in draws])
    for level in (0.05, 0.2, 0.5):
        assert np.mean(p <= level) == pytest.approx(level, abs=3 * np.sqrt(level * (1 - level) / 400) + 2 / 2**8)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1, 1]
    assert holm([0.02]) == [0.02]
    assert holm([]) == []


def test_intervals_draw_pairs_and_hold_the_truth():
    values = np.random.default_rng(3).normal(2.0, 1.0, (200, 30))
    intervals = [pairs_interval(one, lambda drawn: drawn.mean(1), 500, 0) for one in values]
    assert np.mean([low <= 2 <= high for low, high in intervals]) == pytest.approx(0.95, abs=0.05)
    low, high = intervals[0]
    assert high - low == pytest.approx(2 * 1.96 * values[0].std() / np.sqrt(30), rel=0.15)
    assert pairs_interval(np.ones(4), lambda drawn: np.median(drawn, 1), 10, 0) == (1, 1)
