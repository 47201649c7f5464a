"""Random signs keep magnitudes; sizes are those of the maps; what does not change in training has no parts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import erf
from erf import InvalidInput
from erf.data import cifar10 as cifar10_data
from erf.networks import cifar_resnet
from erf.networks.cifar_resnet import CifarResNet
from erf.networks.start import Start
from erf.training.checkpoints import half_precision_weights
from erf.training.loop import calibrate
from erf.training.processes import make_fabric
from experiments.cifar10 import experiment as cifar10
from experiments.magnitudes_and_signs import config as magnitudes_and_signs
from experiments.magnitudes_and_signs import experiment
from experiments.magnitudes_and_signs.config import Config, Network, When
from experiments.magnitudes_and_signs.experiment import Kind, KindSizes, _change, _kind_sizes, run
from experiments.magnitudes_and_signs.random_signs import draw_signs_
from experiments.trainings.plan import batches_of
from tests.experiments.list_logbook import ListLogbook
from tests.experiments.toy_data import toy_data

TOY = {
    "data_dir": str(toy_data()), "partial_data": True, "data_sets": ["cifar10"], "starts": [Start.small_gain],
    "cifar10_width": 4, "cifar10_seeds": 1, "trained": False, "cifar10_images": 3, "draws": 2, "calibration": 1,
    "batch_size": 4, "bootstrap": 20,
}  # fmt: skip


@pytest.fixture(autouse=True)
def few_layers(monkeypatch):
    """Measure shallower networks."""
    monkeypatch.setattr(cifar_resnet, "BLOCKS", 4)


def first_network(config):
    """Return the network of the toys as its training begins, and its images."""
    training = config.networks()[0].training(config)
    task = cifar10.task_of(training, cifar10_data.load(config.data_dir, partial=True))
    calibrate(task.network, batches_of(make_fabric(torch.device("cpu")), training, task.data), 1, torch.device("cpu"))
    validation = task.data.validation
    return task.network, validation.normalized(torch.arange(3) * len(validation) // 3)


def test_random_signs_keep_magnitudes_and_batch_norm():
    network = CifarResNet(8)
    for norm in (module for module in network.modules() if isinstance(module, nn.BatchNorm2d)):
        nn.init.normal_(norm.weight)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    draw_signs_(network, torch.Generator().manual_seed(0))
    flipped = []
    for name, value in network.state_dict().items():
        if before[name].ndim > 1:
            assert torch.equal(value.abs(), before[name].abs())
            flipped.append((value != before[name]).double().mean().item())
        else:
            assert torch.equal(value, before[name])
    assert flipped
    assert np.mean(flipped) == pytest.approx(0.5, abs=0.05)


def test_intervals_are_as_wide_as_the_number_of_maps_says(monkeypatch):
    monkeypatch.setattr(experiment, "widened", lambda replicates, _estimate, maps: np.full_like(replicates, maps))
    network = nn.Conv2d(1, 2, 3, padding=1)
    maps = [
        erf.effective_receptive_field(network, torch.ones(1, 1, 9, 9), statistic="mean_square", seed=seed)
        for seed in range(3)
    ]
    sizes = _kind_sizes(Config(**TOY), [maps, maps, maps[:2], maps[:2]], (1, 1))
    assert sizes.resampled[:, 0].tolist() == [3, 3, 2, 2]


def test_each_size_is_that_of_its_map():
    config = Config(**TOY)
    (epoch,) = run(config, ListLogbook()).epochs
    network, images = first_network(config)
    measured = erf.effective_receptive_field(network, images, network.top_layer, statistic="rms", seed=0)
    assert epoch.sizes[Kind.measured].value == pytest.approx(erf.erf_size(measured), rel=1e-6)
    squares = erf.theory.expected_map(network, 32, network.top_layer, weights="squared", images=images)
    expected = squares.with_moment(squares.values, "rms")
    assert epoch.sizes[Kind.expected].value == pytest.approx(erf.erf_size(expected), rel=1e-6)
    assert (epoch.when, epoch.number) == (When.first, 0)
    for size in epoch.sizes.values():
        assert size.interval[0] <= size.interval[1]


def test_random_signs_come_with_statistics_of_their_own(monkeypatch):
    """Weights twice as large are the same network once batch norm's statistics are estimated anew."""
    plain = run(Config(**TOY), ListLogbook()).epochs[0].sizes
    drawn = draw_signs_

    def twice(network, generator):
        drawn(network, generator)
        for block in network.blocks:
            block.conv2.weight.data *= 2

    monkeypatch.setattr("experiments.magnitudes_and_signs.experiment.draw_signs_", twice)
    larger = run(Config(**TOY), ListLogbook()).epochs[0].sizes
    for kind in (Kind.random_signs, Kind.expected_random_signs):
        assert larger[kind].value == pytest.approx(plain[kind].value, rel=1e-3)


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """Make the toys' network before training that of their best and last epochs, too."""
    content = half_precision_weights(first_network(Config(**TOY))[0])
    (tmp_path / "trained_networks").mkdir()
    for when in ("best", "last"):
        (tmp_path / "trained_networks" / f"cifar10_4_small_gain_0.16_0_{when}.safetensors").write_bytes(content)
    monkeypatch.setattr(magnitudes_and_signs, "REFERENCE", tmp_path)
    epochs = {When.first: 0, When.best: 3, When.last: 4}
    monkeypatch.setattr(Network, "epochs", lambda self, data=None: epochs)
    return tmp_path


def test_what_does_not_change_in_training_has_no_parts(trained):
    result = run(Config(**TOY | {"trained": True}), ListLogbook())
    assert [(one.when, one.number) for one in result.epochs] == [("first", 0), ("best", 3), ("last", 4)]
    first, best, last = ({kind: size.value for kind, size in one.sizes.items()} for one in result.epochs)
    assert best == last
    assert best == pytest.approx(first, rel=1e-2)  # its weights are kept in half precision
    (change,) = result.changes
    for part in (change.all, change.magnitudes, change.signs):
        assert part.value == pytest.approx(0, abs=0.2)
        assert part.interval == pytest.approx((0, 0), abs=0.5)
    assert result.metrics()["all_cifar10_4_small_gain_0.16"] == change.all.value


def test_the_parts_of_a_change_add_up():
    """Own signs 10 to 16, random ones 10 to 14: 4 by magnitudes, 2 by signs; resampled alike at both epochs."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(4, 50))
    first, best = (
        KindSizes(np.array(sizes), np.array(sizes)[:, None] + noise, np.zeros((4, 1, 1)))
        for sizes in ([10.0, 0, 10, 0], [16.0, 0, 14, 0])
    )
    change = _change(Config(**TOY).networks()[0], first, best)
    assert (change.all.value, change.magnitudes.value, change.signs.value) == (6, 4, 2)
    assert change.all.interval == pytest.approx((6, 6))
    assert change.signs.interval == pytest.approx((2, 2))


def test_what_cannot_be_measured_is_refused(trained):
    for settings, text in (
        ({"data_sets": ["imagenet"]}, "data_sets='imagenet' is unknown; allowed: camvid, cifar10"),
        ({"draws": 1}, "draws=1"),
        ({"cifar10_images": 1}, "cifar10_images=1"),
        ({"gain": 2.0}, "gain"),
    ):
        with pytest.raises(InvalidInput, match=text):
            Config(**TOY | settings)
    Path(trained / "trained_networks" / "cifar10_4_small_gain_0.16_0_last.safetensors").unlink()
    with pytest.raises(InvalidInput, match=r"0.16_0_last.safetensors is missing; allowed with other networks: trained"):
        Config(**TOY | {"trained": True}).files()


def test_the_epochs_are_those_of_the_recorded_trainings():
    networks = Config(trained=False).networks()
    assert [network.epochs() for network in networks if network.seed == 0] == [
        {"first": 0, "best": 15, "last": 16}, {"first": 0, "best": 16},
        {"first": 0, "best": 49, "last": 60}, {"first": 0, "best": 58, "last": 60},
    ]  # fmt: skip
    other = replace(networks[0], seed=9)
    with pytest.raises(InvalidInput, match=r"cifar10_16_small_gain_0.16_9 is no training of cifar10_starts"):
        other.epochs()
    with pytest.raises(InvalidInput, match="cifar10_starts has learnt other data"):
        networks[0].epochs(cifar10_data.load(str(toy_data()), partial=True))


def test_weights_of_all_recorded_trainings_are_there():
    assert len(Config().files()) == 12
