"""What is measured of a network: its layers, thumbnails of its maps, and maps averaged over its grid."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from erf import effective_receptive_field, erf_size
from erf.data import camvid as camvid_data
from erf.metrics.grid_average import grid_average_inside
from erf.networks.camvid_frontend import CamvidFrontend
from erf.networks.cifar_resnet import CifarResNet
from erf.seeds import derive
from experiments.camvid import experiment as camvid
from experiments.trainings.plan import Probe, Stream, weights_generator
from experiments.trainings.probe import (
    measure_layers,
    measure_mean_square,
    measure_units,
    probing_of,
    read_units,
    thumbnails,
)
from tests.experiments.toy_data import toy_data
from tests.experiments.trainings.toy_growth import config_of

pytestmark = pytest.mark.usefixtures("few_layers")


def test_a_layer_whose_center_has_no_influence_has_no_size(data):
    torch.manual_seed(0)
    network = CifarResNet(16)  # of a few channels, all may be 0 after the first ReLU
    torch.nn.init.zeros_(network.top.weight)
    probing = probing_of(config_of(), network, "top", data.validation, Probe.images, grid=1)
    layers = measure_layers(probing, ["stem", "top"], network, lambda items, *_: items, "")
    assert [layer.size is None for layer in layers] == [False, True]
    assert layers[1].interval is None
    assert not layers[1].thumbnail.any()


def test_large_maps_are_shown_as_means_of_blocks():
    maps = np.random.default_rng(0).random((2, 300, 201))
    means = np.stack(
        [[[m[r : r + 3, c : c + 3].mean() for c in range(0, 201, 3)] for r in range(0, 300, 3)] for m in maps]
    )
    np.testing.assert_allclose(thumbnails(maps), means / means.max((1, 2), keepdims=True), rtol=1e-3, atol=1e-7)
    small = maps[:, :128, :128]
    np.testing.assert_allclose(thumbnails(small), small / small.max((1, 2), keepdims=True), rtol=1e-3, atol=1e-7)


def test_strided_networks_are_measured_on_the_map_averaged_over_the_grid(tmp_path):
    data = camvid_data.load(toy_data(), partial=True)
    config = camvid.Config(
        data_dir=str(toy_data()), partial_data=True, widths=[2, 3, 4, 5], images=2, grid=1, bootstrap=20
    )
    network = CamvidFrontend(config.widths, generator=weights_generator(config)).eval()
    probing = probing_of(config, network, "stage4", data.validation, Probe.images, grid=1)
    numbers = measure_units(probing, tmp_path / "maps.npz", network, lambda items, *_: items, "")
    numbers |= measure_mean_square(probing, network)
    seed = derive(config.seed, Stream.signs)
    mean_abs, mean_square = (
        effective_receptive_field(network, probing.images, "stage4", probing.units[0], statistic, seed=seed)
        for statistic in ("mean_abs", "mean_square")
    )
    assert numbers["erf_size"] == pytest.approx(erf_size(mean_abs), rel=1e-2)
    averaged = grid_average_inside(mean_abs, 16)
    assert numbers["averaged_size"] == pytest.approx(erf_size(averaged), rel=1e-2)
    assert numbers["half_height_size"] == pytest.approx(erf_size(averaged, level=0.5), rel=1e-2)
    assert numbers["averaged_size"] != pytest.approx(numbers["erf_size"], rel=2e-2)
    assert numbers["mean_square_size"] == pytest.approx(erf_size(grid_average_inside(mean_square, 16)), rel=1e-2)
    units = read_units(probing, tmp_path / "maps.npz")
    each = [
        effective_receptive_field(network, image[None], "stage4", probing.units[0], seed=seed, first_sample=first)
        for first, image in enumerate(probing.images)
    ]
    draws = np.random.default_rng(derive(config.seed, Stream.bootstrap)).multinomial(2, [0.5, 0.5], size=20)
    sizes = [
        erf_size(grid_average_inside(replace(each[0], values=(a * each[0].values + b * each[1].values) / 2), 16))
        for a, b in draws
    ]
    np.testing.assert_allclose(units.resampled_averaged_sizes, sizes, rtol=1e-2)
    assert units.center.values.shape == (48, 64)
    np.testing.assert_allclose(units.center.values, mean_abs.values / mean_abs.values.max(), atol=1e-3)
