import os
import time

import pytest

from experiments.harness.override import given_values
from experiments.harness.sweep import VARIABLE, Job, Sweep, duration_text

JOBS = [
    ["experiment=a", "+seed=0", "size=3"],
    ["experiment=a", "+seed=1", "size=3"],
    ["experiment=a", "+seed=2", "size=3"],
]


def job(number: int, measured: int = 0, alone: bool = True) -> Job:
    return Job(Sweep.start(JOBS, measured, alone), number, tuple(JOBS[number]))


def test_a_job_says_which_it_is_and_what_it_does_not_share():
    assert str(job(1)) == "job 2 of 3: +seed=1"
    assert job(1).telling_apart == ("+seed=1",)
    assert job(1, alone=False).telling_apart == tuple(JOBS[1])
    only = Job(Sweep.start(JOBS[:1], 0, alone=True), 0, tuple(JOBS[0]))
    assert str(only) == "job 1 of 1: experiment=a +seed=0 size=3"


@pytest.mark.parametrize(("measured", "headline"), [(0, "3 jobs"), (2, "3 jobs, 2 of them measured already")])
def test_a_sweep_says_how_many_jobs_are_done(measured, headline):
    assert Sweep.start(JOBS, measured, alone=True).headline == headline


def test_a_job_reads_its_sweep_from_its_environment(monkeypatch):
    sweep = Sweep.start(JOBS, 1, alone=False)
    monkeypatch.setenv(VARIABLE, sweep.variable)
    assert Sweep.running() == sweep
    assert "'" not in sweep.variable  # Hydra is given it between such


def records(folder, *ages: float) -> None:
    for number, age in enumerate(ages):
        path = folder / str(number) / "result.json"
        path.parent.mkdir()
        path.touch()
        os.utime(path, (time.time() - age,) * 2)


@pytest.mark.parametrize(
    ("number", "measured", "ages", "left"),
    [
        (0, 0, [], ""),
        (1, 0, [1], ", about 200 s left"),  # two jobs at 100 s
        (2, 0, [50, 1], ", about 50 s left"),  # one job at 50 s
        (1, 0, [1, 1], ", about 50 s left"),  # by two processes: the third job alone is not done
        (2, 1, [500, 1], ", about 100 s left"),  # what was measured earlier says nothing of the pace
        (1, 1, [500], ""),
    ],
)
def test_the_time_left_follows_the_pace_of_the_jobs_done_since_the_start(
    tmp_path, number, measured, ages, left, monkeypatch
):
    monkeypatch.setattr("experiments.harness.sweep.duration_text", lambda seconds: f"{round(seconds)} s")
    records(tmp_path, *ages)
    started = Sweep.start(JOBS, measured, alone=True)
    sweep = Sweep(started.jobs, measured, started.started - 100, started.shared, alone=True)
    assert Job(sweep, number, tuple(JOBS[number])).time_left(tmp_path) == left


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (99.4, "99 s"), (99.6, "2 min"), (5900, "98 min"), (6000, "2 h"), (360000, "100 h")],
)
def test_durations_have_the_unit_in_which_they_are_seen(seconds, text):
    assert duration_text(seconds) == text


def test_values_are_numbers_where_they_are_typed_so():
    assert given_values(["seed=3", "+rate=1e-3", "init=he", "depths=[1,2]", "~group"]) == {
        "seed": 3.0, "rate": 1e-3, "init": "he", "depths": "[1,2]", "group": "",
    }  # fmt: skip
