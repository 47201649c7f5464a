"""What 0.1 wrote: its run folders are found again, and its records are read as what they are of."""

import json
import shutil

import pytest

from erf import InvalidInput
from erf.networks.start import Start
from experiments.harness.experiment import experiment_names, load
from experiments.harness.record import read_record
from experiments.harness.reference import REFERENCE
from experiments.harness.run_folder import run_folder

# Of the default settings, by the code of 33da313.
FOLDERS = {
    "architectures": "6411b365", "attention": "4a4fd8bc", "camvid": "2c8e3a4f", "center_low_init": "ee1dd09b",
    "cifar10": "d1b422c3", "dropout": "7a044ae0", "erf_growth": "386dbc54", "exact_theory": "3dca5ead",
    "gaussian_shape": "9f69f3b9", "growth_controls": "847ea35c", "kernels": "2a709627", "measure": "89249737",
    "nonlinearities": "f3ccef55", "skip_connections": "a17c513f", "sparse_connections": "c21595f2",
    "subsampling": "bc293985",
}  # fmt: skip


def test_the_experiments_of_0_1_are_still_there():
    assert FOLDERS.keys() <= set(experiment_names())


@pytest.mark.parametrize("name", FOLDERS)
def test_a_run_folder_of_0_1_is_found_again(name, tmp_path):
    assert run_folder(tmp_path, [], load(name).Config()).name == f"default-{FOLDERS[name]}"


def test_other_settings_have_other_folders(tmp_path):
    config = load("camvid").Config
    settings = [{}, {"start": Start.scaled_sums}, {"measure_every": 2}, {"start": Start.small_gain, "gain": 0.1}]
    settings += [{"start": Start.small_gain, "gain": 0.2}, {"start": Start.framework_default}]
    folders = {run_folder(tmp_path, [], config(**each)) for each in settings}
    assert len(folders) == len(settings)


def changed(tmp_path, name, **settings):
    """Return a copy of a reference record in which some settings are others."""
    folder = tmp_path / name
    shutil.copytree(REFERENCE / name, folder)
    record = json.loads((folder / "result.json").read_text())
    record["config"] |= settings
    (folder / "result.json").write_text(json.dumps(record))
    return folder


@pytest.mark.parametrize(("batch_norm", "start"), [(True, Start.unit_gain), (False, Start.scaled_sums)])
def test_batch_norm_is_read_as_a_start(tmp_path, batch_norm, start):
    folder = changed(tmp_path, "cifar10", batch_norm=batch_norm)
    assert read_record(folder, load("cifar10").Result).config.start is start


@pytest.mark.parametrize("name", ["cifar10", "erf_growth"])
def test_a_setting_that_is_not_known_is_named(tmp_path, name):
    folder = changed(tmp_path, name, leap=3)
    with pytest.raises(InvalidInput, match=r"result\.json does not fit its experiment: its setting 'leap' is unknown"):
        read_record(folder, load(name).Result)
