"""The coverage of other packages' networks, on three small ones of a package of our own."""

from functools import partial
from itertools import count

import msgspec
import pytest
from torch import nn

from scripts import coverage
from scripts.coverage_of import record
from scripts.coverage_of.by_signature import ARGUMENTS, made
from scripts.coverage_of.candidate import Candidate, Prepared, Ready, smallest_of_each
from scripts.coverage_of.record import Judgement, Layer, Record, Row, sentence, summary, table


class Picky(nn.Module):
    def forward(self, x):
        raise RuntimeError("only the author's own images are taken")


def plain():
    return Ready(nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, 2)), (24, 24), 2)


def two_inputs():
    return Ready(Prepared(nn.Bilinear(8, 8, 3), lambda network, x: network(x[:, 0], x[:, 1])), (8, 8), 2)


NETWORKS = {"plain": plain, "picky": lambda: Ready(Picky()), "two_inputs": two_inputs}


def ours():
    for name, make in NETWORKS.items():
        yield Candidate("ours", name, make)


def not_installed():
    raise ImportError("No module named 'others'")


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(coverage, "PACKAGES", {"ours": ours, "others": not_installed})

    def run(*arguments):
        assert coverage.main(["--packages", "ours", "others", "--output", str(tmp_path), *arguments]) == 0
        rows = msgspec.json.decode((tmp_path / "result.json").read_bytes(), type=Record)
        return rows, capsys.readouterr().out

    return run


def test_a_name_that_no_network_has_is_refused_before_anything_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(coverage, "PACKAGES", {"ours": ours, "others": not_installed})
    output = tmp_path / "coverage"
    assert coverage.main(["--packages", "ours", "--only", "plain", "nope", "--output", str(output)]) == 1
    assert capsys.readouterr().err == "error: --only nope: no network of these packages is called so\n"
    assert not output.exists()


def test_three_networks_make_a_record_that_the_same_command_continues(run, tmp_path):
    first, said = run("--only", "p*")
    assert "others is left out: No module named 'others'" in said
    assert [(row.name, row.outcome) for row in first.rows] == [("plain", "exact"), ("picky", "not run")]
    exact, picky = first.rows
    assert picky.sentence == "RuntimeError: only the author's own images are taken"
    assert [layer.name for layer in exact.layers] == ["1", "2"]
    judged = [(judgement.judge, judgement.agrees) for judgement in exact.layers[1].judgements]
    assert judged == [(judge, True) for judge in ("outside", "edges", "autograd", "slow")]
    assert not exact.wrong
    with (tmp_path / "rows.jsonl").open("ab") as file:
        file.write(b'{"package": "ours", "name": "two_in')
    both, said = run()
    assert not (tmp_path / "rows.jsonl").exists()
    assert both.rows[:2] == first.rows
    assert [row.name for row in both.rows] == ["plain", "picky", "two_inputs"]
    assert both.absent == ("others",)
    assert "ours plain" not in said
    again, said = run("--again", "not run")
    assert "ours picky: not run" in said
    assert "ours plain" not in said
    assert {row.name for row in again.rows} == {row.name for row in both.rows}


@pytest.mark.parametrize("option", ["jobs", "seconds", "gib"])
def test_a_limit_of_nothing_is_refused(option, capsys):
    assert coverage.main([f"--{option}", "0"]) == 1
    assert f"--{option}: '0': allowed are " in capsys.readouterr().err


def test_a_network_that_exceeds_its_limits_or_dies_is_a_row(run, monkeypatch):
    monkeypatch.setitem(NETWORKS, "picky", lambda: coverage.os._exit(3))
    recorded, _ = run("--only", "picky")
    assert recorded.rows[0].sentence == "it cannot be made within the limits"


def test_a_fault_that_a_judge_sees_is_wrong(monkeypatch):
    monkeypatch.setattr(coverage, "check", lambda *_, **__: 1 / 0)
    *_, row = coverage.measured(Candidate("ours", "plain", plain), 9)
    assert row.wrong
    assert row.layers[-1].judgements[0].words == "ZeroDivisionError: division by zero"


def test_the_seconds_of_a_row_are_those_of_its_fields(monkeypatch):
    readings = count(5, step=7)  # a real clock of the CPU's time may stand still for as long as a toy takes
    monkeypatch.setattr(coverage.time, "process_time", lambda: next(readings))
    *_, row = coverage.measured(Candidate("ours", "plain", plain), 0)
    assert row.seconds == 7


def test_without_time_to_judge_fields_are_there():
    *_, row = coverage.measured(Candidate("ours", "plain", plain), 0)
    assert row.outcome == "exact"
    assert all(not layer.judgements for layer in row.layers)


def test_one_of_each_family_is_taken_the_one_that_says_it_is_small():
    names = ["a_base_16", "a_tiny_16", "a_large", "b_2", "b_1"]
    assert smallest_of_each(names, lambda name: (name[0],)) == ["a_tiny_16", "b_1"]


def test_constructors_get_what_they_ask_for():
    class Asks(nn.Module):
        def __init__(self, dim, depth=7, unknown=3, heads=5):
            super().__init__()
            self.given = dim, depth, unknown, heads

    assert made(Asks, heads=2).given == (ARGUMENTS["dim"], 7, 3, 2)


def judged(agrees):
    return tuple(Judgement(judge, agrees, "") for judge in ("outside", "autograd"))


def test_the_table_counts_what_ran():
    rows = (
        Row("a", "1", "exact", seconds=1.0, mib=2.0, layers=(Layer("x", "exact", (), judged(True)),)),
        Row("a", "2", "assumptions", seconds=3.0, mib=4.0, layers=(Layer("x", "assumptions", ("s",), judged(False)),)),
        Row("a", "3", "not run", "no such file"),
        Row("b", "4", "refused", "s"),
    )
    lines = table(partial(Record, None, (), 9)(rows)).splitlines()
    assert lines[2:] == [
        "| a | 2 | 1 | 1 | 0 | 2 | 2 | 1 | 2 | 3 |",
        "| b | 1 | 0 | 0 | 1 | 0 | 0 | 0 | - | - |",
        "| all | 3 | 1 | 1 | 1 | 2 | 2 | 1 | 2 | 3 |",
    ]
    assert record.worst([Layer("x", "exact"), Layer("y", "refused"), Layer("z", "assumptions")]) == "refused"


def test_the_page_says_what_the_record_says():
    record = msgspec.json.decode((coverage.RECORD / "result.json").read_bytes(), type=Record)
    for path, text in ((coverage.PAGE, summary(record)), (coverage.ROOT / "README.md", sentence(record))):
        _, _, rest = path.read_text().partition(coverage.MARKS[0] + "\n")
        assert rest.partition("\n" + coverage.MARKS[1])[0] == text


def test_networks_of_a_package_that_is_not_asked_for_again_still_count(run, monkeypatch):
    run()
    more = {"ours": ours, "others": not_installed, "more": lambda: iter([Candidate("more", "plain", plain)])}
    monkeypatch.setattr(coverage, "PACKAGES", more)
    complete, _ = run("--packages", "more")
    assert complete.listed == len(complete.rows) == len(NETWORKS) + 1
