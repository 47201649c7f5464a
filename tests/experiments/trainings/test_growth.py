"""The growth of the ERF that a training records is that of its network, before, in between and after."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from erf import InvalidInput, effective_receptive_field, erf_size
from erf.metrics.gaussian_fit import map_moments
from erf.metrics.mass_radius import mass_radius
from erf.networks.cifar_resnet import CifarResNet
from erf.networks.start import Start
from erf.seeds import derive
from erf.training.checkpoints import BEST, LAST, load_weights
from erf.training.loop import calibrate
from erf.training.processes import make_fabric
from experiments.cifar10 import experiment as cifar10
from experiments.harness.intervals import middle
from experiments.trainings.figure import draw_growth
from experiments.trainings.plan import Stream, plan_of, weights_generator
from tests.experiments.list_logbook import ListLogbook
from tests.experiments.trainings.toy_growth import CALIBRATION, CPU, EPOCHS, IMAGES, LAYERS, config_of, task_of

pytestmark = pytest.mark.usefixtures("few_layers")


@pytest.fixture(scope="module")
def trained():
    logbook = ListLogbook()
    return cifar10.run(config_of(), logbook), logbook


def initial_network(config, data):
    network = CifarResNet(config.width, generator=weights_generator(config))
    fabric = make_fabric(CPU)
    fabric.launch()
    calibrate(network, plan_of(fabric, config, task_of(network, data)).batches, CALIBRATION, CPU)
    return network


def best_network(trained):
    result, logbook = trained
    network = CifarResNet(result.config.width)
    load_weights(network, (logbook.training / BEST).read_bytes())
    return network


def measured(network, images, config, units):
    # One image at a time, as training measures: in batches of others, gates within rounding of 0 may flip.
    return effective_receptive_field(
        network,
        images,
        "top",
        units,
        config.statistic,
        config.aggregation,
        derive(config.seed, Stream.signs),
        batch_size=1,
    )


UNITS = [(16, 16), (10, 10), (10, 21), (21, 10), (21, 21)]


@pytest.mark.parametrize("when", ["before", "after"])
def test_maps_and_sizes_are_those_of_the_network_at_that_time(when, trained, data):
    result, _ = trained
    network = initial_network(result.config, data) if when == "before" else best_network(trained)
    images = data.validation.normalized(torch.tensor([0, 2, 5, 7]))  # 4 of 10, evenly spaced
    maps = measured(network, images, result.config, UNITS)
    np.testing.assert_allclose(result.arrays[when], maps[0].values, rtol=1e-5, atol=1e-6 * maps[0].values.max())
    for unit, imap, kept in zip(result.units, maps, result.arrays[f"units/{when}"], strict=True):
        assert getattr(unit, f"erf_size_{when}") == pytest.approx(erf_size(imap), rel=1e-2)
        np.testing.assert_allclose(kept, imap.values / imap.values.max(), rtol=5e-3, atol=1e-3)
    assert [unit.unit for unit in result.units] == UNITS
    assert getattr(result, f"erf_size_{when}") == getattr(result.units[0], f"erf_size_{when}")
    at = result.trajectory[0 if when == "before" else result.best_epoch]
    assert at.sigma == pytest.approx(np.mean(map_moments(maps[0]).sigma), rel=1e-4)


@pytest.mark.parametrize("when", ["before", "after"])
def test_every_layers_middle_unit_is_measured(when, trained, data):
    result, _ = trained
    config = result.config
    network = initial_network(config, data) if when == "before" else best_network(trained)
    images = data.validation.normalized(torch.tensor([0, 2, 5, 7]))
    assert [layer.layer for layer in result.layers] == list(LAYERS)
    assert [layer.trf_size for layer in result.layers] == [3, 11, 21]
    for index, layer in enumerate(result.layers):
        seed = derive(config.seed, Stream.signs)
        imap = effective_receptive_field(network, images, layer.layer, None, config.statistic, config.aggregation, seed)
        np.testing.assert_allclose(
            result.arrays[f"layers/{when}"][index], imap.values / imap.values.max(), rtol=5e-3, atol=1e-3
        )
        size, (low, high) = getattr(layer, f"erf_size_{when}"), getattr(layer, f"erf_size_{when}_interval")
        assert size == pytest.approx(erf_size(imap), rel=1e-2)
        assert low <= high <= 32
    top = result.layers[-1]
    assert getattr(top, f"erf_size_{when}") == getattr(result, f"erf_size_{when}")
    assert getattr(top, f"erf_size_{when}_interval") == getattr(result, f"erf_size_{when}_interval")


def test_the_test_images_are_judged_by_the_best_epochs_weights(trained, data):
    result, logbook = trained
    network = best_network(trained).eval()
    right = network(data.test.normalized()).argmax(1) == data.test.labels
    assert result.test_accuracy == pytest.approx(float(right.float().mean()))
    right = network(data.validation.normalized()).argmax(1) == data.validation.labels
    validated = [at.validation["accuracy"] for at in result.trajectory]
    assert validated[result.best_epoch] == pytest.approx(float(right.float().mean()))
    assert result.best_epoch == 1 + int(np.argmax(validated[1:]))
    assert ("test/accuracy", result.test_accuracy, result.best_epoch) in logbook.logged_scalars


def test_intervals_resample_the_same_images_at_every_epoch(trained):
    result, _ = trained
    sizes = result.arrays["resampled_sizes"]
    assert sizes.shape == (EPOCHS + 1, 50)
    best = result.best_epoch
    assert result.erf_size_before_interval == middle(sizes[0])
    assert result.erf_size_after_interval == middle(sizes[best])
    assert result.growth == result.erf_size_after - result.erf_size_before
    assert result.growth_interval == middle(sizes[best] - sizes[0])
    assert result.growth_factor_interval == middle(sizes[best] / sizes[0])
    assert [at.erf_size_interval for at in result.trajectory] == [middle(row) for row in sizes]


@pytest.mark.parametrize("when", ["before", "after"])
def test_resampled_sizes_are_of_means_over_images_drawn_alike_before_and_after(when, trained, data):
    result, _ = trained
    config, best = result.config, result.best_epoch
    network = initial_network(config, data) if when == "before" else best_network(trained)
    images = data.validation.normalized(torch.tensor([0, 2, 5, 7]))
    each = [
        effective_receptive_field(
            network,
            image[None],
            "top",
            UNITS[0],
            config.statistic,
            config.aggregation,
            derive(config.seed, Stream.signs),
            first,
        )
        for first, image in enumerate(images)
    ]
    draws = np.random.default_rng(derive(config.seed, Stream.bootstrap)).multinomial(
        IMAGES, [1 / IMAGES] * IMAGES, size=50
    )
    sizes = []
    for counts in draws:
        mean = sum(count * imap.values**2 for count, imap in zip(counts, each, strict=True)) / IMAGES
        sizes.append(erf_size(replace(each[0], values=np.sqrt(mean))))
    row = result.arrays["resampled_sizes"][0 if when == "before" else best]
    np.testing.assert_allclose(row, sizes, rtol=1e-2)


def test_every_epoch_is_told_and_shown(trained):
    result, logbook = trained
    assert [at.epoch for at in result.trajectory] == list(range(EPOCHS + 1))
    assert result.arrays["frames"].tolist() == list(range(EPOCHS + 1))
    assert result.arrays["maps"].shape == (EPOCHS + 1, 32, 32)
    assert len(logbook.said) == EPOCHS + 1
    assert [step for *_, step in logbook.logged_maps] == list(range(EPOCHS + 1))
    assert list(logbook.animations) == ["erf"]
    assert len(logbook.animations["erf"]) == EPOCHS + 1
    assert (result.theoretical_receptive_field, result.clipped) == (21, (False, False))
    assert (result.training_images, result.validation_images, result.test_images) == (50, 10, 20)
    assert result.config.data_dir == "data"


def in_half(network):
    """Return the weights of ``network`` to three digits."""
    return {name: v.half().to(v.dtype) if v.is_floating_point() else v for name, v in network.state_dict().items()}


def test_weights_of_the_first_the_best_and_the_last_epoch_are_kept_to_three_digits(trained, data):
    result, logbook = trained
    last = CifarResNet(result.config.width)
    last.load_state_dict(torch.load(logbook.training / LAST, weights_only=True)["network"])
    networks = {"_before": initial_network(result.config, data), "": best_network(trained), "_last": last}
    for when, network in networks.items():
        content = logbook.attached[f"weights{when}.safetensors"]
        reader = CifarResNet(result.config.width)
        load_weights(reader, content)
        for name, value in in_half(network).items():
            torch.testing.assert_close(reader.state_dict()[name], value, rtol=1e-3, atol=1e-6)
        # Names and shapes are most of a toy network's file, so floats are counted.
        assert len(content) < 2.2 * sum(v.numel() for v in network.state_dict().values()) + 200 * len(in_half(network))


def test_other_measures_are_those_of_the_same_map(trained, data):
    result, _ = trained
    config = result.config
    images = data.validation.normalized(torch.tensor([0, 2, 5, 7]))
    network = best_network(trained)
    measures = result.trajectory[result.best_epoch].measures
    (imap,) = measured(network, images, config, UNITS[:1])
    assert measures.averaged_size == result.erf_size_after  # at stride 1 the grid's period is 1
    assert measures.averaged_size_interval == result.erf_size_after_interval
    assert measures.half_height_size == pytest.approx(erf_size(imap, level=0.5), rel=1e-2)
    assert measures.r50 == pytest.approx(mass_radius(imap, 0.5), rel=1e-2)
    assert measures.r95 == pytest.approx(mass_radius(imap, 0.95), rel=1e-2)
    assert measures.sigma == pytest.approx(map_moments(imap).sigma, rel=1e-3)
    seed = derive(config.seed, Stream.signs)
    squares = effective_receptive_field(network, images, "top", UNITS[0], "mean_square", config.aggregation, seed)
    assert measures.mean_square_size == pytest.approx(erf_size(squares), rel=1e-2)
    assert measures.mean_square_sigma == pytest.approx(map_moments(squares).sigma, rel=1e-3)
    low, high = measures.half_height_size_interval
    assert low <= high < measures.averaged_size_interval[0]
    best = result.arrays["measured"].tolist().index(result.best_epoch)
    assert measures.half_height_size_interval == middle(result.arrays["resampled_half_height_sizes"][best])


def test_the_network_with_batch_norm_as_constructed_is_measured_and_does_not_count(trained, data):
    result, _ = trained
    images = data.validation.normalized(torch.tensor([0, 2, 5, 7]))
    fresh = CifarResNet(result.config.width, generator=weights_generator(result.config))
    (imap,) = measured(fresh, images, result.config, UNITS[:1])
    assert result.fresh.averaged_size == pytest.approx(erf_size(imap), rel=1e-2)
    assert result.fresh.sigma == pytest.approx(map_moments(imap).sigma, rel=1e-3)
    assert result.fresh.sigma != pytest.approx(result.trajectory[0].measures.sigma, rel=1e-2)


def test_only_some_epochs_are_measured_and_always_first_best_and_last(trained):
    always, _ = trained
    assert 0 < always.best_epoch < EPOCHS
    logbook = ListLogbook()
    rarely = cifar10.run(config_of(measure_every=EPOCHS + 1), logbook)
    measured = [0, always.best_epoch, EPOCHS]
    assert [at.epoch for at in rarely.measured()] == rarely.arrays["measured"].tolist() == measured
    for one, other in zip(rarely.trajectory, always.trajectory, strict=True):
        unmeasured = replace(other, erf_size=None, erf_size_interval=None, sigma=None, measures=None)
        assert one == (other if one.epoch in measured else unmeasured)
    assert rarely.growth_interval == always.growth_interval
    assert sorted(step for *_, step in logbook.logged_maps) == measured
    assert len(logbook.animations["erf"]) == 3
    draw_growth(rarely, "accuracy", "").draw_without_rendering()


@pytest.mark.parametrize("settings", [{"start": Start.scaled_sums}, {"start": Start.small_gain, "gain": 0.5}])
def test_a_checkpoint_of_another_start_is_refused_with_both(settings, trained):
    _, logbook = trained
    with pytest.raises(InvalidInput, match=f"start=unit_gain there, {settings['start']} here") as error:
        cifar10.run(config_of(**settings), logbook)
    assert "\n" not in str(error.value)
