"""Residual stacks against theory, at small size."""

import numpy as np
import pytest

from erf import erf_size
from erf.seeds import derive
from experiments.harness.experiment import load
from experiments.harness.intervals import middle, resampled
from experiments.skip_connections.experiment import Design, branch_distribution, residual_stack
from experiments.stacks.drawn_networks import measure_draws
from tests.experiments.smallest import smallest_run


@pytest.mark.parametrize("design", [Design.linear, pytest.param(Design.pre_activation, marks=pytest.mark.slow)])
def test_it_measures_the_predicted_mixture(design):
    result = smallest_run(load("skip_connections"), runs=150, channels=8, designs=[design])
    for point in result.points:
        assert point.size == pytest.approx(point.predicted_size, rel=0.08)
        assert point.sigma == pytest.approx(point.predicted_sigma, rel=0.05)
        assert point.size_interval[0] <= point.size <= point.size_interval[1]
        if point.gain is None:
            assert (point.excess, point.branches) == (None, 2)
        else:
            low, high = point.excess
            assert low - 0.1 < point.size - result.plain(point.design).size < high + 0.1


def test_sizes_are_compared_run_by_run():
    """Where branches outweigh their skips by far, nothing is left to compare, however few the runs."""
    result = smallest_run(load("skip_connections"), designs=[Design.linear], gains=[1.0, 1e6], runs=5)
    weak, strong = result.of_design(Design.linear)
    assert strong.excess == pytest.approx((0, 0), abs=1e-3)
    assert weak.excess[1] - weak.excess[0] > 0.1
    low, high = strong.size_interval
    assert high - low > 0.1


@pytest.mark.parametrize("gain", [None, 0.5])
def test_intervals_are_of_runs_drawn_anew_by_the_stream_of_all_points(gain):
    experiment = load("skip_connections")
    result = smallest_run(experiment, designs=[Design.linear], gains=[0.5], bootstrap=200)
    config, stack = result.config, residual_stack(result.config, Design.linear, gain)
    draws = measure_draws(config, stack.network, stack.trf_size, config.runs, config.seed)
    sizes = resampled(draws.moments, draws.imap(), erf_size, config.bootstrap, derive(config.seed, 1))
    (point,) = (point for point in result.points if point.gain == gain)
    assert point.size_interval == pytest.approx(middle(sizes))


@pytest.mark.parametrize("design", Design)
def test_numbers_of_branches_taken_are_sums_of_coins(design):
    stack = residual_stack(load("skip_connections").Config(), design, 1.0)
    distribution = branch_distribution(stack)
    shares = [gamma**2 / (1 + gamma**2) for gamma in stack.branch_gains()]
    numbers = np.arange(8)
    assert distribution.sum() == pytest.approx(1)
    assert distribution @ numbers == pytest.approx(sum(shares))
    variance = distribution @ numbers**2 - (distribution @ numbers) ** 2
    assert variance == pytest.approx(sum(share * (1 - share) for share in shares))
    plain = residual_stack(load("skip_connections").Config(), design, None)
    assert branch_distribution(plain).tolist() == [0, 0, 0, 0, 0, 0, 0, 1]
