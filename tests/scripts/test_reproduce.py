import sys
from pathlib import Path

import pytest

from erf import InvalidInput
from experiments import cli
from scripts import reproduce
from tests.experiments.toy_data import toy_data


@pytest.fixture(autouse=True)
def main_ends_with_the_test(monkeypatch):
    """It changes the process's arguments and environment."""
    monkeypatch.setattr(sys, "argv", ["run.py"])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")


def test_the_claim_table_is_replaced_and_nothing_else():
    readme = f"before\n{reproduce.BEGIN}\nold\n{reproduce.END}\nafter\n"
    assert reproduce.with_claims(readme, "new") == f"before\n{reproduce.BEGIN}\nnew\n{reproduce.END}\nafter\n"
    with pytest.raises(InvalidInput, match="lacks the marks"):
        reproduce.with_claims("nothing here", "new")


def test_an_unknown_run_is_one_line(capsys):
    assert reproduce.reproduce(["typo"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: run 'typo' is unknown; allowed: ")
    assert error.count("\n") == 1


def test_a_finished_run_is_published_whole(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    overrides = ["experiment=erf_growth", "depths=[2,3]", "runs=4", "kinds=[uniform,random]", "channels=4"]
    assert cli.main(overrides) == 0
    run = cli.folder_of(overrides)
    reproduce.publish(run, tmp_path / "reference")
    names = {path.name for path in (tmp_path / "reference").iterdir()}
    assert names == {"result.json", "arrays.npz", "environment.json", "erf_growth.png", "erf_growth.svg"}
    assert (tmp_path / "reference" / "result.json").read_bytes() == (run / "result.json").read_bytes()


def test_small_weights_and_animations_are_published_too(tmp_path, monkeypatch):
    run = tmp_path / "run"
    run.mkdir()
    for name in ("result.json", "arrays.npz", "environment.json", "erf.gif", "cifar10.png", "notes.txt"):
        (run / name).write_bytes(b"x")
    (run / "weights.safetensors").write_bytes(b"1234")
    monkeypatch.setattr(reproduce, "LARGEST_WEIGHTS", 5)
    reproduce.publish(run, tmp_path / "small")
    assert {path.name for path in (tmp_path / "small").iterdir()} == {path.name for path in run.iterdir()} - {
        "notes.txt"
    }
    monkeypatch.setattr(reproduce, "LARGEST_WEIGHTS", 4)
    reproduce.publish(run, tmp_path / "large")
    assert "weights.safetensors" not in {path.name for path in (tmp_path / "large").iterdir()}


def test_a_study_is_swept_gathered_and_published_and_goes_on(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    toy = ["partial_data=true", "training_images=50", "held_out=10", "width=2", "steps=2", "evaluate_every=2"]
    common = ("experiment=center_low_init", *toy, "batch_size=10", "images=2", "levels=[0.12]", "seed=0,1")
    monkeypatch.setattr(
        reproduce, "SWEEPS", {"center_low_init": ((*common, "strength=0,1"), (*common, "draw=1", "strength=0"))}
    )
    monkeypatch.setattr(reproduce, "REFERENCE", tmp_path / "reference")
    monkeypatch.setattr(reproduce, "README", tmp_path / "README.md")
    (tmp_path / "README.md").write_text(f"{reproduce.BEGIN}\n{reproduce.END}\n")
    command = ["center_low_init", f"data_dir={toy_data()}"]
    assert reproduce.reproduce(command) == 0
    published = tmp_path / "reference" / "center_low_init"
    assert {path.name for path in published.iterdir()} == {
        "result.json", "arrays.npz", "environment.json", "sweep.csv", "center_low_init.png", "center_low_init.svg",
    }  # fmt: skip
    record = (published / "result.json").read_bytes()
    jobs = {path: path.stat().st_mtime_ns for path in Path("results").glob("sweeps/*/*/*/result.json")}
    assert len(jobs) == 6
    next(iter(jobs)).unlink()
    assert reproduce.reproduce(command) == 0
    assert (published / "result.json").read_bytes() == record
    assert sum(path.stat().st_mtime_ns != time for path, time in jobs.items()) == 1


@pytest.mark.parametrize("override", ["width=8", "seed=3", "experiment=erf_growth"])
def test_what_would_measure_something_else_is_refused(override, capsys):
    assert reproduce.reproduce(["center_low_init", override]) == 1
    assert capsys.readouterr().err.startswith(f"error: {override} would measure something else")


def test_every_sweep_of_a_study_composes():
    for sweeps in reproduce.SWEEPS.values():
        for overrides in sweeps:
            one = [
                override.partition(",")[0].replace("range(16)", "0").replace("range(8)", "0") for override in overrides
            ]
            assert cli.folder_of(one)
