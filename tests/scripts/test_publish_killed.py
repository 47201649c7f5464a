"""Whenever the writing of a record stops, there is the old record, the new one, or none: never some of both."""

import hashlib
import json
import os
import shutil
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from erf.errors import InvalidInput
from experiments.exact_theory import experiment as exact_theory
from experiments.harness.environment import Environment
from experiments.harness.figure_file import write_figure
from experiments.harness.record import is_complete, read_environment, read_record, write_record
from experiments.harness.reference import REFERENCE, reference
from experiments.nonlinearities import experiment as nonlinearities
from scripts import pace, reproduce
from scripts.evidence import Run

STEPS = {"open", "os.rename", "os.remove"}  # what is done to files, as Python's audit hooks call it
KINDS = {"exact_theory": exact_theory.Result, "nonlinearities": nonlinearities.Result}


def publish(run: Path, folder: Path) -> None:
    reproduce.publish(run, folder)


def write(run: Path, folder: Path) -> None:
    """Write the record of ``run`` into ``folder``, as gathering a study again does."""
    result = read_record(run, KINDS[folder.name])
    write_record(folder, result, read_environment(run))


def die_at(step: int, do, run: Path, folder: Path) -> None:
    """Do it, and die before its step of this number."""
    left = step

    def count(event: str, arguments: tuple) -> None:
        nonlocal left
        if event in STEPS and str(folder) in str(arguments):
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    do(run, folder)


@pytest.fixture
def new(tmp_path):
    """Return what makes a run whose record differs from the reference's in a number, an array and a figure."""

    def make(name):
        folder = tmp_path / "run"
        folder.mkdir()
        old = reference(name, KINDS[name])
        arrays = old.arrays | {"theory": 2 * old.arrays["theory"]}
        result = replace(old, config=replace(old.config, seed=old.config.seed + 1), arrays=arrays)
        write_figure(folder / name, _figure())
        write_record(folder, result, Environment.now("cpu"))
        return folder

    return make


def _figure():
    return Figure((1, 1))


def old_record(folder: Path, checked: bool) -> None:
    shutil.copytree(REFERENCE / folder.name, folder)
    if checked:
        write_record(folder, read_record(folder, KINDS[folder.name]), read_environment(folder))


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("[!.]*")}


@pytest.mark.parametrize(
    ("name", "do", "checked"),
    [
        ("exact_theory", publish, True),
        ("exact_theory", write, True),
        ("exact_theory", write, False),
        ("nonlinearities", publish, False),
    ],
)
def test_killed_before_any_step_no_record_is_a_mixture(name, do, checked, new, context, tmp_path):
    run = new(name)
    wanted = ("result.json", "arrays.npz", "environment.json")
    written = {file: content for file, content in files(run).items() if do is publish or file in wanted}
    step, code, outcomes = 0, None, set()
    while code != 0:
        step += 1
        folder = tmp_path / str(step) / name
        old_record(folder, checked)
        before = files(folder)
        process = context.Process(target=die_at, args=(step, do, run, folder))
        process.start()
        process.join(60)
        code = process.exitcode
        assert code in (0, -signal.SIGKILL)
        if is_complete(folder):
            outcomes.add("old" if files(folder) == before else "new")
            assert files(folder) in (before, before | written)
            read_record(folder, KINDS[name])
        else:
            outcomes.add("none")
            with pytest.raises(InvalidInput, match=r"result\.json is missing; to write it again: python .* --only"):
                reference(name, KINDS[name], folder.parent)
        do(run, folder)
        assert files(folder) == before | written
    assert outcomes == {"old", "none", "new"}
    assert step > 6


@pytest.mark.parametrize("name", KINDS)
def test_what_is_published_already_is_left_alone(name, new, tmp_path):
    run = new(name)
    publish(run, tmp_path / "published" / name)
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "published" / name).iterdir()}
    publish(run, tmp_path / "published" / name)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "published" / name).iterdir()} == times


@pytest.mark.parametrize("damage", ["result.json", "arrays.npz", "environment.json"])
def test_a_damaged_run_is_not_published(damage, new, tmp_path, capsys):
    run, published = new("exact_theory"), tmp_path / "published"
    path = run / damage
    path.write_bytes(path.read_bytes().replace(b"1", b"2", 1) if damage != "arrays.npz" else b"PK")
    code, _ = reproduce._measure_one(Run((), run), published, [])
    assert code == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {run}/")
    assert "to measure it again: rm " in error
    assert error.count("\n") == 1
    assert not published.exists()


def test_a_damaged_reference_does_not_keep_it_from_being_written_again(tmp_path, monkeypatch):
    shutil.copytree(REFERENCE / "exact_theory", tmp_path / "exact_theory")
    (tmp_path / "exact_theory" / "environment.json").write_text("{")
    monkeypatch.setattr(pace, "REFERENCE", tmp_path)
    assert pace.expected_seconds("exact_theory") == 0


def test_checksums_are_those_of_the_files(new):
    run = new("exact_theory")
    noted = json.loads((run / "environment.json").read_text())["checksums"]
    for name in ("result.json", "arrays.npz"):
        assert noted[name] == hashlib.sha256((run / name).read_bytes()).hexdigest()
