"""Dropout's oracle and what the experiment makes of it."""

from dataclasses import replace

import numpy as np
import pytest

from erf.networks.conv_stack import Dropout
from experiments.claims.architecture import dropout_parts
from experiments.dropout import experiment as dropout
from experiments.dropout.experiment import Config, run
from experiments.stacks import paper_stacks as stacks
from tests.experiments.list_logbook import ListLogbook


@pytest.fixture(scope="module")
def measured():
    return run(Config(rates=[0.0, 0.5], depth=4, runs=1500, narrow=[1], bootstrap=200), ListLogbook())


@pytest.mark.parametrize("kind", Dropout)
def test_the_exact_map_grows_by_a_constant_at_every_rate(measured, kind):
    for point in measured.of(kind, 16):
        assert point.largest_deviation < 5
        assert point.mean_square.sigma == pytest.approx(point.mean_square.predicted_sigma, rel=0.03)


def test_a_wrong_growth_would_be_seen(monkeypatch):
    true = stacks.mean_square_total
    forgetful = lambda config, stack: true(config, replace(stack, dropout_rate=0.0))  # noqa: E731
    monkeypatch.setattr(dropout, "mean_square_total", forgetful)
    result = run(Config(rates=[0.0, 0.3], depth=6, runs=400, narrow=[], bootstrap=20), ListLogbook())
    plain, dropped = result.of(Dropout.elementwise, 16)
    assert plain.largest_deviation < 5 < dropped.largest_deviation


def test_mean_abs_shrinks_in_narrow_stacks(measured):
    narrow, wide = (measured.of(Dropout.elementwise, channels)[-1].mean_abs for channels in (1, 16))
    assert narrow.over_zero[1] < 1
    assert narrow.sigma / narrow.zero_sigma < wide.sigma / wide.zero_sigma


def test_rates_are_compared_with_the_first_over_the_same_runs(measured):
    for kind in Dropout:
        first, *others = measured.of(kind, 16)
        assert first.mean_square.over_zero is None
        for point in others:
            assert point.mean_square.zero_sigma == first.mean_square.sigma
            low, high = point.mean_square.over_zero
            assert low < point.mean_square.sigma / first.mean_square.sigma < high
    same = [measured.of(kind, 16)[0].mean_square for kind in Dropout]
    assert same[0] == same[1]


def test_every_rate_must_lie_within_the_margin(measured):
    assert [part.holds for part in dropout_parts(with_interval(measured, (0.981, 1.019)))] == [True] * 4
    for interval in ((0.979, 1.0), (1.0, 1.021)):
        assert [part.holds for part in dropout_parts(with_interval(measured, interval))] == [False, True] * 2


def with_interval(result, interval):
    """Give the highest rate this interval against rate 0, and theory a good one."""
    good = (0.99, 1.01)

    def changed(point):
        against = interval if point.rate else None
        return replace(point, mean_square=replace(point.mean_square, over_theory=good, over_zero=against))

    return replace(result, points=tuple(changed(point) for point in result.points))


def test_stacks_that_dropout_silences_are_named():
    config = Config(rates=[0.0, 0.9], depth=8, runs=30, narrow=[1], channels=2)
    with pytest.raises(
        dropout.InvalidInput, match=r"rates: elementwise dropout at rate 0.9 of 1 channels leaves \d+ of 30"
    ):
        run(config, ListLogbook())


def test_the_record_holds_maps_of_both_kinds(measured):
    exact = measured.arrays["theory"]
    for kind in Dropout:
        values = measured.arrays[f"map/{kind}/0.5"]
        assert values.sum() == pytest.approx(1)
        assert np.abs(values - exact).max() < 0.1 * exact.max()


def test_rates_share_weights_and_resamplings():
    """A rate that drops no unit is the rate 0, run by run, so the interval of their ratio has no width."""
    result = run(Config(rates=[0.0, 1e-9], depth=3, runs=30, narrow=[], bootstrap=50), ListLogbook())
    for kind in Dropout:
        assert result.of(kind, 16)[1].mean_square.over_zero == pytest.approx((1, 1), rel=1e-6)
