"""The campaign in short, and whole where there are minutes; and that it sees what it looks for."""

import os
import signal
import sys
import warnings
from dataclasses import replace

import pytest

from erf import InvalidInput
from experiments.harness import cli
from tests.campaign.call import Call
from tests.campaign.campaign import campaign, draw, summary
from tests.campaign.documented import is_documented
from tests.campaign.outcome import GOOD, outcome_of

BAD = Call("run", ("experiment=erf_growth", "runs=x"), ("runs",), allowed=False)


@pytest.mark.parametrize("count", [12, pytest.param(1000, marks=pytest.mark.slow)])
def test_every_bad_call_ends_in_one_line_and_changes_nothing(count):
    outcomes = list(campaign(11, count))
    print(summary(outcomes))
    assert len(outcomes) == count
    assert not [str(one) for one in outcomes if one.kind not in GOOD]


def test_a_seed_draws_the_same_calls_and_another_seed_others():
    assert [*draw(1, 40)] == [*draw(1, 40)] != [*draw(2, 40)]
    assert {call.command for call in draw(1, 40)} >= {"run", "erf"}


def raising(error):
    def main(_):
        raise error

    return main


@pytest.mark.parametrize(
    ("main", "kind"),
    [
        (raising(InvalidInput("runs=x")), "traceback"),
        (raising(MemoryError()), "traceback"),
        (lambda _: os.kill(os.getpid(), signal.SIGTERM), "traceback"),
        (lambda _: 0, "accepted"),
        (lambda _: 1, "unclear"),
        (lambda _: print("error: something is wrong", file=sys.stderr) or 1, "unclear"),
        (lambda _: print("error: runs=x: unhashable type", file=sys.stderr) or 1, "unclear"),
        (lambda _: print("a\nb\nc\nerror: runs=x", file=sys.stderr) or 1, "unclear"),
        (lambda _: warnings.warn("runs", stacklevel=1) or print("error: runs=x", file=sys.stderr) or 1, "traceback"),
        (lambda _: open("left", "w").close() or print("error: runs=x", file=sys.stderr) or 1, "changed"),  # noqa: PTH123
        (lambda _: print("error: runs=x: allowed is a whole number", file=sys.stderr) or 1, "clean"),
    ],
)
def test_each_kind_of_end_is_told_from_the_others(main, kind, tmp_path, monkeypatch):
    monkeypatch.setattr(cli, "main", main)
    assert outcome_of(BAD, tmp_path).kind == kind


@pytest.fixture
def with_limit(monkeypatch):
    """Return what lets calls run forever, and limits their seconds."""

    def busy(_):
        while True:
            pass

    def limit(seconds):
        for name in ("SECONDS", "MEASURING", "LARGE"):
            monkeypatch.setattr(f"tests.campaign.outcome.{name}", seconds)

    monkeypatch.setattr(cli, "main", busy)
    return limit


def test_a_call_that_goes_on_is_slow_unless_a_large_number_is_allowed(tmp_path, with_limit):
    with_limit(0)
    calls = [
        Call("run", (BAD.arguments[0], runs), ("runs",), fits) for runs, fits in (("runs=3", True), ("runs=1e3", False))
    ]
    assert [outcome_of(call, tmp_path).kind for call in calls] == ["slow", "slow"]
    assert outcome_of(replace(calls[1], allowed=True), tmp_path).kind == "long"


def test_a_busy_call_is_ended_by_its_time_of_the_cpu(tmp_path, with_limit):
    with_limit(0.9)  # of which the system makes one second
    outcome = outcome_of(BAD, tmp_path)
    assert outcome.kind == "slow"
    assert outcome.said.startswith(f"code -{signal.SIGXCPU.value}: ")


@pytest.mark.parametrize(
    ("key", "kind", "text", "fits"),
    [
        ("seed", int, "0", True),
        ("runs", int, "0", False),
        ("runs", int, "2.5", False),
        ("strength", float, "0.5", True),
        ("strength", float, "1.5", False),
        ("strength", float, "nan", False),
        ("depths", list[int], "[1,2]", True),
        ("depths", list[int], "[[1]]", False),
        ("gain", float | None, "null", True),
        ("fresh", bool, "yes", False),
    ],
)
def test_the_oracle_reads_a_value_as_the_help_says(key, kind, text, fits):
    assert is_documented("kernels", key, kind, text) is fits


def test_a_sweep_of_which_one_job_is_refused_may_leave_the_files_of_the_others(tmp_path, monkeypatch):
    def main(_):
        (tmp_path / "left").touch()
        print("sweep         results")
        print("error: job 1 of 2: runs=1", file=sys.stderr)
        return 1

    monkeypatch.setattr(cli, "main", main)
    sweep = Call("run", ("-m", "experiment=erf_growth", "runs=1,2"), ("runs",), allowed=True)
    assert outcome_of(sweep, tmp_path).kind == "allowed"
    (tmp_path / "left").unlink()
    assert outcome_of(replace(sweep, allowed=False), tmp_path).kind == "changed"
