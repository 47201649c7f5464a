"""The images, labels and start that a training is made of, and those that are refused."""

from types import SimpleNamespace

import pytest
import torch

from erf import InvalidInput
from erf.metrics.erf_size import Reference
from erf.networks.cifar_resnet import CifarResNet
from erf.networks.start import Start, start_
from erf.seeds import derive
from erf.training.processes import make_fabric
from experiments.camvid import experiment as camvid
from experiments.cifar10 import experiment as cifar10
from experiments.harness.cli import folder_of
from experiments.trainings import growth as erf_in_training
from experiments.trainings.growth import result_of, study
from experiments.trainings.plan import Labels, Probe, Stream, plan_of, weights_generator
from experiments.trainings.probe import probing_of
from tests.experiments.list_logbook import ListLogbook
from tests.experiments.trainings.toy_growth import CPU, config_of, task_of

pytestmark = pytest.mark.usefixtures("few_layers")


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
