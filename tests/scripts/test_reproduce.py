import pytest

from erf import InvalidInput
from experiments import cli
from scripts import reproduce


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
