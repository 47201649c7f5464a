import math

import numpy as np
import pytest

from erf import InvalidInput, erf_size
from erf.maps.statistic import Statistic
from erf.metrics.gaussian_fit import map_moments
from erf.seeds import WEIGHTS, generator
from experiments.harness.experiment import load
from experiments.stacks import paper_stacks as stacks
from experiments.stacks.paper_stacks import (
    Kind,
    StackConfig,
    map_of,
    measure_runs,
    predicted_map,
    predicted_sigma,
    require_runs,
    stack_of,
)


@pytest.mark.parametrize("statistic", [Statistic.mean_abs, Statistic.rms, Statistic.mean_square])
def test_a_uniform_stack_is_predicted_exactly(statistic):
    config = StackConfig(statistic=statistic)
    measured = map_of(config, measure_runs(config, Kind.uniform, 6, 20))
    predicted = predicted_map(config, Kind.uniform, 6)
    assert measured.samples == 1
    np.testing.assert_allclose(
        measured.values / measured.values.sum(), predicted.values / predicted.values.sum(), rtol=1e-5
    )


@pytest.mark.parametrize("kind", [Kind.uniform, Kind.random, Kind.relu])
@pytest.mark.parametrize("statistic", [Statistic.mean_abs, Statistic.rms, Statistic.mean_square])
def test_predicted_sigma_is_that_of_a_deep_predicted_map(kind, statistic):
    config = StackConfig(statistic=statistic)
    sigma = map_moments(predicted_map(config, kind, 200)).sigma[0]
    assert predicted_sigma(config, kind, 200) == pytest.approx(sigma, rel=5e-3)


def test_a_random_stack_is_predicted_within_its_noise():
    config = StackConfig(statistic=Statistic.mean_square, runs=600)
    measured = map_of(config, measure_runs(config, Kind.random, 8, config.runs))
    assert erf_size(measured) == pytest.approx(erf_size(predicted_map(config, Kind.random, 8)), rel=0.08)
    assert map_moments(measured).sigma[0] == pytest.approx(math.sqrt(8 * 2 / 3), rel=0.03)


def test_kinds_share_weights_and_depths_do_not(monkeypatch):
    drawn = []

    def first_weight(stack, runs, seed, **_):
        drawn.append(stack.draw_weights(generator(seed, 0, WEIGHTS))[0][0, 0, 0, 0].item())
        return np.ones((runs, 1, 1))

    monkeypatch.setattr(stacks, "stack_moments", first_weight)
    config = StackConfig()
    for kind, depth in [(Kind.random, 3), (Kind.relu, 3), (Kind.random, 4), (Kind.relu, 4)]:
        measure_runs(config, kind, depth, 4)
    assert drawn[0] == drawn[1] != drawn[2] == drawn[3]


def test_a_uniform_stack_has_one_channel_and_one_run():
    assert stack_of(StackConfig(), Kind.uniform, 3).channels == 1
    assert len(measure_runs(StackConfig(), Kind.uniform, 3, 20)) == 1


def test_a_point_without_enough_runs_says_so():
    config = load("erf_growth").Config()
    zero = map_of(config, np.zeros((3, 5, 5)))
    with pytest.raises(InvalidInput, match="relu at depth 2: 0 of 3 runs are not 0 everywhere, 2 are needed"):
        require_runs(zero, Kind.relu, 2, least=2)
