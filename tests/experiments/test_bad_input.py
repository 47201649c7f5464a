import re
import resource
from pathlib import Path

import pytest
import torch

from erf.networks.cifar_resnet import CifarResNet
from experiments.harness.cli import main
from tests.experiments.run_once import run_once
from tests.experiments.toy_data import toy_data

pytestmark = pytest.mark.usefixtures("elsewhere")

GROWTH = "experiment=erf_growth"
SMALL = ["experiment=erf_growth", "kinds=[uniform]", "depths=[2,3]", "runs=3", "channels=4", "bootstrap=20"]


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A folder in which there is a record."""
    return run_once(tmp_path_factory, SMALL)


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "multirun.yaml"}


def the_one_line(capsys, arguments: list[str]) -> str:
    capsys.readouterr()
    code = main(arguments)
    printed = capsys.readouterr()
    assert code == 1
    assert "Traceback" not in printed.out + printed.err
    (line,) = printed.err.splitlines()
    return line


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["experiment=erf_grwoth"], ["experiment='erf_grwoth'", "allowed", "erf_growth"]),
        (["runs=3"], ["experiment=NAME", "erf_growth"]),
        (["erf_growth"], ["experiment=NAME", "erf_growth"]),
        (["--multi-run", GROWTH], ["--multi-run", "allowed", "--multirun"]),
        ([GROWTH, "rusn=3"], ["'rusn'", "allowed", "runs"]),
        ([GROWTH, "+rusn=3"], ["'rusn'", "allowed", "runs"]),
        ([GROWTH, "init.scale=3"], ["init"]),
        ([GROWTH, "hydra.rnu.dir=x"], ["hydra.rnu", "allowed", "run"]),
        ([GROWTH, "runs=many"], ["runs=many", "allowed is a whole number"]),
        ([GROWTH, "runs=2.5"], ["runs=2.5", "whole number"]),
        ([GROWTH, "runs=null"], ["runs=null", "whole number"]),
        ([GROWTH, "depths=[5,ten]"], ["depths=[5,ten]", "a list, in brackets, each entry a whole number"]),
        ([GROWTH, "depths=["], ["depths=[:", "depths=[1,2]"]),
        ([GROWTH, "depths=5"], ["depths=5", "a list, in brackets"]),
        ([GROWTH, "depths=[[5]]"], ["depths=[[5]]", "each entry a whole number"]),
        ([GROWTH, "depths={a:1}"], ["depths={a:1}", "a list, in brackets"]),
        ([GROWTH, "fresh=2"], ["fresh=2", "true or false"]),
        ([GROWTH, "~runs"], ["~runs", "allowed is runs=VALUE"]),
        (["experiment=attention", "blocks=[[x]]"], ["blocks=[[x]]", "each entry one of none, "]),
        ([GROWTH, "init=he"], ["init=he:", "he_normal", "glorot_uniform"]),
        ([GROWTH, "kinds=[uniform,sigmiod]"], ["kinds=[uniform,sigmiod]", "uniform, random"]),
        ([GROWTH, "init=he_normal,glorot_uniform"], ["init=he_normal,glorot_uniform", "--multirun"]),
        ([GROWTH, "name=other"], ["name='other'", "erf_growth"]),
        ([GROWTH, "seed=-1"], ["seed=-1", "allowed"]),
        ([GROWTH, "depths=[0,5]"], ["depths", "0"]),
        ([GROWTH, "depths=[]"], ["depths"]),
        ([GROWTH, "depths=[5,5]"], ["depths", "5, 5", "increasing"]),
        ([GROWTH, "depths=[10,5]"], ["depths", "10, 5", "increasing"]),
        ([GROWTH, "runs=-20"], ["runs", "-20"]),
        ([GROWTH, "runs=0"], ["runs", "0"]),
        ([GROWTH, "runs=1"], ["runs=1", "too small", "2 or more"]),
        ([GROWTH, "channels=0"], ["channels", "0"]),
        ([GROWTH, "kernel_size=0"], ["kernel_size", "0"]),
        ([GROWTH, "kinds=[]"], ["kinds"]),
        ([GROWTH, "device=gpu"], ["device", "'gpu'", "cpu"]),
        ([GROWTH, "device=cuda:99"], ["device", "'cuda:99'", "cpu"]),
        (["-m", GROWTH, "runs=3,many"], ["runs=3,many", "whole number"]),
        (["-m"], ["experiment=NAME is missing", "erf_growth"]),
        ([GROWTH, "seed=1,x", "-m"], ["seed=1,x", "whole number"]),
        (["-m", GROWTH, "seed=range(5,5)"], ["seed=range(5,5) is a sweep without values"]),
        (["-m", GROWTH, "seed=range(1000000000)"], ["too many jobs", "100000"]),
        (
            ["-m", GROWTH, "hydra/launcher=slurm"],
            ["hydra/launcher=slurm", "basic, joblib, ray, submitit_local, submitit_slurm"],
        ),
        (["-m", GROWTH, "hydra.launcher.n_jobs=100000"], ["hydra.launcher.n_jobs=100000", "or -1"]),
        ([GROWTH, GROWTH], ["experiment= is given twice"]),
        ([GROWTH, "hydra.run.dir=ü"], ["hydra.run.dir=ü needs quotes", "'hydra.run.dir=\"ü\"'"]),
        (["experiment=measure", "images=pictures (2)"], ["needs quotes", "'images=\"pictures (2)\"'"]),
        ([GROWTH, "runs"], ["'runs' cannot be read", "KEY=VALUE"]),
        (["-m", GROWTH, "rusn=3,4"], ["'rusn'", "allowed", "runs"]),
    ],
    ids=" ".join,
)
def test_what_cannot_be_run_is_one_line_and_touches_no_record(arguments, parts, measured, monkeypatch, capsys):
    monkeypatch.chdir(measured)
    before = files(measured)
    line = the_one_line(capsys, arguments)
    assert line.startswith("error: ")
    for part in parts:
        assert part in line
    assert files(measured) == before


@pytest.mark.usefixtures("empty_figures")
def test_an_even_kernel_is_legal():
    assert main([*SMALL, "kernel_size=2"]) == 0


def test_a_folder_that_cannot_be_written_is_named(capsys):
    Path("file").touch()
    assert "file/runs: Not a directory" in the_one_line(capsys, [*SMALL, "hydra.run.dir=file/runs"])


@pytest.mark.parametrize(
    "limit",
    [pytest.param(1_000, marks=pytest.mark.slow), 10_000, pytest.param(20_000, marks=pytest.mark.slow)],
    ids="{} bytes".format,
)
def test_a_full_disk_is_one_line_and_the_run_goes_on_later(limit, tmp_path, capsys, request):
    """Files may not grow beyond a limit: writing fails there, as on a full disk, first at one file, then another."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        line = the_one_line(capsys, SMALL)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert re.match("error: results/(runs|tensorboard)/erf_growth/bootstrap=20", line)
    assert line.endswith(": File too large")
    assert not list(tmp_path.rglob("result.json"))
    assert not list(tmp_path.rglob("*.part"))
    request.getfixturevalue("empty_figures")
    assert main(SMALL) == 0


@pytest.mark.parametrize("name", ["cifar10", "camvid"])
def test_missing_data_are_one_line_with_the_command_that_fetches_them(name, tmp_path, capsys):
    line = the_one_line(capsys, [f"experiment={name}", "data_dir=nowhere"])
    assert line.startswith(f"error: data_dir=nowhere: nowhere/{name} holds no")
    assert line.endswith(f"to fetch it: python scripts/fetch_data.py {name} --data-dir nowhere")
    assert not list(tmp_path.rglob("result.json"))


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("images=11", "images=11: there are 10 validation images"),
        ("shift=32", "shift=32: images of 32 x 32 pixels allow 31"),  # seen when the folder of checkpoints is there
        (
            f"data_dir={300 * 'x'}",
            f"data_dir={60 * 'x'}...: the path is too long; allowed is one of fewer than 4096 bytes",
        ),
    ],
)
def test_what_only_the_data_show_leaves_nothing_behind(setting, said, tmp_path, capsys):
    toy = ["scale=smallest", "partial_data=true", *([f"data_dir={toy_data()}"] if "data_dir" not in setting else [])]
    assert the_one_line(capsys, ["experiment=cifar10", *toy, setting]).startswith(f"error: {said}")
    assert files(tmp_path) == {}


def test_a_sweep_whose_jobs_are_all_refused_leaves_nothing_behind(tmp_path, capsys):
    toy = ["scale=smallest", "partial_data=true", f"data_dir={toy_data()}"]
    assert main(["-m", "experiment=cifar10", *toy, "images=11,12"]) == 1
    printed = capsys.readouterr()
    assert [line.rpartition(": ")[2] for line in printed.err.splitlines()] == 2 * ["there are 10 validation images"]
    assert "gather_sweep" not in printed.out
    assert [*tmp_path.rglob("multirun.yaml")] == []


def test_what_only_training_shows_names_the_settings_and_keeps_the_checkpoint(tmp_path, capsys):
    toy = ["scale=smallest", "partial_data=true", f"data_dir={toy_data()}"]
    line = the_one_line(capsys, ["experiment=cifar10", *toy, "weight_decay=1e38"])
    assert re.match(r"error: learning_rate=[\d.]+, weight_decay=1e\+38: (the loss|after epoch \d: )", line)
    assert len([*tmp_path.rglob("last.pt")]) == 1


def test_running_out_of_memory_is_one_line(monkeypatch, capsys):

    def too_large(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(CifarResNet, "forward", too_large)
    monkeypatch.setattr("experiments.trainings.growth.probing_of", lambda *_: None)
    toy = ["partial_data=true", f"data_dir={toy_data()}", "width=2", "batch_size=25"]
    line = the_one_line(capsys, ["experiment=cifar10", *toy])
    assert "out of memory in calibration: a batch of 25 images of 32 x 32" in line
