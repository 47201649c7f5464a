"""Evidence is measured, published and written up by one command, and compared when it is repeated."""

import json
import shutil

import pytest

from erf import InvalidInput
from erf.errors import INTERRUPTED
from experiments.claims import own_rows, rows
from experiments.claims.pages import BEGIN, END, with_claims
from experiments.harness import cli
from experiments.harness.reference import REFERENCE
from scripts import reproduce

pytestmark = pytest.mark.usefixtures("main_ends_with_the_test")


def test_the_claim_table_is_replaced_and_nothing_else():
    assert with_claims(f"before\n{BEGIN}\nold\n{END}\nafter\n", "new") == f"before\n{BEGIN}\nnew\n{END}\nafter\n"
    with pytest.raises(InvalidInput, match="lacks the marks"):
        with_claims("nothing here", "new")


def test_an_unknown_run_is_one_line(capsys):
    assert reproduce.reproduce(["--only", "typo"]) == 1
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
    assert names == {
        "result.json",
        "arrays.npz",
        "environment.json",
        "erf_growth.png",
        "erf_growth.svg",
        "erf_growth.pdf",
    }
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


SMALL = {
    "exact_theory": ("experiment=exact_theory", "runs=40", "depth=3", "depths=[2,5]", "bootstrap=20"),
    "cifar10": ("experiment=cifar10",),
    "nonlinearities": ("experiment=nonlinearities", "runs=4", "fewer_runs=2", "groups=2", "depth=3"),
}


@pytest.fixture
def evidence(tmp_path, monkeypatch):
    """Two small runs and one without its data, with a folder of evidence of their own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(reproduce, "REDUCED", reproduce.Evidence(tmp_path / "quick", SMALL, pace=0.1))
    return tmp_path / "quick"


def test_all_is_measured_but_what_lacks_its_data_and_then_written_up(evidence, monkeypatch, capsys):
    assert reproduce.reproduce(["--quick", "--only", *SMALL]) == 0
    said = capsys.readouterr().out
    assert "[1/3] exact_theory, less than a minute left" in said
    missing = "cifar10 is skipped, as its data are missing: python scripts/fetch_data.py cifar10 --data-dir data"
    assert said.count(missing) == 2  # where it is skipped, and at the end
    assert {path.name for path in evidence.iterdir()} == {"exact_theory", "nonlinearities", "report.html"}
    first = (evidence / "exact_theory" / "result.json").read_bytes()
    monkeypatch.setattr(reproduce, "write_up", lambda _: None)
    assert reproduce.reproduce(["--quick", "--only", *SMALL]) == 0
    assert capsys.readouterr().out.count("recorded already: ") == 2
    assert (evidence / "exact_theory" / "result.json").read_bytes() == first


def test_of_several_data_sets_those_that_are_missing_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(reproduce, "DATA", {"both": ("camvid", "cifar10")})
    fetch = {data: f"python scripts/fetch_data.py {data} --data-dir {tmp_path}" for data in ("camvid", "cifar10")}
    line = reproduce._missing_data("both", str(tmp_path))
    assert line == f"both is skipped, as its data are missing: {fetch['camvid']}; {fetch['cifar10']}"
    (tmp_path / "camvid").mkdir()
    line = reproduce._missing_data("both", str(tmp_path))
    assert line == f"both is skipped, as its data are missing: {fetch['cifar10']}"
    (tmp_path / "cifar10").mkdir()
    assert reproduce._missing_data("both", str(tmp_path)) is None
    assert reproduce._missing_data("another", str(tmp_path / "nowhere")) is None


def test_a_failure_is_named_and_the_others_go_on(evidence, monkeypatch, capsys):
    monkeypatch.setattr(
        "scripts.evidence.main", lambda given: 1 if "experiment=exact_theory" in given else cli.main(given)
    )
    assert reproduce.reproduce(["--quick", "--only", "exact_theory", "nonlinearities"]) == 1
    assert "failed: exact_theory" in capsys.readouterr().err
    assert (evidence / "nonlinearities" / "result.json").exists()
    assert "its record is missing: exact_theory/result.json" in (evidence / "report.html").read_text()


def test_unusable_settings_are_refused_before_anything_is_measured(evidence, monkeypatch, capsys):
    broken = SMALL | {"nonlinearities": ("experiment=nonlinearities", "runs=-1")}
    monkeypatch.setattr(reproduce, "REDUCED", reproduce.Evidence(evidence, broken))
    assert reproduce.reproduce(["--quick", "--only", *SMALL]) == 1
    assert "error: runs=-1 is too small" in capsys.readouterr().err
    assert not evidence.exists()


def test_an_interruption_stops_and_the_same_command_goes_on(evidence, monkeypatch, capsys):
    def interrupted(overrides):
        return INTERRUPTED if "experiment=nonlinearities" in overrides else cli.main(overrides)

    monkeypatch.setattr(reproduce, "write_up", lambda one: (one.folder / "report.html").touch())
    monkeypatch.setattr("scripts.evidence.main", interrupted)
    assert reproduce.reproduce(["--quick", "--only", *SMALL]) == INTERRUPTED
    assert not (evidence / "report.html").exists()
    monkeypatch.setattr("scripts.evidence.main", cli.main)
    assert reproduce.reproduce(["--quick", "--only", *SMALL]) == 0
    assert capsys.readouterr().out.count("recorded already: ") == 1
    assert (evidence / "report.html").exists()


@pytest.mark.parametrize("arguments", ["--typo", "--quick --verify", "--only", "--verify 0", "--verify one"])
def test_unusable_arguments_are_one_line(arguments, capsys):
    assert reproduce.reproduce(arguments.split()) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("scripts/reproduce.py --help shows what is allowed")


def test_a_repeated_measurement_is_compared_with_the_reference(tmp_path, capsys):
    for name in ("exact_theory", "expected_maps"):
        shutil.copytree(REFERENCE / name, tmp_path / name)
    evidence = reproduce.Evidence(tmp_path, SMALL)
    assert reproduce.verify(evidence) == 0
    said = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()[2:-1])
    assert list(said) == [row.id for row in (*rows(), *own_rows())]
    assert said["X1"].startswith("agrees   reproduced with a qualification both times; the largest of 40")
    assert said["X2"] == "agrees   reproduced with a qualification both times; nothing random to compare"
    assert said["R1"] == "agrees   reproduced both times; nothing random to compare"
    same = "the one difference is 0.00 of its 95 % margin (p = 1.000); 1 of 1 intervals hold the new value"
    assert said["T4"] == f"agrees   reproduced both times; {same}"
    assert said["F3a"] == "-        not measured both times: cifar10_starts, camvid_starts, cifar10"
    assert {id for id, line in said.items() if line.startswith("agrees")} == {
        "T1", "T2", "T4", "R1", "X1", "X2",
    }  # fmt: skip
    path = tmp_path / "exact_theory" / "result.json"
    record = json.loads(path.read_text())
    record["random"][1]["sigma_interval"] = [2.5, 2.51]
    path.write_text(json.dumps(record))
    assert reproduce.verify(evidence) == 1
    differing = [line for line in capsys.readouterr().out.splitlines() if "DIFFERS" in line]
    assert [line.split()[0] for line in differing] == ["T4"]


def test_an_interrupted_verification_goes_on_and_compares_what_did_not_fail(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    runs = {name: (*overrides, "seed=1") for name, overrides in SMALL.items()}
    monkeypatch.setattr(reproduce, "repeated", lambda seed: reproduce.Evidence(tmp_path / "verify", runs))
    outcome = {"nonlinearities": INTERRUPTED}

    def measured(given):
        name = given[0].removeprefix("experiment=")
        return outcome[name] if name in outcome else cli.main(given)

    monkeypatch.setattr("scripts.evidence.main", measured)
    monkeypatch.setattr(reproduce, "write_up", lambda _: None)
    only = ["--verify", "--only", "exact_theory", "nonlinearities"]
    assert reproduce.reproduce(only) == INTERRUPTED
    assert "margin:" not in capsys.readouterr().out
    outcome["nonlinearities"] = 1
    assert reproduce.reproduce(only) == 1
    said = capsys.readouterr()
    assert said.out.count("recorded already: ") == 1
    assert "failed: nonlinearities" in said.err
    assert "\nT4   " in said.out
    assert "\nF1b  -" in said.out
    outcome.clear()
    assert reproduce.reproduce(only) in (0, 1)  # so few runs may differ from the reference
    said = capsys.readouterr().out
    assert said.count("recorded already: ") == 1
    assert "of 5 differences" in next(line for line in said.splitlines() if line.startswith("F1b"))
