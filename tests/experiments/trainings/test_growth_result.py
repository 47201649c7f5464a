"""Records of trainings are read back, and the epochs of which they show a frame."""

import io

import pytest
from rich.console import Console

from erf.networks.start import Start
from experiments.camvid import experiment as camvid
from experiments.cifar10 import experiment as cifar10
from experiments.harness.environment import Environment
from experiments.harness.record import read_record, write_record
from experiments.harness.reference import reference
from experiments.trainings.growth_result import filmstrip
from tests.experiments.list_logbook import ListLogbook
from tests.experiments.trainings.toy_growth import config_of

pytestmark = pytest.mark.usefixtures("few_layers")


@pytest.mark.parametrize(("epochs", "best"), [(1, 0), (4, 2), (17, 3), (61, 60), (61, 30)])
def test_frames_hold_first_last_and_best(epochs, best):
    frames = filmstrip(epochs, best)
    assert {0, epochs - 1, best} <= set(frames) <= set(range(epochs))
    assert frames == sorted(set(frames))
    assert len(frames) <= 9


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
