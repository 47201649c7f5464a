"""Estimates have the spread of their draws, and each condition is measured once, under its own name."""

import numpy as np
import pytest

from erf import InfluenceMap, fit_gaussian
from erf.maps.sampled_map import map_of_samples
from experiments.harness.intervals import bootstrap_maps, middle, resampled
from experiments.harness.marginals import marginals, resampled_means, sigma
from experiments.stacks.condition import (
    Condition,
    Estimate,
    estimates_of,
    line_estimate,
    log_condition,
    measure_each,
)
from experiments.stacks.paper_stacks import mean_sigma
from tests.experiments.list_logbook import ListLogbook

RUNS = np.random.default_rng(0).exponential(1.0, (30, 5, 5))
RUNS[::6] = 0
IMAP = map_of_samples(RUNS, "mean_square", ((0, 5),) * 2, 0)


def peak(imap):
    return float(imap.values.max())


@pytest.mark.parametrize(("paired", "draw"), [(False, bootstrap_maps), (True, resampled)])
def test_estimates_are_of_the_map_and_of_runs_drawn_anew(paired, draw):
    estimates = estimates_of(RUNS, IMAP, {"peak": peak, "sigma": mean_sigma}, replicates=40, seed=3, paired=paired)
    for name, quantity in {"peak": peak, "sigma": mean_sigma}.items():
        assert estimates[name].value == quantity(IMAP)
        np.testing.assert_array_equal(estimates[name].resampled, draw(RUNS, IMAP, quantity, 40, 3))
        assert estimates[name].resampled.std() > 0


def test_estimates_of_marginals_draw_every_run():
    lines = marginals(RUNS)
    estimate = line_estimate(lines, sigma, 40, seed=3)
    assert estimate.value == pytest.approx(mean_sigma(IMAP), rel=1e-12)
    np.testing.assert_array_equal(estimate.resampled, sigma(resampled_means(lines, 40, 3)))


def test_a_row_has_value_interval_and_prediction_of_what_is_predicted():
    draws = np.arange(1001.0)
    condition = Condition(
        IMAP, {"size": Estimate(3.0, draws), "sigma": Estimate(1.0, np.empty(0)), "r": Estimate(0, draws)}
    )
    assert condition.row(size=2.5, sigma=1.5) == {
        "size": 3.0, "size_interval": middle(draws), "predicted_size": 2.5,
        "sigma": 1.0, "sigma_interval": None, "predicted_sigma": 1.5,
    }  # fmt: skip
    assert condition.runs == 25


def test_every_condition_is_measured_once_and_read_back():
    measured = []

    def measure(side, gain):
        measured.append((side, gain))
        return map_of_samples(gain * RUNS[:, :side, :side], "rms", ((0, side),) * 2, "random_sign")

    logbook, conditions = ListLogbook(), [(3, 0.5), (5, 2.0)]
    first = dict(measure_each(logbook, InfluenceMap, measure, conditions, ""))
    again = dict(measure_each(logbook, InfluenceMap, measure, conditions, ""))
    assert measured == list(first) == list(again) == conditions
    assert list(logbook.kept) == ["3-0.5", "5-2.0"]
    for at in conditions:
        expected = measure(*at)
        for imap in (first[at], again[at]):
            np.testing.assert_array_equal(imap.values, expected.values)
            names = ("statistic", "center", "trf_box", "samples", "skipped", "aggregation", "jump")
            assert [getattr(imap, name) for name in names] == [getattr(expected, name) for name in names]


def test_a_condition_is_logged_under_its_label():
    logbook, fit = ListLogbook(), fit_gaussian(IMAP)
    log_condition(logbook, "relu", 7, IMAP, fit, size=3.0, ratio=0.5)
    assert logbook.logged_maps == [("map/relu", IMAP, fit, 7)]
    assert logbook.logged_scalars == [("size/relu", 3.0, 7), ("ratio/relu", 0.5, 7)]
