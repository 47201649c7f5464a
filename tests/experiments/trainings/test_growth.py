import io
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from rich.console import Console

from erf import InvalidInput, effective_receptive_field, erf_size
from erf.data import camvid as camvid_data
from erf.data import cifar10 as cifar10_data
from erf.maps.statistic import Statistic
from erf.metrics.erf_size import Reference
from erf.metrics.gaussian_fit import map_moments
from erf.metrics.grid_average import grid_average_inside
from erf.metrics.mass_radius import mass_radius
from erf.networks import cifar_resnet
from erf.networks.camvid_frontend import CamvidFrontend
from erf.networks.cifar_resnet import CifarResNet
from erf.networks.start import Start, start_
from erf.seeds import derive
from erf.training.checkpoints import BEST, LAST, load_weights
from erf.training.loop import calibrate
from erf.training.processes import make_fabric
from experiments.camvid import experiment as camvid
from experiments.cifar10 import experiment as cifar10
from experiments.harness.cli import folder_of
from experiments.harness.environment import Environment
from experiments.harness.intervals import middle
from experiments.harness.record import read_record, write_record
from experiments.harness.reference import reference
from experiments.trainings import growth as erf_in_training
from experiments.trainings.figure import draw_growth
from experiments.trainings.growth import result_of, study
from experiments.trainings.growth_result import filmstrip
from experiments.trainings.plan import Labels, Probe, Stream, Task, plan_of, weights_generator
from experiments.trainings.probe import (
    measure_layers,
    measure_mean_square,
    measure_units,
    probing_of,
    read_units,
    thumbnails,
)
from tests.experiments.list_logbook import ListLogbook
from tests.experiments.toy_data import toy_data

IMAGES, EPOCHS, CALIBRATION = 4, 3, 2
LAYERS = ("stem", "blocks.1", "top")
SETTINGS = {
    "partial_data": True, "width": 2, "epochs": EPOCHS, "batch_size": 10, "images": IMAGES, "grid": 2, "bootstrap": 50,
    "calibration": CALIBRATION, "statistic": Statistic.rms, "seed": 3,
}  # fmt: skip
CPU = torch.device("cpu")


def config_of(**changes):
    return cifar10.Config(**SETTINGS | {"data_dir": str(toy_data())} | changes)


@pytest.fixture(scope="module")
def data():
    return cifar10_data.load(toy_data(), partial=True)


@pytest.fixture(scope="module", autouse=True)
def few_layers():
    """Train a quarter of the network's blocks and measure three of its layers, as each takes as long as an epoch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cifar_resnet, "BLOCKS", 4)
        patch.setattr(CifarResNet, "layers", LAYERS)
        yield


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


def task_of(network, data):
    return Task(network, data, torch.nn.CrossEntropyLoss(), None, "accuracy")


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


def test_the_test_images_are_read_once_and_for_nothing_else(data, monkeypatch):
    read, evaluate = [], erf_in_training.evaluate

    def spy(fabric, network, batches, metrics):
        read.append(batches)
        return evaluate(fabric, network, batches, metrics)

    monkeypatch.setattr(erf_in_training, "evaluate", spy)
    cifar10.run(config_of(epochs=1, grid=1, images=2), ListLogbook())
    (batches,) = read
    assert torch.equal(batches.split.images, data.test.images)
    assert torch.equal(batches.split.labels, data.test.labels)
    assert (batches.shuffle, batches.drop_last, batches.augment) == (False, False, None)


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


@pytest.mark.parametrize(("epochs", "best"), [(1, 0), (4, 2), (17, 3), (61, 60), (61, 30)])
def test_frames_hold_first_last_and_best(epochs, best):
    frames = filmstrip(epochs, best)
    assert {0, epochs - 1, best} <= set(frames) <= set(range(epochs))
    assert frames == sorted(set(frames))
    assert len(frames) <= 9


def test_noise_can_stand_in_for_the_images_when_measuring(data):
    network = CifarResNet(2)
    config = config_of(images=10)
    probing = probing_of(config, network, "top", data.validation, Probe.noise, grid=2)
    assert probing.images.shape == (10, 3, 32, 32)
    assert abs(float(probing.images.mean())) < 0.02
    assert float(probing.images.std()) == pytest.approx(1, abs=0.02)
    first = torch.Generator().manual_seed(derive(3, Stream.noise, 0))
    assert torch.equal(probing.images[0], torch.randn((3, 32, 32), generator=first))
    plain = probing_of(config, network, "top", data.validation, Probe.images, grid=2)
    assert torch.equal(plain.images, data.validation.normalized())


def test_random_labels_are_the_true_ones_of_other_training_images(data):
    fabric = make_fabric(CPU)
    plans = {kind: plan_of(fabric, config_of(labels=kind), task_of(CifarResNet(2), data)) for kind in Labels}
    true, random = (plans[kind].batches.split.labels for kind in (Labels.true, Labels.random))
    assert torch.equal(true, data.train.labels)
    assert not torch.equal(random, true)
    assert torch.equal(random.sort().values, true.sort().values)
    assert plans[Labels.random].validation.split.labels is data.validation.labels


def test_training_images_are_changed_and_reordered_and_others_are_not(data):
    plan = plan_of(make_fabric(CPU), config_of(shift=2), task_of(CifarResNet(2), data))
    assert plan.batches.augment.shift == 2
    assert plan.batches.shuffle
    assert plan.batches.drop_last
    assert plan.validation.augment is None
    assert not plan.validation.shuffle
    assert not plan.validation.drop_last


def test_all_that_says_what_is_computed_is_in_the_checkpoint(data):
    settings = plan_of(make_fabric(CPU), config_of(), task_of(CifarResNet(2), data)).settings
    assert settings["data"] == data.content()
    assert settings["width"] == 2
    elsewhere = {"fresh", "data_dir", "partial_data", "device", "processes", "checkpoint_steps"}
    assert set(settings) == {*vars(config_of()), "data"} - elsewhere


def test_without_batch_norm_and_in_parts_it_trains_too():
    config = config_of(start=Start.scaled_sums, accumulate=3, epochs=1, grid=1, reference=Reference.peak, images=2)
    result = cifar10.run(config, ListLogbook())
    assert len(result.units) == 1
    assert result.trajectory[1].training_loss > 0


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


def test_a_record_with_epochs_that_were_not_measured_is_read_back(tmp_path):
    result = cifar10.run(config_of(epochs=2, grid=1, images=2, measure_every=3), ListLogbook())
    write_record(tmp_path, result, Environment.now("cpu"))
    read = read_record(tmp_path, cifar10.Result)
    assert read.trajectory == result.trajectory
    assert (read.fresh, read.config) == (result.fresh, result.config)
    assert summary_text(cifar10.summary(read)) == summary_text(cifar10.summary(result))


def summary_text(group):
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(group)
    return console.export_text()


@pytest.mark.parametrize(("name", "module"), [("cifar10", cifar10), ("camvid", camvid)])
def test_records_without_other_measures_are_read(name, module):
    result = reference(name, module.Result)
    assert (result.config.start, result.config.measure_every) == (Start.unit_gain, 1)
    assert result.fresh is None
    assert all(at.measures is None for at in result.trajectory)
    assert result.measured() == list(result.trajectory)
    assert "averaged_size_before" not in result.metrics()
    assert "averaged map" not in summary_text(module.summary(result))


@pytest.mark.parametrize("settings", [{"start": Start.scaled_sums}, {"start": Start.small_gain, "gain": 0.5}])
def test_a_checkpoint_of_another_start_is_refused_with_both(settings, trained):
    _, logbook = trained
    with pytest.raises(InvalidInput, match=f"start=unit_gain there, {settings['start']} here") as error:
        cifar10.run(config_of(**settings), logbook)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"gain": 0.1}, r"gain=0\.1 with start=unit_gain: only start=small_gain has a gain"),
        ({"start": Start.small_branches, "gain": 0.1}, r"gain=0\.1 with start=small_branches: only start=small_gain"),
        ({"start": Start.small_gain}, "gain=None: allowed are numbers from 0 to 1, with start=small_gain"),
        (
            {"start": Start.small_gain, "gain": 2.0},
            r"gain=2\.0: allowed are numbers from 0 to 1, with start=small_gain",
        ),
        ({"measure_every": 0}, "measure_every=0"),
    ],
)
@pytest.mark.parametrize("module", [cifar10, camvid])
def test_bad_starts_are_refused_before_anything_is_computed(module, settings, message):
    with pytest.raises(InvalidInput, match=message):
        module.Config(**settings)


@pytest.mark.parametrize("start", Start)
def test_every_start_trains_the_network_that_starts_so(start, data):
    config = config_of(start=start, gain=0.3 if start is Start.small_gain else None)
    network = CifarResNet(config.width, batch_norm=start.batch_norm, generator=weights_generator(config))
    expected = start_(network, start, config.gain, weights_generator(config)).state_dict()
    built = cifar10.task_of(config, data).network.state_dict()
    assert built.keys() == expected.keys()
    assert all(torch.equal(built[name], expected[name]) for name in built)


def test_more_images_than_there_are_is_an_error_that_names_them():
    with pytest.raises(InvalidInput, match="images=11: there are 10 validation images"):
        cifar10.run(config_of(images=11), ListLogbook())


def test_a_batch_that_processes_cannot_share_is_refused(data):
    with pytest.raises(InvalidInput, match="batch_size=10 cannot be shared evenly by processes=3"):
        plan_of(SimpleNamespace(world_size=3), config_of(), task_of(CifarResNet(2), data))


def test_other_processes_return_nothing(data):
    assert result_of(cifar10.Result, None, test_accuracy=1.0) is None
    assert study.__annotations__["return"] == "tuple[Growth | None, dict[str, float]]"


@pytest.mark.parametrize("name", ["cifar10", "camvid"])
def test_where_the_data_lie_does_not_name_the_folder_of_results(name):
    plain = folder_of([f"experiment={name}", "epochs=3"])
    assert folder_of([f"experiment={name}", "epochs=3", "data_dir=/else/where"]) == plain
    assert folder_of([f"experiment={name}", "epochs=4"]) != plain


def test_segmentation_is_judged_without_void_pixels():
    generator = torch.Generator().manual_seed(0)
    classes = 11
    logits = torch.randn(3, classes, 8, 9, generator=generator)
    targets = torch.randint(0, 10, (3, 8, 9), generator=generator)  # the last class is in no label
    targets[torch.rand(targets.shape, generator=generator) < 0.3] = camvid_data.VOID
    metrics = camvid.segmentation_metrics(classes)
    for one, target in zip(logits, targets, strict=True):
        metrics.update(one[None], target[None])
    values = {name: float(value) for name, value in metrics.compute().items()}

    known = (targets != camvid_data.VOID).numpy()
    guess, truth = logits.argmax(1).numpy()[known], targets.numpy()[known]
    ious = []
    for label in range(classes):
        union = ((guess == label) | (truth == label)).sum()
        if union:
            ious.append(((guess == label) & (truth == label)).sum() / union)
    assert len(ious) == classes  # the absent one is guessed somewhere
    assert values["mean_iou"] == pytest.approx(np.mean(ious))
    assert values["global_accuracy"] == pytest.approx((guess == truth).mean())
