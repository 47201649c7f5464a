"""What a run leaves in its folder: when it is finished, interrupted, fails or is typed again."""

import fcntl
import shlex
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from experiments.harness import job, lock
from experiments.harness.cli import config_of, folder_of, main
from experiments.harness.environment import Environment
from experiments.harness.experiment import CONF, load
from experiments.harness.figure_file import write_figure
from experiments.harness.record import is_complete, read_environment, read_record
from experiments.harness.tensorboard_logbook import TensorBoardLogbook
from tests.conftest import leave_figures_empty
from tests.experiments.run_once import run_once

pytestmark = pytest.mark.usefixtures("elsewhere")

SMALL = ["experiment=erf_growth", "kinds=[uniform]", "depths=[2,3]", "runs=3", "channels=4", "bootstrap=20"]
NAME = "bootstrap=20+channels=4+depths=2,3+kinds=uniform+runs=3"
FOLDERS = Path("results", "runs", "erf_growth")
BOARD = Path("results", "tensorboard", "erf_growth")


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """The folder of one run, made once, in which nothing is changed."""
    return run_once(tmp_path_factory, SMALL)


@pytest.fixture
def measured(once, tmp_path, empty_figures):
    """A copy of that run, where its command finds it."""
    shutil.copytree(once, tmp_path, dirs_exist_ok=True)
    (folder,) = FOLDERS.iterdir()
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.usefixtures("empty_figures")
def test_a_variant_and_a_scale_name_the_folder_and_the_same_command_finds_it(capsys):
    run = ["experiment=erf_growth", "scale=smallest", "kinds=[uniform]"]
    assert main(run) == 0
    (folder,) = FOLDERS.iterdir()
    assert folder.name.startswith("kinds=uniform+scale=smallest-")
    assert read_record(folder, load("erf_growth").Result).config == config_of(run)
    capsys.readouterr()
    assert main(run) == 0
    assert f"already measured: {folder}" in capsys.readouterr().out
    variant = folder_of(["experiment=erf_growth_deep", "runs=20"])
    assert variant.parent == FOLDERS
    assert variant.name.startswith("experiment=erf_growth_deep+runs=20-")
    assert variant.name[-8:] == folder_of(["experiment=erf_growth", "depths=[40,50,60,70,80,90,100]"]).name[-8:]


def test_a_run_leaves_its_record_figure_and_events_and_nothing_else(capsys, monkeypatch):
    assert main(SMALL) == 0
    printed = capsys.readouterr()
    (folder,) = FOLDERS.iterdir()
    assert folder.name.startswith(f"{NAME}-")
    record = {"result.json", "arrays.npz", "environment.json", "erf_growth.png", "erf_growth.svg", "erf_growth.pdf"}
    assert {path.name for path in folder.iterdir()} == record | {".hydra"}
    assert {path.name for path in (folder / ".hydra").iterdir()} == {"config.yaml", "overrides.yaml", "hydra.yaml"}
    (events,) = Path("results", "tensorboard").rglob("*tfevents*")
    assert events.parent == BOARD / NAME
    assert {path.name for path in Path().iterdir()} == {"results"}
    for path in (folder / "result.json", folder / "erf_growth.png", f"tensorboard --logdir {BOARD}"):
        assert str(path) in printed.out
    assert printed.err == ""
    assert read_environment(folder).seconds > 0

    before = contents(folder)
    assert main(SMALL) == 0
    assert f"already measured: {folder}" in capsys.readouterr().out
    assert contents(folder) == before

    result = read_record(folder, load("erf_growth").Result)
    write_figure(Path("again"), load("erf_growth").draw(result))
    assert Path("again.png").read_bytes() == before["erf_growth.png"]
    assert Path("again.svg").read_bytes() == before["erf_growth.svg"]

    leave_figures_empty(monkeypatch)
    assert main([*reversed(SMALL), "fresh=true"]) == 0
    assert {path.name for path in FOLDERS.iterdir()} == {folder.name, f"{folder.name}.2"}
    assert contents(folder) == before
    assert (FOLDERS / f"{folder.name}.2" / "arrays.npz").read_bytes() == before["arrays.npz"]


@pytest.mark.usefixtures("empty_figures")
def test_results_go_elsewhere_in_hydras_way():
    assert main([*SMALL, "hydra.run.dir=else/where"]) == 0
    (folder,) = Path("else/where").iterdir()
    assert (folder / "result.json").exists()
    assert {path.name for path in Path().iterdir()} == {"else"}


def test_a_second_process_is_kept_out_of_a_folder_in_use(measured, capsys, monkeypatch):
    monkeypatch.setattr(job, "PATIENCE", 0.1)
    folder = measured
    (folder / "result.json").unlink()
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        before = contents(folder)
        capsys.readouterr()
        assert main(SMALL) == 1
        error = capsys.readouterr().err
    assert error == f"error: {folder}: another process is measuring here; wait for it or stop it\n"
    assert contents(folder) == before
    assert main(SMALL) == 0
    assert not (folder / ".lock").exists()


def test_a_process_waits_for_one_that_is_about_to_end(measured, monkeypatch):
    (measured / "result.json").unlink()
    with (measured / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        ended = SimpleNamespace(monotonic=time.monotonic, sleep=lambda _: fcntl.flock(file, fcntl.LOCK_UN))
        monkeypatch.setattr(lock, "time", ended)
        assert main(SMALL) == 0
    assert is_complete(measured)


def test_what_a_run_killed_behind_its_record_left_goes_once_no_process_is_at_work(measured, capsys):
    before, point = contents(measured), measured / "partial" / "kind" / "one.npz"
    point.parent.mkdir(parents=True)
    point.touch()
    with (measured / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert main(SMALL) == 0
        assert point.exists()
    assert main(SMALL) == 0
    assert capsys.readouterr().out.count("already measured") == 2
    assert contents(measured) == before
    assert not (measured / "partial").exists()


def test_a_bug_keeps_its_traceback_and_an_absent_device_leaves_no_folder(capsys, monkeypatch):
    monkeypatch.setattr(Environment, "now", lambda device: 1 / 0)
    assert main(SMALL) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err  # a bug keeps its traceback
    assert list(FOLDERS.iterdir()) == []


@pytest.mark.usefixtures("empty_figures")
def test_what_is_refused_when_parts_are_measured_leaves_nothing(capsys):
    """The uniform maps are kept by then; the only run of another kind turns out to be 0 everywhere."""
    assert main(["experiment=gaussian_shape", "scale=smallest", "runs=1"]) == 1
    assert "raise runs" in capsys.readouterr().err
    assert [path for path in FOLDERS.parent.rglob("*") if path.is_file()] == []


def test_a_run_without_memory_leaves_nothing(capsys, monkeypatch):
    def measure(*_):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes.")

    monkeypatch.setattr("experiments.stacks.paper_stacks.measure_runs", measure)
    assert main(SMALL) == 1
    assert "out of memory" in capsys.readouterr().err
    assert [path for path in FOLDERS.rglob("*") if path.is_file()] == []


@pytest.mark.usefixtures("empty_figures")
def test_an_interrupted_run_goes_on_and_ends_in_the_same_record(capsys, monkeypatch):
    once = TensorBoardLogbook.once

    def interrupted_after(logbook, *point):
        once(logbook, *point)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(TensorBoardLogbook, "once", interrupted_after)
        assert main(SMALL) == 130
    assert capsys.readouterr().err == "interrupted; the same command goes on from here\n"
    (folder,) = FOLDERS.iterdir()
    assert not (folder / "result.json").exists()

    assert main(SMALL) == 0
    assert "going on: 1 points are kept" in capsys.readouterr().out
    assert main([*SMALL, "hydra.run.dir=uninterrupted"]) == 0
    (reference,) = Path("uninterrupted").iterdir()
    for name in ("result.json", "arrays.npz"):
        assert (folder / name).read_bytes() == (reference / name).read_bytes()
    names = {path.name for path in reference.iterdir()}
    assert {path.name for path in folder.iterdir()} == names - {"tensorboard"}  # results/ has a folder for all events


@pytest.mark.slow
def test_a_signal_interrupts_a_run_in_one_line():
    long = ["experiment=erf_growth", "depths=[5,10,20,40]", "channels=8", "bootstrap=50"]
    with subprocess.Popen(
        [sys.executable, str(CONF.parent / "run.py"), *long],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # shells' background jobs ignore it
    ) as process:
        deadline = time.monotonic() + 60
        while not list(FOLDERS.rglob("partial/**/[!.]*.npz")) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        error = process.communicate(timeout=60)[1]
    assert (process.returncode, error) == (130, "interrupted; the same command goes on from here\n")


@pytest.mark.usefixtures("empty_figures")
def test_a_process_that_torchrun_starts_beside_the_first_measures_and_writes_nothing(monkeypatch, capsys):
    seen = []
    monkeypatch.setattr(TensorBoardLogbook, "discard_partial", lambda logbook: seen.append(logbook))
    monkeypatch.setenv("RANK", "1")
    assert main(SMALL) == 0
    assert capsys.readouterr() == ("", "")
    assert list(FOLDERS.iterdir()) == []
    assert seen == []


# Another file's damage is told in test_damaged_records.py.
@pytest.mark.parametrize(
    "file",
    ["result.json", *(pytest.param(file, marks=pytest.mark.slow) for file in ("arrays.npz", "environment.json"))],
)
def test_a_damaged_record_is_not_shown_but_named_with_the_command_that_measures_it_again(file, measured, capsys):
    folder = measured
    before = contents(folder)
    (folder / file).write_bytes((folder / file).read_bytes()[:-9])
    capsys.readouterr()
    assert main(SMALL) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith(f"error: {folder / file} is damaged")
    assert printed.err.count("\n") == 1
    assert "\nrecord " not in printed.out
    remove, _, measure = printed.err.partition("; to measure it again: ")[2].partition(" && ")
    assert shlex.split(remove) == ["rm", str(folder / "result.json")]
    (folder / "result.json").unlink()
    assert main(shlex.split(measure)[2:]) == 0
    assert list(FOLDERS.iterdir()) == [folder]
    for name in ("result.json", "arrays.npz"):
        assert (folder / name).read_bytes() == before[name]
    assert main(SMALL) == 0
