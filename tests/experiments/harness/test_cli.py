import fcntl
import shlex
import shutil
import signal
import subprocess
import sys
import time
from contextlib import redirect_stdout
from dataclasses import fields
from functools import cache, partial
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf

from erf import InvalidInput
from experiments.harness import experiment, job, lock
from experiments.harness.about import about
from experiments.harness.cli import config_of, folder_of, main
from experiments.harness.environment import Environment
from experiments.harness.experiment import CONF, experiment_names, experiment_of, load, run_names
from experiments.harness.figure_file import write_figure
from experiments.harness.help import variants
from experiments.harness.override import value_text
from experiments.harness.record import is_complete, read_environment, read_record
from experiments.harness.reference_runs import RUNS, STUDIES
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


@cache
def composed(*overrides):
    return config_of(overrides)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_help_lists_every_experiment_and_what_it_measures(capsys):
    assert main([]) == 0
    alone = capsys.readouterr().out
    assert help_of() == alone
    for name in experiment_names():
        assert any(name in line and about(name).question in line for line in alone.splitlines())
    for part in ("seed=1", "-m", "fresh=true", "results/runs"):
        assert part in alone


VARIANTS = sorted({*run_names()} - {*experiment_names()})


@cache
def help_of(*overrides):
    with redirect_stdout(StringIO()) as text:
        assert main([*overrides, "--help"]) == 0
    return text.getvalue()


@pytest.mark.parametrize("run", VARIANTS)
def test_help_lists_every_variant_with_the_first_line_of_its_yaml(run):
    comment = (CONF / "experiment" / f"{run}.yaml").read_text().splitlines()[1]
    description = comment.removeprefix("# ").split(":  ")[0]
    assert len(description) > 10
    for text in (help_of(), help_of(f"experiment={experiment_of(run)}")):
        (line,) = (line for line in text.splitlines() if line.startswith(f" {run} "))
        assert line.rstrip().split(maxsplit=2)[1:] == [experiment_of(run), description]
    assert "variant" not in help_of("experiment=kernels")  # which has none


def test_help_leaves_out_a_variant_of_no_experiment(tmp_path, monkeypatch):
    shutil.copytree(CONF, tmp_path / "conf")
    (tmp_path / "conf" / "experiment" / "broken.yaml").write_text("# Of nothing\ndefaults:\n  - _self_\n")
    monkeypatch.setattr(experiment, "CONF", tmp_path / "conf")
    assert "broken" not in variants(experiment_names())
    assert "erf_growth_deep" in variants(["erf_growth"])


@pytest.mark.parametrize("name", experiment_names())
def test_help_of_an_experiment_shows_every_field(name):
    lines = help_of(f"experiment={name}").splitlines()
    for known in fields(load(name).Config):
        (line,) = (line for line in lines if line.startswith(f" {known.name} "))
        assert known.metadata["help"].split()[0] in line
    assert any("seed" in line and "int" in line and " 0 " in line for line in lines)
    assert not Path("results").exists()


def test_help_shows_the_choices_and_lists_as_they_are_typed():
    assert "he_normal | he_uniform" in help_of("experiment=erf_growth")
    assert "[uniform,random,relu" in help_of("experiment=erf_growth")


@pytest.mark.parametrize("run", run_names())
def test_every_yaml_composes_to_its_dataclass_and_says_how_to_run_it(run):
    text = (CONF / "experiment" / f"{run}.yaml").read_text()
    assert text.startswith("# @package _global_\n")
    assert f"python run.py experiment={run}" in text
    config = composed(f"experiment={run}")
    assert type(config) is load(run).Config
    assert config.name == load(run).name == experiment_of(run)


@pytest.mark.parametrize("run", VARIANTS)
def test_a_variant_is_its_experiment_but_for_the_values_of_its_yaml(run):
    """None of them is what the experiment has anyway."""
    config, usual = vars(composed(f"experiment={run}")), vars(composed(f"experiment={experiment_of(run)}"))
    differing = {key for key, value in config.items() if value != usual[key]}
    values = OmegaConf.load(CONF / "experiment" / f"{run}.yaml")
    assert differing == set(values) - {"defaults"} != set()


@pytest.mark.parametrize("text", ["runs: 3\n", "defaults:\n  - broken\n", "defaults:\n  - _self_\n"])
def test_a_variant_of_no_experiment_is_named_and_breaks_no_other_run(text, tmp_path, monkeypatch):
    (tmp_path / "experiment").mkdir()
    for name, content in {"broken": text, "erf_growth": "defaults:\n  - /schema/erf_growth@_global_\n"}.items():
        (tmp_path / "experiment" / f"{name}.yaml").write_text(content)
    monkeypatch.setattr(experiment, "CONF", tmp_path)
    with pytest.raises(InvalidInput, match=r"broken\.yaml|'_self_' is unknown"):
        experiment_of("broken")
    assert experiment_of("erf_growth") == "erf_growth"


SCALES = sorted((path.parent.name, path.stem) for path in (CONF / "scale").glob("*/*.yaml"))


# The quick runs that evidence is made of are compared in tests/scripts/test_reproduced_runs.py.
@pytest.mark.parametrize(("scale", "run"), [one for one in SCALES if one not in {("quick", run) for run in RUNS}])
def test_a_scale_makes_the_run_smaller(scale, run):
    config, usual = composed(f"experiment={run}", f"scale={scale}"), composed(f"experiment={run}")
    assert type(config) is type(usual)
    assert config != usual


@pytest.mark.parametrize(("scale", "run"), [("smallest", "cifar10"), ("quick", "cifar10_starts")])
def test_a_typed_value_is_above_those_of_a_scale_and_of_a_variant(scale, run):
    config, usual = composed(f"experiment={run}", f"scale={scale}"), composed(f"experiment={run}")
    key, value = next((key, value) for key, value in vars(config).items() if value != vars(usual)[key])
    typed = f"{key}={value_text(vars(usual)[key])}"
    assert vars(config_of([f"experiment={run}", f"scale={scale}", typed]))[key] == vars(usual)[key] != value


def test_every_experiment_has_its_smallest_and_every_reference_run_its_quick_scale():
    runs = {scale: {run for of, run in SCALES if of == scale} for scale, _ in SCALES}
    assert runs["smallest"] == {*experiment_names()}
    assert {*RUNS, *STUDIES} <= runs["quick"] <= {*run_names()}
    assert runs.keys() == {path.stem for path in (CONF / "scale").glob("*.yaml")} == {"quick", "smallest"}


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["experiment=measure", "scale=quick"], "scale=quick does not exist for measure; allowed: null, smallest"),
        (["experiment=erf_growth", "scale=typo"], "scale=typo does not exist for erf_growth; allowed: null, quick, sm"),
        (["-m", "experiment=measure,erf_growth", "scale=null,quick"], "scale=quick does not exist for measure"),
        (["experiment=typo", "scale=quick"], "experiment='typo' is unknown; allowed: architectures, attention, "),
    ],
)
def test_a_scale_that_a_run_does_not_have_is_one_line(overrides, said, capsys):
    assert main(overrides) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {said}")
    assert error.count("\n") == 1
    assert not list(Path().iterdir())


def test_help_of_a_variant_shows_its_values(capsys):
    assert main(["experiment=erf_growth_deep", "--help"]) == 0
    out = capsys.readouterr().out
    assert "python run.py experiment=erf_growth_deep" in map(str.strip, out.splitlines())
    assert "[40,50,60,70,80,90,100]" in out


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
