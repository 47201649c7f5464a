import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from erf import InvalidInput, theoretical_receptive_field, theory
from erf.maps.statistic import Statistic
from erf.metrics.grid_average import moving_mean
from erf.networks.conv_stack import Activation, ConvStack
from erf.networks.subsampled_stack import Pooling, SubsampledStack
from experiments.stacks.drawn_networks import measure_draws
from experiments.stacks.paper_stacks import StackConfig
from tests.oracles.maps import marginal_moments

INPUTS = 8  # channels, over which each run is averaged: fewer runs are enough
CONFIG = StackConfig(name="", statistic=Statistic.mean_square, input_channels=INPUTS)


def deviation(network, layers, runs=100, seed=3):
    """Return the largest difference over pixels of the mean_square map from that of ``layers``, in standard errors.

    The total, which the widths decide, is the measured one.
    """
    moments = measure_draws(CONFIG, network.network, network.trf_size, runs, seed).moments
    exact = theory.influence_map(layers).values * moments.sum((1, 2)).mean()
    return np.abs((moments.mean(0) - exact) / (moments.std(0, ddof=1) / math.sqrt(runs))).max()


def stack(strides=(1,) * 6, dilations=(1,) * 6, pooling=Pooling.none):
    return SubsampledStack(ConvStack(len(strides), input_channels=INPUTS), strides, dilations, pooling)


@pytest.mark.parametrize(
    "network",
    [
        pytest.param(stack(strides=(2, 2, 1, 1, 1, 1)), id="early", marks=pytest.mark.slow),
        pytest.param(stack(strides=(1, 1, 1, 2, 2, 1)), id="late", marks=pytest.mark.slow),
        pytest.param(stack(strides=(1, 2, 1, 2, 1, 1), pooling=Pooling.average), id="average"),
        pytest.param(stack(dilations=(1, 2, 1, 4, 1, 1)), id="dilated", marks=pytest.mark.slow),
        pytest.param(stack(strides=(1, 2, 1, 1, 1, 1), dilations=(1, 1, 2, 2, 1, 1)), id="both"),
    ],
)
def test_measured_maps_are_the_exact_ones(network):
    assert deviation(network, network.theory()) < 5


def test_the_comparison_sees_other_layers_of_the_same_field():
    network, other = stack(dilations=(1, 2, 1, 4, 1, 1)), stack(dilations=(1, 3, 1, 3, 1, 1))
    assert network.trf_size == other.trf_size
    assert deviation(network, other.theory()) > 5


@st.composite
def stacks(draw):
    depth = draw(st.integers(2, 5))
    of = lambda most: tuple(draw(st.lists(st.integers(1, most), min_size=depth, max_size=depth)))  # noqa: E731
    kernel = draw(st.integers(2, 4))
    return SubsampledStack(ConvStack(depth, 2, kernel_size=kernel), of(2), of(3), draw(st.sampled_from(Pooling)))


@settings(max_examples=40)
@given(stacks())
def test_an_image_of_the_field_is_one_unit_and_theory_has_its_field(network):
    module = network.network(torch.Generator().manual_seed(0))
    field = theoretical_receptive_field(module, (network.trf_size,) * 2, channels=1)
    assert field.grid == (1, 1)
    assert field.box == ((0, network.trf_size),) * 2 == theory.influence_map(network.theory()).trf_box
    _, variances = marginal_moments(theory.influence_map(network.theory()).values)
    assert theory.variance(network.theory()) == pytest.approx(variances, rel=1e-9)


@pytest.mark.parametrize(
    "network", [stack(strides=(2, 2, 2, 1, 1, 1)), stack(dilations=(2,) * 6)], ids=["stride", "dilation"]
)
def test_averaged_over_its_period_a_map_with_a_grid_falls_from_its_center_on(network):
    values = theory.influence_map(network.theory()).values
    maps = (values, moving_mean(values, (network.period,) * 2))
    raw, averaged = (row[len(row) // 2 : -network.period] for row in (one[len(one) // 2] for one in maps))
    assert (np.diff(raw) > 0.1 * raw[:-1]).any()
    assert (np.diff(averaged) < 1e-15).all()


def test_pooling_and_activation_follow_their_convolution():
    network = SubsampledStack(
        ConvStack(2, 4, activation=Activation.relu, final_activation=False), (2, 1), (1, 3), Pooling.max
    )
    conv1, relu, pool, conv2, none, nothing = network.network(torch.Generator())
    assert (conv1.stride, conv2.stride, conv2.dilation) == ((1, 1), (1, 1), (3, 3))
    assert [type(m) for m in (relu, pool, none, nothing)] == [nn.ReLU, nn.MaxPool2d, nn.Identity, nn.Identity]
    assert pool.kernel_size == pool.stride == 2
    assert (network.period, stack(strides=(2, 2, 1, 1, 1, 2)).period, stack(dilations=(2,) * 6).period) == (1, 4, 2)


@pytest.mark.parametrize("bad", [{"strides": (1, 2)}, {"strides": (0,) * 6}, {"dilations": (1,) * 5}])
def test_layers_that_do_not_fit_are_named(bad):
    with pytest.raises(InvalidInput, match=next(iter(bad))):
        SubsampledStack(ConvStack(6), **{"strides": (1,) * 6, "dilations": (1,) * 6} | bad)
