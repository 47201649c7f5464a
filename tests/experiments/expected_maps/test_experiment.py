"""Drawn networks against theory: their weights, what is left without nonlinearities, and every number of a stage."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from erf import InvalidInput, effective_receptive_field
from erf.data.noise import NoiseImages
from erf.seeds import WEIGHTS, derive, generator
from erf.theory import expected_map
from experiments.expected_maps.experiment import Config, Way, run
from experiments.expected_maps.networks import ARCHITECTURES, draw_weights_, run_linear, set_weights_
from experiments.expected_maps.toys import UNet, Upsampling, WaveNet
from tests.experiments.list_logbook import ListLogbook

SMALL = {"networks": ["wavenet_16"], "draws": 3, "linear_draws": 5, "bootstrap": 50}
TOYS = [name for name, architecture in ARCHITECTURES.items() if architecture.is_small]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_layer_is_there(name):
    architecture = ARCHITECTURES[name]
    with torch.device("meta"):
        network = architecture.make()
    assert {*architecture.layers} <= {module for module, _ in network.named_modules()}


@pytest.mark.parametrize("name", [*TOYS, "resnet18", "camvid_frontend"])
def test_without_nonlinearities_a_network_is_linear(name):
    architecture = ARCHITECTURES[name]
    network = architecture.make().eval()
    draw_weights_(network, 1.0, generator(0))
    one, two = torch.randn(2, 1, architecture.channels, *architecture.linear_sides, generator=generator(1))
    with torch.no_grad():
        of_sum, sum_of = run_linear(network, one - 3 * two), run_linear(network, one) - 3 * run_linear(network, two)
        torch.testing.assert_close(of_sum, sum_of, rtol=1e-3, atol=1e-4 * float(sum_of.abs().max()))
        assert not torch.allclose(network(one - 3 * two), network(one) - 3 * network(two), rtol=0.1)


def test_average_pools_stand_for_max_pools_of_the_same_windows():
    images = torch.randn(1, 2, 9, 9, generator=generator(0))
    for pool in (nn.MaxPool2d(3, 2, 1), nn.MaxPool2d(2), nn.MaxPool2d(kernel_size=3, stride=1)):
        average = nn.AvgPool2d(pool.kernel_size, pool.stride, pool.padding)
        torch.testing.assert_close(run_linear(pool, images), average(images))


@pytest.mark.parametrize(
    ("layer", "inputs"),
    [
        (nn.Conv2d(32, 64, 3), 32 * 9),
        (nn.Conv2d(32, 64, 3, groups=4), 8 * 9),
        (nn.Linear(500, 40), 500),
        (nn.ConvTranspose2d(32, 64, 2, stride=2), 32),
        (nn.ConvTranspose2d(32, 64, 4, stride=2, groups=2), 16 * 4),
    ],
)
def test_weights_have_the_gain_over_the_inputs_as_their_variance(layer, inputs):
    draw_weights_(layer, 2.0, generator(0))
    assert float(layer.weight.detach().square().mean()) == pytest.approx(2 / inputs, rel=0.1)
    assert abs(float(layer.weight.detach().mean())) < 5 * math.sqrt(2 / inputs / layer.weight.numel())
    assert not layer.bias.any()
    set_weights_(layer, 2.0)
    assert layer.weight.detach().numpy() == pytest.approx(math.sqrt(2 / inputs))


@pytest.mark.parametrize("name", TOYS)
def test_theory_is_exact_for_all_layers_of_linear_networks(name):
    architecture = ARCHITECTURES[name]
    network = architecture.make().eval()
    layers = list(architecture.layers)
    maps = expected_map(network, architecture.linear_sides, layers, call=run_linear)
    assert [maps[layer].findings for layer in layers] == [(), ()]


def test_theory_refuses_the_gates_of_a_wavenet_by_name():
    with pytest.raises(InvalidInput, match=r"mul.*no rule is known for a product of two activations"):
        expected_map(WaveNet(4, gated=True), (256,), "last")


@pytest.mark.parametrize(
    ("axes", "upsampling"), [(2, Upsampling.bilinear), (2, Upsampling.transposed), (3, "transposed")]
)
def test_a_u_net_keeps_the_grid(axes, upsampling):
    network = UNet(4, levels=3, axes=axes, upsampling=Upsampling(upsampling))
    assert network(torch.zeros(1, 3, *[16] * axes)).shape == (1, 4, *[16] * axes)
    has_weights = any(isinstance(module, nn.ConvTranspose2d | nn.ConvTranspose3d) for module in network.modules())
    assert has_weights is (upsampling == Upsampling.transposed)


@pytest.fixture(scope="module")
def result():
    return run(Config(**SMALL), ListLogbook())


@pytest.mark.parametrize("way", [Way.linear, pytest.param(Way.as_it_is, marks=pytest.mark.slow)])
def test_each_number_of_a_stage_is_that_of_its_maps(result, way):
    is_linear = way is Way.linear
    network, call = WaveNet(16).eval(), run_linear if is_linear else None
    measured, expected = [], []
    for draw in range(20 if is_linear else 12):
        seed = derive(0, draw)
        draw_weights_(network, 1.0 if is_linear else 2.0, generator(seed, WEIGHTS))
        images = NoiseImages("normal", (1, 256), 2, seed)
        measured.append(
            effective_receptive_field(network, images, "last", statistic="mean_square", seed=seed, call=call)
        )
        if is_linear:
            set_weights_(network, 1.0)
        expected.append(expected_map(network, (256,), "last", images=next(iter(images))[:1], call=call))
    stage = result.of_network("wavenet_16", way)[-1]
    assert (stage.layer, stage.draws) == ("last", len(measured))
    means = [np.mean([imap.values for imap in side], 0) for side in (measured, expected)]
    places = np.arange(256)
    for mean, sigma in zip(means, (stage.sigma, stage.expected_sigma), strict=True):
        center = mean @ places / mean.sum()
        assert sigma == pytest.approx(math.sqrt(mean @ (places - center) ** 2 / mean.sum()), rel=1e-6)
    assert stage.error == pytest.approx(stage.expected_sigma / stage.sigma - 1)
    assert stage.total == pytest.approx(means[1].sum() / means[0].sum(), rel=1e-6)
    above = [(mean > (1 - 0.9545) * mean[128]).sum() for mean in means]
    assert (stage.size, stage.expected_size) == tuple(above)
    differences = np.array([one.values - other.values for one, other in zip(measured, expected, strict=True)])
    errors = differences.std(0, ddof=1) / math.sqrt(len(differences))
    inside = means[1] > 0
    assert stage.pixels == inside.sum() == 128
    assert stage.deviation == pytest.approx(
        np.abs(differences.mean(0))[inside].__truediv__(errors[inside]).max(), rel=1e-4
    )
    assert stage.limit == pytest.approx(stats.t.ppf(1 - 0.05 / 2 / 128, len(measured) - 1))
    assert stage.findings == expected[0].findings
    assert bool(stage.findings) is not is_linear


def test_intervals_resample_both_maps_by_the_same_draws(result):
    for stage in result.stages:
        low, high = stage.error_interval
        assert low < high
        assert low - 0.1 < stage.error < high + 0.1


def test_the_maps_of_the_record_are_those_of_the_last_layer_as_it_is(result):
    assert set(result.arrays) == {"map/wavenet_16", "theory/wavenet_16"}
    stage = result.of_network("wavenet_16")[-1]
    for key, size in (("map/wavenet_16", stage.size), ("theory/wavenet_16", stage.expected_size)):
        values = result.arrays[key].astype(float)
        assert values.max() == 1
        assert (values > (1 - 0.9545) * values[128]).sum() == pytest.approx(size, abs=1)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"networks": ["resnet5"]}, "'resnet5' is unknown; allowed: vgg16, resnet18"),
        ({"networks": []}, "networks"),
        ({"draws": 1}, "draws=1"),
        ({"linear_draws": 1}, "linear_draws=1"),
        ({"bootstrap": 0}, "bootstrap=0"),
    ],
)
def test_a_value_that_is_not_allowed_is_named(settings, words):
    with pytest.raises(InvalidInput, match=words):
        Config(**settings)
