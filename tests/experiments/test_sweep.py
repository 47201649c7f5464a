"""Sweeps go on after failures and interruptions, and are gathered into one table and one figure."""

import csv
import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from experiments.center_low_init.study import Study
from experiments.harness.cli import main
from experiments.harness.figure_file import write_figure
from experiments.harness.record import UNCHECKED, read_environment, read_record
from scripts import gather_sweep
from tests.experiments.run_once import run_once
from tests.experiments.toy_data import toy_data

SWEEP = ["-m", "experiment=erf_growth", "kinds=[uniform]", "depths=[2,3]", "runs=2", "channels=2", "bootstrap=20"]
SWEEP += ["seed=0,1"]
SWEEPS = Path("results", "sweeps", "erf_growth")


@pytest.fixture(autouse=True)
def empty(elsewhere, monkeypatch, empty_figures):
    """Run in an empty folder, and leave the figures empty, also those of the sweep."""
    monkeypatch.setattr(gather_sweep, "write_figure", lambda path, _: write_figure(path, Figure((1, 1))))


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """The folder of one sweep, made once, in which nothing is changed."""
    return run_once(tmp_path_factory, SWEEP)


@pytest.fixture
def sweep(once, tmp_path):
    """A copy of that sweep, where its command finds it."""
    shutil.copytree(once, tmp_path, dirs_exist_ok=True)
    (folder,) = SWEEPS.iterdir()
    return folder


def jobs(sweep: Path) -> list[Path]:
    return sorted(path for path in sweep.iterdir() if path.is_dir())


def table(sweep: Path) -> list[dict[str, str]]:
    with (sweep / "sweep.csv").open() as file:
        return list(csv.DictReader(file))


def ending(sweep: Path) -> list[str]:
    return [
        f"sweep         {sweep}",
        f"its table     python scripts/gather_sweep.py {sweep}",
        f"TensorBoard   tensorboard --logdir results/tensorboard/erf_growth/{sweep.name}",
    ]


def test_a_sweep_says_one_line_for_each_job(capsys):
    assert main(SWEEP) == 0
    (sweep,) = SWEEPS.iterdir()
    count, first, second, *end = capsys.readouterr().out.splitlines()
    assert (count, first, end) == ("2 jobs", "job 1 of 2: seed=0", ending(sweep))
    assert re.fullmatch(r"job 2 of 2: seed=1, about \d+ s left", second)
    runs = Path("results", "tensorboard", "erf_growth", sweep.name)
    assert {path.name for path in runs.iterdir()} == {"seed=0", "seed=1"}


def test_jobs_of_a_folder_of_several_sweeps_are_called_by_all_overrides():
    sweep = ["hydra.sweep.dir=results/sweeps/erf_growth/many"]
    assert main([*SWEEP[:-1], "seed=0,1", *sweep]) == 0
    assert main([*SWEEP[:-1], "seed=0", "kernel_size=5", *sweep]) == 0
    names = {path.name for path in Path("results", "tensorboard", "erf_growth", "many").iterdir()}
    shared = "bootstrap=20+channels=2+depths=2,3+{}kinds=uniform+runs=2+seed={}"
    assert names == {shared.format(*one) for one in [("", 0), ("", 1), ("kernel_size=5+", 0)]}


def test_the_same_command_completes_an_interrupted_sweep(sweep, capsys):
    done, lost = jobs(sweep)
    times = {path: path.stat().st_mtime_ns for path in done.rglob("*")}
    record = (lost / "result.json").read_bytes()
    (lost / "result.json").unlink()

    assert main([SWEEP[0], *reversed(SWEEP[1:])]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "2 jobs, 1 of them measured already",
        "job 1 of 2: seed=0, measured already",
        "job 2 of 2: seed=1",
        *ending(sweep),
    ]
    assert list(SWEEPS.iterdir()) == [sweep]
    assert jobs(sweep) == [done, lost]
    assert {path: path.stat().st_mtime_ns for path in done.rglob("*")} == times
    assert (lost / "result.json").read_bytes() == record


def test_a_failing_job_loses_no_other(capsys):
    assert main([*SWEEP, "kernel_size=0,3"]) == 1
    printed = capsys.readouterr()
    failed = [line for line in printed.err.splitlines() if line.startswith("error: ")]
    assert len(failed) == 2
    assert all("kernel_size=0" in line and "seed=" in line for line in failed)
    assert "Traceback" not in printed.err
    (sweep,) = SWEEPS.iterdir()
    assert [(job / "result.json").exists() for job in jobs(sweep)] == [True, True]
    assert f"gather_sweep.py {sweep}" in printed.out


def test_a_bug_in_a_job_keeps_its_traceback_and_loses_no_other(capsys, monkeypatch):
    from experiments.erf_growth import experiment as erf_growth

    run = erf_growth.run
    monkeypatch.setattr(erf_growth, "run", lambda config, logbook: run(config, logbook) if config.seed else 1 / 0)
    assert main(SWEEP) == 1
    error = capsys.readouterr().err
    assert error.count("ZeroDivisionError: division by zero") == 1
    assert error.count("error: ") == 1
    (sweep,) = SWEEPS.iterdir()
    assert [(job / "result.json").exists() for job in jobs(sweep)] == [False, True]


def test_jobs_are_gathered_into_one_table_and_one_figure(capsys):
    assert main([*SWEEP, "kernel_size=2,3"]) == 0
    (sweep,) = SWEEPS.iterdir()
    assert gather_sweep.main([str(sweep)]) == 0
    rows = table(sweep)
    assert {(row["seed"], row["kernel_size"]) for row in rows} == {("0", "2"), ("0", "3"), ("1", "2"), ("1", "3")}
    assert list(rows[0])[:3] == ["folder", "seed", "kernel_size"]
    assert all(float(value) for row in rows for value in list(row.values())[3:] if value)
    assert len(rows[0]) > 3
    assert (sweep / "sweep.png").exists()
    assert (sweep / "sweep_column.pdf").exists()
    assert gather_sweep.main([str(sweep), "--sort", "size_uniform"]) == 0
    sizes = [float(row["size_uniform"]) for row in table(sweep)]
    assert sizes == sorted(sizes, reverse=True) != sorted(sizes)
    lines = [line for line in capsys.readouterr().out.splitlines() if re.match(r"│ \d", line)]
    assert [line.split()[3] for line in lines[-4:]] == ["3", "3", "2", "2"]
    assert gather_sweep.main([str(sweep), "--sort", "size"]) == 1
    assert "--sort size: there is no such column; allowed: seed, kernel_size, size_uniform" in capsys.readouterr().err
    assert (sweep / "sweep.svg").exists()

    first, second, *_ = jobs(sweep)
    (first / "result.json").unlink()
    (second / "arrays.npz").write_bytes(b"PK")
    capsys.readouterr()
    assert gather_sweep.main([str(sweep)]) == 1  # a damaged job is more than one that is not there yet
    assert len(table(sweep)) == 2
    left_out = capsys.readouterr().err.splitlines()
    assert [name in line for name, line in zip((first.name, second.name), left_out, strict=True)] == [True, True]
    assert "to measure it again: " not in left_out[0]


@pytest.mark.parametrize(
    "file",
    ["environment.json", *(pytest.param(file, marks=pytest.mark.slow) for file in ("result.json", "arrays.npz"))],
)
def test_a_job_that_cannot_be_read_is_left_out(file, sweep, capsys):
    unreadable = jobs(sweep)[0] / file
    unreadable.unlink()
    unreadable.mkdir()
    assert gather_sweep.main([str(sweep)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"left out: {unreadable} cannot be read: Is a directory")
    assert len(table(sweep)) == 1


@pytest.mark.parametrize(
    "file",
    ["result.json", *(pytest.param(file, marks=pytest.mark.slow) for file in ("arrays.npz", "environment.json"))],
)
def test_the_command_that_measures_a_damaged_job_again_does_so(file, sweep, capsys):
    assert gather_sweep.main([str(sweep)]) == 0
    assert "unchecked" not in capsys.readouterr().out
    job = jobs(sweep)[0]
    before = {path: path.read_bytes() for path in (sweep / "sweep.csv", job / "result.json", job / "arrays.npz")}
    content = (job / file).read_bytes()
    (job / file).write_bytes(content.replace(b'"', b"'", 1) if file != "arrays.npz" else content[:-1])
    assert gather_sweep.main([str(sweep)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"left out: {job / file} is damaged")
    assert len(table(sweep)) == 1

    command = line.partition("; to measure it again: ")[2]
    remove, _, measure = command.partition(" && ")
    assert shlex.split(remove) == ["rm", str(job / "result.json")]
    assert main(SWEEP) == 1  # the sweep, too, says so
    assert command in capsys.readouterr().err
    (job / "result.json").unlink()
    assert shlex.split(measure)[:2] == ["python", "run.py"]
    assert main(shlex.split(measure)[2:]) == 0
    assert len(jobs(sweep)) == 2
    assert gather_sweep.main([str(sweep)]) == 0
    assert {path: path.read_bytes() for path in before} == before


def test_jobs_without_checksums_are_gathered_and_counted(sweep, capsys):
    path = jobs(sweep)[0] / "environment.json"
    about = json.loads(path.read_text())
    del about["checksums"]
    path.write_text(json.dumps(about))
    assert gather_sweep.main([str(sweep)]) == 0
    assert "1 of them are unchecked: " in capsys.readouterr().out
    assert len(table(sweep)) == 2
    assert main(SWEEP) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("job ")]
    assert [f" ({UNCHECKED})" in line for line in said] == [True, False]


def test_jobs_of_a_single_depth_have_no_slope_and_are_gathered():
    assert main([*(each for each in SWEEP if "depths" not in each and "seed" not in each), "depths=[2],[3]"]) == 0
    (sweep,) = SWEEPS.iterdir()
    assert gather_sweep.main([str(sweep)]) == 0
    assert [row["depths"] for row in table(sweep)] == ["[2]", "[3]"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [([], "required: FOLDER"), (["nowhere"], "nowhere is no folder"), (["a", "b"], "unrecognized arguments: b")],
)
def test_gathering_nothing_is_one_line(arguments, said, capsys):
    assert gather_sweep.main(arguments) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert said in line


def test_a_sweep_without_a_complete_job_is_one_line(tmp_path, capsys):
    assert gather_sweep.main([str(tmp_path)]) == 1
    assert "no complete job" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


STUDY = ["-m", "experiment=center_low_init", "partial_data=true", f"data_dir={toy_data()}", "training_images=50"]
STUDY += ["held_out=10", "width=2", "steps=4", "evaluate_every=2", "batch_size=10", "images=2"]
STUDY += ["levels=[0.05,0.12,0.9]", "seed=0,1"]
PARTS = (["strength=0,0.5"], ["draw=1"])


def study(folder: str, *others: str, parts=PARTS) -> dict[str, bytes]:
    """Run the sweeps of a toy study into ``folder`` and return the files that say what was measured."""
    for part in parts:
        assert main([*STUDY, *part, f"hydra.sweep.dir={folder}", *others]) == 0
    assert gather_sweep.main([folder]) == 0
    return {name: Path(folder, name).read_bytes() for name in ("sweep.csv", "result.json", "center_low_init.png")}


@pytest.mark.slow
def test_a_study_is_gathered_into_one_table_one_figure_and_one_record(capsys):
    files = study("all")
    assert "save 30% of the steps or more" in capsys.readouterr().out
    assert len(table(Path("all"))) == 6
    record = read_record(Path("all"), Study)
    assert [(arm.start.strength, arm.start.draw, arm.seeds) for arm in record.arms] == [
        (0.0, 0, (0, 1)), (0.0, 1, (0, 1)), (0.5, 0, (0, 1)),
    ]  # fmt: skip
    assert len(record.comparisons) == 6
    records = [read_environment(job) for job in jobs(Path("all"))]
    assert read_environment(Path("all")).seconds == pytest.approx(sum(one.seconds for one in records))
    times = {job: (job / "result.json").stat().st_mtime_ns for job in jobs(Path("all"))}
    assert study("all") == files
    assert {job: (job / "result.json").stat().st_mtime_ns for job in jobs(Path("all"))} == times

    (jobs(Path("all"))[-1] / "arrays.npz").write_bytes(b"PK")
    assert gather_sweep.main(["all"]) == 1
    assert len(table(Path("all"))) == 5
    assert Path("all", "result.json").read_bytes() == files["result.json"]  # that of all jobs, not one of fewer


@pytest.mark.slow
@pytest.mark.parametrize(("launcher", "workers"), [("joblib", "n_jobs=2"), ("ray", "ray.init.num_cpus=2")])
def test_a_study_in_two_processes_is_the_same_and_says_one_line_for_each_job(launcher, workers, capfd):
    pytest.importorskip(launcher)
    pytest.importorskip(f"hydra_plugins.hydra_{launcher}_launcher")
    parts = (["strength=0,0.5"],)
    expected = study("one", parts=parts)
    capfd.readouterr()
    assert study("two", f"hydra/launcher={launcher}", f"hydra.launcher.{workers}", parts=parts) == expected
    said = re.findall(r"job \d of \d: .*?(?=,|$)", capfd.readouterr().out, re.MULTILINE)
    assert sorted(said) == [
        "job 1 of 4: seed=0 strength=0",
        "job 2 of 4: seed=0 strength=0.5",
        "job 3 of 4: seed=1 strength=0",
        "job 4 of 4: seed=1 strength=0.5",
    ]


def test_an_unfinished_study_is_one_line_and_keeps_its_table(capsys):
    assert main([*STUDY, "strength=0", "hydra.sweep.dir=some"]) == 0
    (jobs(Path("some"))[-1] / "result.json").unlink()
    capsys.readouterr()
    assert gather_sweep.main(["some"]) == 1
    left_out, problem = capsys.readouterr().err.splitlines()
    assert left_out.startswith("left out: some/")
    assert problem.endswith("-0: 1 training; at least 2 seeds are needed")
    assert len(table(Path("some"))) == 1
    assert not Path("some", "result.json").exists()
