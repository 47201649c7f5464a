"""Each start's weights are those of its definition, and all else of the network is as its constructor leaves it."""

import math

import pytest
import torch
from torch import nn

from erf import InvalidInput
from erf.networks.camvid_frontend import CamvidFrontend
from erf.networks.cifar_resnet import CifarResNet
from erf.networks.residual import BasicBlock
from erf.networks.start import Start, start_
from erf.seeds import generator

BUILD = {
    "cifar10": lambda **settings: CifarResNet(4, generator=generator(0), **settings),
    "camvid": lambda **settings: CamvidFrontend((2, 3, 4, 5), generator=generator(0), **settings),
}
BLOCKS = {"cifar10": 17, "camvid": 16}


def weights(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


def assert_equal(states, expected):
    assert states.keys() == expected.keys()
    for name, value in states.items():
        assert torch.equal(value, expected[name]), name


@pytest.mark.parametrize("kind", BUILD)
@pytest.mark.parametrize("start", [Start.unit_gain, Start.scaled_sums])
def test_two_starts_are_what_the_constructor_leaves(kind, start):
    network = BUILD[kind](batch_norm=start.batch_norm)
    before = weights(network)
    assert start_(network, start) is network
    assert_equal(weights(network), before)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert bool(norms) is (start is Start.unit_gain)
    assert all((norm.weight == 1).all() and (norm.bias == 0).all() for norm in norms)


@pytest.mark.parametrize("kind", BUILD)
@pytest.mark.parametrize("gain", [0.0, 0.25, 1.0])
def test_a_small_gain_is_that_of_each_blocks_last_batch_norm_alone(kind, gain):
    network = BUILD[kind]()
    expected = weights(network)
    last = [name for name in expected if name.endswith("norm2.weight")]
    assert len(last) == BLOCKS[kind]
    for name in last:
        expected[name].fill_(gain)
    assert_equal(weights(start_(network, Start.small_gain, gain)), expected)


@pytest.mark.parametrize("kind", BUILD)
def test_the_frameworks_default_is_what_torchs_constructors_leave(kind):
    network = start_(BUILD[kind](), Start.framework_default, generator=torch.Generator().manual_seed(7))
    reset = BUILD[kind]()
    with torch.random.fork_rng():
        torch.manual_seed(7)
        for module in reset.modules():
            if isinstance(module, nn.Conv2d | nn.BatchNorm2d):
                module.reset_parameters()
    assert network.classifier.bias.abs().max() > 0
    assert_equal(weights(network), weights(reset))


def test_without_a_generator_the_global_one_draws():
    networks = []
    for _ in range(2):
        torch.manual_seed(3)
        networks.append(start_(BUILD["cifar10"](), Start.framework_default))
    torch.manual_seed(4)
    assert_equal(weights(networks[0]), weights(networks[1]))
    other = start_(BUILD["cifar10"](), Start.framework_default)
    assert not torch.equal(other.top.weight, networks[0].top.weight)


@pytest.mark.parametrize("kind", BUILD)
def test_small_branches_are_he_weights_over_the_root_of_the_number_of_blocks(kind):
    network = BUILD[kind](batch_norm=False)
    expected = weights(network)
    for name in expected:
        if name.endswith("conv2.weight"):
            expected[name] /= math.sqrt(BLOCKS[kind])
    assert_equal(weights(start_(network, Start.small_branches)), expected)


def test_the_sums_of_small_branches_are_plain():
    network = start_(BUILD["cifar10"](batch_norm=False), Start.small_branches)
    block = next(module for module in network.modules() if isinstance(module, BasicBlock))
    x = torch.rand(2, 4, 5, 5, generator=generator(1))
    branch = block.conv2(torch.relu(block.conv1(x)))
    torch.testing.assert_close(block(x), torch.relu(x + branch), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("start", Start)
def test_a_start_that_the_network_cannot_have(start):
    network = BUILD["cifar10"](batch_norm=not start.batch_norm)
    before = weights(network)
    gain = 0.1 if start is Start.small_gain else None
    wanted, there = ("with", "without") if start.batch_norm else ("without", "with")
    with pytest.raises(InvalidInput, match=f"start={start} is of networks {wanted} batch norm; this one is {there} "):
        start_(network, start, gain)
    assert_equal(weights(network), before)


@pytest.mark.parametrize("start", [start for start in Start if start is not Start.small_gain])
def test_a_gain_of_another_start(start):
    with pytest.raises(InvalidInput, match=rf"gain=0\.1 with start={start}: only start=small_gain has a gain"):
        start_(BUILD["cifar10"](batch_norm=start.batch_norm), start, 0.1)


@pytest.mark.parametrize("gain", [None, -0.1, 1.5, math.nan])
def test_a_bad_gain(gain):
    with pytest.raises(InvalidInput, match=f"gain={gain}: allowed are numbers from 0 to 1, with start=small_gain"):
        start_(BUILD["cifar10"](), Start.small_gain, gain)
