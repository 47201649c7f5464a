"""Networks drawn one by one give what the fast way for plain stacks gives, and the exact map where there is one."""

import numpy as np
import pytest
import torch
from torch import nn

import erf
from erf import InvalidInput
from erf.inits import Init
from erf.maps.statistic import Statistic
from erf.networks.conv_stack import ConvStack
from erf.stacks.stack_influence import stack_moments
from experiments.stacks.drawn_networks import measure_draws
from experiments.stacks.paper_stacks import StackConfig

STACK = ConvStack(depth=4, channels=16, init=Init.glorot_normal)


def strided(draw):
    """Return two strided convolutions and a third, padded, with the weights of a stack."""
    weights = ConvStack(depth=3, channels=16).draw_weights(draw)
    layers = []
    for weight, stride in zip(weights, (2, 2, 1), strict=True):
        layers.append(nn.Conv2d(weight.shape[1], 16, 3, stride=stride, padding=1, bias=False))
        layers[-1].weight = nn.Parameter(weight)
    return nn.Sequential(*layers)


@pytest.mark.parametrize("statistic", list(Statistic)[:3])
def test_plain_stacks_agree_with_the_fast_way(statistic):
    config = StackConfig(name="", statistic=statistic, aggregation="random_sign")
    build = lambda draw: STACK.network(STACK.draw_weights(draw))  # noqa: E731
    draws = measure_draws(config, build, STACK.trf_size, runs=3, seed=5, dtype=torch.float64)
    fast = stack_moments(STACK, 3, statistic, seed=5, dtype=torch.float64)
    assert np.abs(draws.moments - fast).max() < 1e-12 * fast.max()
    assert draws.field.box == draws.imap().trf_box == STACK.trf_box


def test_a_strided_stack_has_its_exact_map():
    config = StackConfig(name="", statistic=Statistic.mean_square)
    draws = measure_draws(config, strided, 33, runs=400, seed=1)
    assert draws.field.clipped == (False, False)
    rows, columns = (slice(*ends) for ends in draws.field.box)
    runs = draws.moments[:, rows, columns]
    layers = [erf.ConvLayer(3, stride=2), erf.ConvLayer(3, stride=2), erf.ConvLayer(3)]
    exact = erf.theory.influence_map(layers).values * runs.sum((1, 2)).mean()
    error = runs.std(0, ddof=1) / 20
    assert np.abs(runs.mean(0) - exact).max() < 5 * error.max()
    assert (np.abs(runs.mean(0) - exact) < 5 * error).all()
    assert draws.moments.sum() == pytest.approx(runs.sum(), rel=1e-12)


def test_runs_depend_on_their_number_alone():
    config = StackConfig(name="", aggregation="random_sign")
    many, few = (measure_draws(config, strided, 33, runs, seed=2).moments for runs in (3, 2))
    assert np.array_equal(many[:2], few)
    assert not np.array_equal(many[0], many[1])


def test_gradients_that_overflow_are_named():
    def build(draw):
        network = strided(draw)
        for layer in network:
            nn.init.constant_(layer.weight, 1e20)
        return network

    with pytest.raises(InvalidInput, match="run 0: the gradient is not finite"):
        measure_draws(StackConfig(name="", statistic=Statistic.mean_square), build, 33, runs=1, seed=0)
