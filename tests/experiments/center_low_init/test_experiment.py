"""A training of the small CNN: what differs between two, steps to a level, and what is measured."""

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from erf import InvalidInput, effective_receptive_field, erf_size, theoretical_receptive_field, theory
from erf.data import cifar10
from erf.inits import Init, center_low_profile, weight_variance
from erf.metrics.gaussian_fit import map_moments
from erf.metrics.grid_average import grid_average
from erf.networks.plain_cnn import LAYERS, PlainCnn
from erf.seeds import derive, generator
from experiments.center_low_init import experiment as center_low_init
from experiments.center_low_init.config import Config
from experiments.center_low_init.experiment import Moment, Result, mirrored, network_of, run, steps_to_level
from experiments.harness.environment import Environment
from experiments.harness.record import read_record, write_record
from experiments.trainings.plan import Stream
from tests.experiments.list_logbook import ListLogbook
from tests.experiments.toy_data import toy_data

SETTINGS = {
    "partial_data": True, "data_dir": str(toy_data()), "training_images": 50, "held_out": 10, "width": 2, "steps": 6,
    "evaluate_every": 2, "batch_size": 20, "images": 3, "levels": [0.05, 0.12, 0.99], "seed": 3,
}  # fmt: skip


def config_of(**changes):
    return Config(**SETTINGS | changes)


def convolutions(network):
    return [module for module in network.modules() if isinstance(module, nn.Conv2d)]


@pytest.fixture(scope="module")
def trained():
    logbook = ListLogbook()
    return run(config_of(), logbook), logbook


@pytest.mark.parametrize(("kernel_size", "trf"), [(3, 29), (5, 57)])
def test_the_networks_field_and_parameters(kernel_size, trf):
    network = PlainCnn(kernel_size, 4, generator=generator(0))
    field = theoretical_receptive_field(network, (64, 64), layer=network.top_layer)
    assert (field.size, field.jump, field.start, field.unit) == ((trf, trf), (4, 4), (0, 0), (8, 8))
    assert not any(field.clipped)
    widths = [3, 4, 8, 8, 16, 16, 16]
    pairs = pairwise(widths)
    expected = sum(kernel_size**2 * a * b + b for a, b in pairs) + 16 * 10 + 10
    assert sum(parameter.numel() for parameter in network.parameters()) == expected
    assert network(torch.zeros(2, 3, 32, 32)).abs().max() == 0  # biases are 0


def test_the_same_generator_gives_the_same_weights_and_no_global_draw_is_made():
    state = torch.random.get_rng_state()
    first, second = (PlainCnn(3, 4, generator=generator(1)) for _ in range(2))
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("init", [Init.he_normal, Init.glorot_uniform])
def test_trainings_of_one_seed_differ_in_the_profile_alone(init):
    plain, low = (convolutions(network_of(config_of(init=init, strength=s, width=8))) for s in (0.0, 0.6))
    profile = center_low_profile((3, 3), 0.6).float()
    for one, other in zip(plain[:-1], low[:-1], strict=True):
        torch.testing.assert_close(one.weight * profile, other.weight)
        fan = one.in_channels, one.out_channels
        tolerance = 5 * (2 / one.weight.numel()) ** 0.5  # a normal square has a relative standard deviation of sqrt(2)
        assert one.weight.square().mean().item() == pytest.approx(weight_variance(init, *fan, 9), rel=tolerance)
    assert torch.equal(plain[-1].weight, low[-1].weight)  # the classifier is 1x1


def test_fresh_weights_and_other_seeds_are_other_weights():
    first, fresh, other = (network_of(config_of(**changes)).top.weight for changes in ({}, {"draw": 1}, {"seed": 4}))
    assert not torch.equal(first, fresh)
    assert not torch.equal(first, other)
    assert not torch.equal(fresh, other)


@pytest.mark.parametrize(
    "changes",
    [
        {"draw": 1},
        pytest.param({"strength": 0.5}, marks=pytest.mark.slow),
        pytest.param({"init": Init.glorot_uniform}, marks=pytest.mark.slow),
        {"kernel_size": 5},
    ],
)
def test_every_start_sees_the_same_batches(changes, monkeypatch):
    seen = []
    step = center_low_init.train

    def watched(fabric, network, optimizer, plan, *others):
        seen.append([labels.tolist() for n in range(3) for _, labels in plan.batches.epoch(n)])
        return step(fabric, network, optimizer, plan, *others)

    monkeypatch.setattr(center_low_init, "train", watched)
    for settings in ({}, changes, {"seed": 4}):
        run(config_of(**settings), ListLogbook())
    assert seen[0] == seen[1] != seen[2]
    assert len(seen[0]) == 6


def moments(*accuracies):
    return [Moment(10 * at, accuracy, None, None, None) for at, accuracy in enumerate(accuracies)]


def test_steps_to_a_level_are_where_a_straight_line_first_meets_it():
    course = moments(0.1, 0.3, 0.2, 0.5)
    assert steps_to_level(0.2, course) == pytest.approx(5)
    assert steps_to_level(0.3, course) == 10
    assert steps_to_level(0.4, course) == pytest.approx(20 + 10 * 2 / 3)
    assert steps_to_level(0.5, course) == 30
    assert steps_to_level(0.51, course) is None
    assert steps_to_level(0.05, course) == 0
    assert steps_to_level(0.5, moments(0.1)) is None


@pytest.mark.parametrize("level", [0.4, 0.45, 0.5])
def test_a_level_is_reached_by_the_image_that_meets_it(level):
    """Accuracies are recorded as float32, which is below 0.45 and above 0.4."""
    count = round(2500 * level)
    hit, missed = (float(np.float32(images / 2500)) for images in (count, count - 1))
    assert 10 - 1e-5 < steps_to_level(level, moments(0.1, hit, 0.6)) <= 10
    assert steps_to_level(level, moments(hit, 0.6)) == 0
    assert steps_to_level(level, moments(0.1, missed)) is None
    assert steps_to_level(level, moments(missed, hit)) == pytest.approx(10, abs=1e-3)


def test_steps_are_of_the_moments_whatever_an_older_record_says(trained, tmp_path):
    write_record(tmp_path, trained[0], Environment.now("cpu"))
    record = json.loads((tmp_path / "result.json").read_text())
    assert "steps_to" not in record
    (tmp_path / "result.json").write_text(json.dumps(record | {"steps_to": [1.0, None, 2.0]}))
    environment = json.loads((tmp_path / "environment.json").read_text())
    del environment["checksums"]  # as older records have none
    (tmp_path / "environment.json").write_text(json.dumps(environment))
    assert read_record(tmp_path, Result).steps_to == trained[0].steps_to


def test_what_is_reported_is_of_the_training(trained):
    result, logbook = trained
    assert [at.step for at in result.moments] == [0, 2, 4, 6]
    assert result.moments[0].loss is None
    assert all(at.loss > 0 for at in result.moments[1:])
    assert result.steps_to[0] == 0
    assert result.steps_to[2] is None
    assert result.final_accuracy == result.moments[-1].accuracy
    assert (result.theoretical_receptive_field, result.period) == (29, 4)
    logged = [(tag, step) for tag, _, step in logbook.logged_scalars]
    assert [step for tag, step in logged if tag == "validation/accuracy"] == [0, 2, 4, 6]
    assert "steps_to_0.99" not in result.metrics()


@pytest.mark.parametrize(("strength", "kernel_size"), [(0.0, 3), (1.0, 3), (1.0, 5)])
def test_sizes_before_are_those_of_the_untrained_network(strength, kernel_size):
    config = config_of(strength=strength, kernel_size=kernel_size, steps=2)
    result = run(config, ListLogbook())
    images = mirrored(cifar10.load(toy_data(), partial=True).validation.normalized(torch.tensor([0, 3, 6])))
    imap = effective_receptive_field(network_of(config), images, "top", seed=derive(config.seed, Stream.signs))
    assert not any(imap.clipped)
    assert result.moments[0].sigma == pytest.approx(np.mean(map_moments(imap).sigma), rel=1e-4)
    assert result.moments[0].erf_size == pytest.approx(erf_size(grid_average(imap, 4)), rel=0.01)
    np.testing.assert_allclose(result.arrays["before"], imap.values / imap.values.max(), atol=2e-3)
    if strength == 1:  # three pixels of four, or fifteen of sixteen, are holes
        assert np.mean(imap.values[imap.trf_box[0][0] : imap.trf_box[0][1]] > 0) < 0.5


@pytest.mark.slow
def test_the_untrained_erf_has_the_width_that_theory_says():
    """Linear, E[g^2], wide enough: the exact map of the layers and their profiles."""
    for strength in (0.0, 0.7):
        profile = center_low_profile((3, 3), strength).square().numpy()
        layers = [theory.ConvLayer(3, stride, profile=profile / profile.sum()) for _, stride in LAYERS]
        exact = map_moments(theory.influence_map(layers, "mean_square")).sigma
        networks = (network_of(config_of(strength=strength, width=4, draw=draw)) for draw in range(40))
        maps = [
            effective_receptive_field(_linear(one), torch.zeros(1, 3, 64, 64), "top", None, "mean_square", seed=at)
            for at, one in enumerate(networks)
        ]
        mean = replace(maps[0], values=np.mean([one.values for one in maps], axis=0))
        assert map_moments(mean).sigma == pytest.approx(exact, rel=0.04)


def _linear(network):
    for place, module in enumerate(network.below):
        if isinstance(module, nn.ReLU):
            network.below[place] = nn.Identity()
    return network


def test_mirrored_images_continue_themselves():
    images = torch.rand(2, 3, 32, 32)
    wide = mirrored(images)
    assert wide.shape == (2, 3, 64, 64)
    assert torch.equal(wide[..., 16:48, 16:48], images)
    assert torch.equal(wide[..., 16:48, 15], images[..., 1])
    assert torch.equal(wide[..., 48, 16:48], images[..., 30, :])


def test_a_training_that_diverges_is_kept_as_censored():
    logbook = ListLogbook()
    result = run(config_of(learning_rate=1e8, steps=40, levels=[0.99]), logbook)
    assert result.diverged
    assert len(result.moments) < 21
    assert (result.steps_to, result.final_accuracy) == ((None,), 0.1)
    assert "not finite" in logbook.said[-1]
    assert not result.arrays["after"].any()


def test_an_interrupted_training_goes_on_bit_by_bit(trained, monkeypatch):
    logbook = ListLogbook()
    measure, calls = center_low_init._Probe.measure, []

    def stopped(self, network, epoch):
        calls.append(epoch)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return measure(self, network, epoch)

    monkeypatch.setattr(center_low_init._Probe, "measure", stopped)
    with pytest.raises(KeyboardInterrupt):
        run(config_of(), logbook)
    monkeypatch.undo()
    again = run(config_of(), logbook)
    assert again.moments == trained[0].moments
    np.testing.assert_array_equal(again.arrays["after"], trained[0].arrays["after"])


def test_threads_are_as_before():
    before = torch.get_num_threads()
    run(config_of(threads=2, steps=2), ListLogbook())
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"training_images": 51}, "training_images=51: there are 50"),
        ({"held_out": 11}, "held_out=11: there are 10"),
        ({"batch_size": 60}, "batch_size=60"),
    ],
)
def test_more_images_than_there_are_is_an_error(settings, named):
    with pytest.raises(InvalidInput, match=named):
        run(config_of(**settings), ListLogbook())
