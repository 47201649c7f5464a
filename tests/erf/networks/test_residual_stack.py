import math
from functools import cache

import numpy as np
import pytest
import torch

from erf import InvalidInput, Residual, fit_gaussian, theoretical_receptive_field, theory
from erf.inits import Init
from erf.maps.statistic import Statistic
from erf.networks.conv_stack import Activation
from erf.networks.residual_stack import Order, ResidualStack
from erf.training.batch_norm import calibrate_batch_norm_
from experiments.stacks.drawn_networks import measure_draws
from experiments.stacks.paper_stacks import StackConfig
from tests.oracles.maps import marginal_moments


def measured(stack, runs, seed=4, **settings):
    config = StackConfig(
        name="",
        statistic=Statistic.mean_square,
        channels=stack.channels,
        input_channels=stack.input_channels,
        **settings,
    )

    def build(generator):
        network = stack.network(generator)
        images = torch.randn((4, stack.input_channels, stack.trf_size, stack.trf_size), generator=generator)
        calibrate_batch_norm_(network, images)
        return network

    return measure_draws(config, build, stack.trf_size, runs, seed).moments


@cache
def measured_linear(gain, init):
    """Return 100 runs of a stack that two tests compare, each with another prediction; each is a mean over 8 inputs."""
    return measured(ResidualStack(blocks=3, gain=gain, init=init, input_channels=8), 100)


def deviation(moments, layers):
    """Return the largest difference over pixels from the exact mean_square map of this total, in standard errors."""
    exact = theory.influence_map(layers).values * moments.sum((1, 2)).mean()
    return np.abs((moments.mean(0) - exact) / (moments.std(0, ddof=1) / math.sqrt(len(moments)))).max()


@pytest.mark.parametrize(
    ("gain", "init"),
    [(0.5, Init.he_normal), (None, Init.he_normal), pytest.param(1.0, Init.glorot_uniform, marks=pytest.mark.slow)],
)
def test_measured_maps_of_linear_stacks_are_the_exact_mixture(gain, init):
    stack = ResidualStack(blocks=3, gain=gain, init=init)
    assert deviation(measured_linear(gain, init), stack.theory()) < 5


def test_the_comparison_sees_another_gain():
    assert deviation(measured_linear(0.5, Init.he_normal), ResidualStack(blocks=3, gain=0.65).theory()) > 5


@pytest.mark.parametrize("gain", [0.3, 1.0, 2.5])
def test_the_exact_map_is_a_mixture_over_the_number_of_branches_taken(gain):
    """Each number of branches is a plain stack of that depth, weighed by its binomial probability."""
    stack = ResidualStack(blocks=4, branch_depth=2, gain=gain, init=Init.glorot_normal)
    share = gain**2 / (1 + gain**2)
    expected = np.zeros((stack.trf_size,) * 2)
    for taken in range(5):
        plain = theory.influence_map([theory.ConvLayer(3)] * (1 + 2 * taken)).values
        margin = (len(expected) - len(plain)) // 2
        probability = math.comb(4, taken) * share**taken * (1 - share) ** (4 - taken)
        expected += np.pad(probability * plain, margin)
    exact = theory.influence_map(stack.theory()).values
    np.testing.assert_allclose(exact, expected, rtol=0, atol=1e-13)
    assert theory.variance(stack.theory()) == pytest.approx(marginal_moments(exact)[1], rel=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("order", "batch_norm", "tolerance"),
    [
        # ReLUs after a sum are on where those below are, which favours the skip: narrower than for independent ones.
        (Order.post_activation, False, 0.08),
        (Order.post_activation, True, 0.05),
        (Order.pre_activation, False, 0.03),
        (Order.pre_activation, True, 0.04),
    ],
)
@pytest.mark.parametrize("gain", [0.5, 2.0])
def test_nonlinear_and_normed_stacks_are_near_their_prediction(order, batch_norm, tolerance, gain):
    stack = ResidualStack(5, 2, gain, order, batch_norm, activation=Activation.relu, final_activation=False)
    moments = measured(stack, 150, aggregation="random_sign")
    variance = np.mean(marginal_moments(moments.mean(0))[1])
    assert math.sqrt(variance) == pytest.approx(math.sqrt(theory.variance(stack.theory())[0]), rel=tolerance)


@pytest.mark.slow
def test_batch_norm_is_predicted_the_better_the_more_channels_are_independent():
    """With one input channel all channels are filters of one image, and their variances vary together."""
    errors = []
    for channels, input_channels in ((16, 1), (48, 48)):
        stack = ResidualStack(
            5, batch_norm=True, channels=channels, input_channels=input_channels, init=Init.glorot_normal
        )
        sigma = math.sqrt(np.mean(marginal_moments(measured(stack, 60, aggregation="random_sign").mean(0))[1]))
        errors.append(abs(sigma / math.sqrt(theory.variance(stack.theory())[0]) - 1))
    assert errors[1] < 0.015 < 0.03 < errors[0]


def test_without_batch_norm_all_blocks_have_one_gain_and_with_it_a_falling_one():
    linear = ResidualStack(3, gain=0.5)
    assert linear.branch_gains() == pytest.approx([1.0] * 3)  # He doubles E[g^2] in each of two linear layers
    relu = ResidualStack(3, gain=0.5, activation=Activation.relu)
    assert relu.branch_gains() == pytest.approx([math.sqrt(0.5)] * 3)  # one of two layers has a ReLU below it
    before = ResidualStack(3, gain=0.5, activation=Activation.relu, order=Order.pre_activation)
    assert before.branch_gains() == pytest.approx([0.5] * 3)
    normed = ResidualStack(3, gain=1.0, batch_norm=True)
    assert normed.branch_gains() == pytest.approx([1, math.sqrt(1 / 2), math.sqrt(1 / 3)], rel=0.01)
    with pytest.raises(InvalidInput, match="gain=None"):
        ResidualStack(3, gain=None).branch_gains()


@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize("gain", [1.0, None])
def test_fields_are_those_of_the_longest_path(order, gain):
    stack = ResidualStack(2, 3, gain, order, batch_norm=True, kernel_size=5, activation=Activation.relu)
    field = theoretical_receptive_field(stack.network(torch.Generator()), (stack.trf_size,) * 2, channels=1)
    assert field.box == ((0, stack.trf_size),) * 2 == theory.influence_map(stack.theory()).trf_box
    assert stack.depth == 7


def test_plain_and_residual_stacks_of_one_generator_have_the_same_weights():
    networks = [ResidualStack(2, gain=gain).network(torch.Generator().manual_seed(1)) for gain in (None, 0.5)]
    plain, residual = (list(network.parameters()) for network in networks)
    assert len(plain) == 5
    assert all(torch.equal(a, b) for a, b in zip(plain, residual, strict=True))
    images = torch.randn(1, 1, 9, 9)
    foot = networks[1][:3](images)
    assert torch.allclose(networks[1][3](foot), foot + 0.5 * networks[0][3](foot))


def test_a_small_gain_leaves_the_first_layer_and_a_large_one_the_plain_stack():
    small, large = (ResidualStack(3, gain=gain).theory() for gain in (1e-9, 1e9))
    assert all(isinstance(block, Residual) for block in small[1:])
    assert theory.variance(small) == pytest.approx(theory.variance(small[:1]))
    assert theory.variance(large) == pytest.approx(theory.variance(ResidualStack(3, gain=None).theory()))
    assert fit_gaussian(theory.influence_map(large)).r_squared > 0.99


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        ({"blocks": 0}, "blocks=0"),
        ({"branch_depth": 0}, "branch_depth=0"),
        ({"kernel_size": 4}, "kernel_size=4"),
        ({"activation": Activation.tanh}, "activation=tanh"),
        ({"gain": math.nan}, "gain=nan"),
    ],
)
def test_what_is_not_allowed_is_named(bad, named):
    with pytest.raises(InvalidInput, match=named):
        ResidualStack(**{"blocks": 2} | bad)
