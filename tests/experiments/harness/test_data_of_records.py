"""A record of one data set is never shown for another, and without any data it is shown all the same."""

import os
from dataclasses import fields
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from erf.errors import InvalidInput
from experiments.harness.cli import folder_of, main
from experiments.harness.experiment import experiment_names, load
from experiments.harness.record import RESULT
from experiments.harness.run_folder import run_folder
from tests.erf.data.tiny_sets import camvid_folder, cifar_folder
from tests.experiments.toy_data import toy_data

pytestmark = pytest.mark.usefixtures("elsewhere", "empty_figures")

WITH_DATA = [name for name in experiment_names() if "data_dir" in {field.name for field in fields(load(name).Config)}]
TOY = {"training_images": 40, "held_out": 10, "images": 2}  # of center_low_init: as few as there are
STUDY = ["experiment=center_low_init", "partial_data=true", *(f"{key}={value}" for key, value in TOY.items())]
STUDY += ["width=2", "steps=2", "evaluate_every=2", "batch_size=10", "levels=[0.12]"]


@pytest.fixture
def other_data(tmp_path):
    """A folder of other images of the same number and size."""
    cifar_folder(tmp_path / "other" / "cifar10", train=6, test=2, seed=1)
    camvid_folder(tmp_path / "other" / "camvid", frames=4, size=(48, 64), seed=1)
    return tmp_path / "other"


@pytest.fixture
def torch_threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def config(name, data_dir=None, **settings):
    small = TOY if name == "center_low_init" else {}
    where = {} if data_dir is None else {"data_dir": str(data_dir)}
    return load(name).Config(partial_data=True, **where, **small, **settings)


def record(folder, name, data=None):
    """Write as much of a record as says what it is of."""
    folder.mkdir(parents=True)
    named = "" if data is None else f', "data": "{data}"'
    (folder / RESULT).write_text(f'{{"config": {{"name": "{name}"}}{named}}}')


def test_the_experiments_with_data_are_these():
    assert WITH_DATA == [
        "camvid", "center_low_init", "cifar10", "growth_controls", "growth_start", "magnitudes_and_signs",
    ]  # fmt: skip


@pytest.mark.parametrize("name", WITH_DATA)
def test_a_record_is_found_for_its_own_data_alone(name, other_data, tmp_path):
    own, other = config(name, toy_data()), config(name, other_data)
    first = run_folder(Path("runs"), [], own)
    assert run_folder(Path("runs"), [], other) == first  # there is no record yet
    record(first, name, own.data)
    assert run_folder(Path("runs"), [], own) == first
    with pytest.raises(InvalidInput) as refused:
        run_folder(Path("runs"), [], other)
    for said in (f"{first} is a record of other data", own.data[:12], other.data[:12], str(other_data), "fresh=true"):
        assert said in str(refused.value)

    second = run_folder(Path("runs"), [], config(name, other_data, fresh=True))
    assert second.name == f"{first.name}.2"
    record(second, name, other.data)
    assert run_folder(Path("runs"), [], own) == first
    assert run_folder(Path("runs"), [], other) == second


@pytest.mark.parametrize("name", WITH_DATA)
def test_a_copy_of_the_data_elsewhere_is_the_same_data(name, tmp_path):
    (tmp_path / "link").symlink_to(toy_data())
    first = run_folder(Path("runs"), [], config(name, toy_data()))
    record(first, name, config(name, toy_data()).data)
    assert run_folder(Path("runs"), [], config(name, tmp_path / "link")) == first


@pytest.mark.parametrize("name", WITH_DATA)
def test_data_that_are_not_there_are_refused_where_their_folder_was_chosen(name):
    first = run_folder(Path("runs"), [], config(name, "nowhere"))
    record(first, name, config(name, toy_data()).data)
    with pytest.raises(InvalidInput, match=r"nowhere/.* holds no .*fetch_data.py"):
        run_folder(Path("runs"), [], config(name, "nowhere"))
    assert run_folder(Path("runs"), [], config(name)) == first  # the default: whoever has the record alone sees it


@pytest.mark.parametrize("name", WITH_DATA)
def test_a_record_that_names_no_data_is_found_for_any(name):
    first = run_folder(Path("runs"), [], config(name))
    record(first, name)
    assert run_folder(Path("runs"), [], config(name, toy_data())) == first


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.usefixtures("torch_threads")
def test_the_command_refuses_other_data_and_shows_the_record_without_any(other_data, capsys):
    assert main([*STUDY, f"data_dir={toy_data()}"]) == 0
    (folder,) = Path("results", "runs", "center_low_init").iterdir()
    before = files(folder)
    for data_dir, said in ((other_data, "is a record of other data"), ("nowhere", "nowhere/cifar10 holds no CIFAR-10")):
        capsys.readouterr()
        assert main([*STUDY, f"data_dir={data_dir}"]) == 1
        printed = capsys.readouterr()
        assert said in printed.err
        assert printed.err.count("\n") == 1
        assert printed.out == ""
    for arguments, not_compared in (([], True), ([f"data_dir={toy_data()}"], False)):
        assert main([*STUDY, *arguments]) == 0
        printed = capsys.readouterr().out
        assert f"already measured: {folder}" in printed
        assert "steps to 12%" in printed
        assert ("its data could not be compared" in printed) is not_compared
    assert files(folder) == before

    assert main([*STUDY, f"data_dir={other_data}", "fresh=true"]) == 0
    capsys.readouterr()
    assert main([*STUDY, f"data_dir={other_data}"]) == 0
    assert f"already measured: {folder}.2" in capsys.readouterr().out
    assert files(folder) == before


@pytest.mark.parametrize(
    "change",
    ["pictures", *(pytest.param(change, marks=pytest.mark.slow) for change in ("network", "weights"))],
)
def test_a_file_that_is_measured_names_the_folder(change, tmp_path):
    """Where a network, its weights or the pictures have changed, the record is another one's."""
    network, weights, pictures = tmp_path / "net.py", tmp_path / "w.safetensors", tmp_path / "pictures"
    network.write_text("from torch import nn\ndef make(): return nn.Conv2d(3, 1, 3)\n")
    save_file({"bias": torch.zeros(1)}, weights)
    pictures.mkdir()
    (pictures / "a.png").write_bytes(b"0")
    overrides = ["experiment=measure", "source=file", f"network={network}:make", f"weights={weights}"]
    overrides += [f"images={pictures}"]
    first = folder_of(overrides)
    assert folder_of(overrides) == first
    if change == "network":
        network.write_text(network.read_text().replace("3, 1, 3", "3, 2, 3"))
    elif change == "weights":
        save_file({"bias": torch.ones(1)}, weights)
    else:
        (pictures / "a.png").write_bytes(b"1")
        os.utime(pictures / "a.png", (1, 1))
    assert folder_of(overrides) != first
    {"network": network, "weights": weights, "pictures": pictures}[change].rename(tmp_path / "moved")
    with pytest.raises(InvalidInput):
        folder_of(overrides)
