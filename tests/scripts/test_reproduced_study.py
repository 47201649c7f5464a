"""A study is swept, gathered, published and reported, and goes on where it was stopped."""

import pytest
from matplotlib.figure import Figure

from experiments.harness.experiment import load_study
from experiments.harness.figure_file import write_figure
from experiments.harness.record import read_record
from experiments.harness.reference_runs import command
from scripts import gather_sweep, reproduce
from tests.erf.data.tiny_sets import cifar_folder
from tests.experiments.toy_data import toy_data

pytestmark = pytest.mark.usefixtures("main_ends_with_the_test")


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A toy study whose evidence is in a folder of its own, with an empty figure."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(gather_sweep, "write_figure", lambda path, _: write_figure(path, Figure((1, 1))))
    toy = ["partial_data=true", "training_images=50", "held_out=10", "width=2", "steps=2", "evaluate_every=2"]
    common = ("experiment=center_low_init", *toy, "batch_size=10", "images=2", "levels=[0.12]", "seed=0,1")
    sweeps = ((*common, "strength=0"), (*common, "strength=1"))
    monkeypatch.setattr(
        reproduce, "REDUCED", reproduce.Evidence(tmp_path / "quick", {}, {"center_low_init": sweeps}, option="--quick")
    )
    return tmp_path / "quick" / "center_low_init"


STUDY = ["--quick", "--only", "center_low_init", "--data-dir", str(toy_data())]


def test_a_study_is_swept_gathered_published_and_reported_and_goes_on(study, monkeypatch, capsys):
    page = study.parent / "report.html"
    assert reproduce.reproduce(["--quick", "--only", "center_low_init"]) == 0  # without data
    assert "its record is missing: center_low_init/result.json" in page.read_text()
    assert "python scripts/reproduce.py --quick --only center_low_init" in page.read_text()
    assert reproduce.reproduce(STUDY) == 0
    assert '<article id="center_low_init" class="complete"' in page.read_text()
    assert "4 trainings, 2 seeds of he_normal" in page.read_text()
    assert "<code>batch_size=10</code>" in page.read_text()
    assert "<code>strength=" not in page.read_text()  # each training has another
    monkeypatch.setattr(reproduce, "write_up", lambda _: None)
    assert {path.name for path in study.iterdir()} == {
        "result.json", "arrays.npz", "environment.json", "sweep.csv", "center_low_init.png", "center_low_init.svg",
        "center_low_init.pdf",
    }  # fmt: skip
    parts = load_study("center_low_init")
    assert parts
    assert [len(arm.seeds) for arm in read_record(study, parts.Result).arms] == [2, 2]
    record = (study / "result.json").read_bytes()
    task = reproduce.REDUCED.task("center_low_init")
    jobs = {path: path.stat().st_mtime_ns for path in task.folder.glob("*/result.json")}
    assert len(jobs) == 4
    assert task.left() == 0
    capsys.readouterr()
    assert reproduce.reproduce(STUDY) == 0
    assert "recorded already: " in capsys.readouterr().out
    next(iter(jobs)).unlink()
    assert task.left() == pytest.approx(1 / 5)
    assert reproduce.reproduce(STUDY) == 0
    assert (study / "result.json").read_bytes() == record
    assert sum(path.stat().st_mtime_ns != time for path, time in jobs.items()) == 1


def test_a_failed_job_of_a_study_is_named_and_nothing_is_published(study, monkeypatch, capsys):
    sweeps = reproduce.REDUCED.studies["center_low_init"]
    one = tuple(key for key in sweeps[0] if not key.startswith(("batch_size", "strength", "seed")))
    broken = ((*one, "batch_size=10,60", "strength=0", "seed=0"), sweeps[1])  # there are 50 images
    monkeypatch.setattr(reproduce, "REDUCED", reproduce.Evidence(study.parent, {}, {"center_low_init": broken}))
    assert reproduce.reproduce(STUDY) == 1
    assert "failed: center_low_init" in capsys.readouterr().err
    assert not study.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "center_low_init", "width=8"], "width=8 cannot be chosen here; allowed: hydra/launcher=NAME"),
        (["--only", "center_low_init", "--quick", "hydra.sweep.dir=x"], "hydra.sweep.dir=x cannot be chosen here"),
        (["center_low_init"], "center_low_init cannot be chosen here"),
        (["--only", "kernels", "--quick", "hydra/launcher=joblib"], "hydra/launcher=joblib is for studies; allowed"),
        (["hydra/launcher=joblib"], "hydra/launcher=joblib is for studies"),
        (["--only", "center_low_init", "hydra/launcher=typo"], "hydra/launcher=typo is unknown; allowed: "),
        (["--only", "center_low_init", "hydra.launcher.n_jobs=2"], "key 'hydra.launcher.n_jobs' is unknown"),
    ],
)
def test_what_does_not_say_how_a_study_is_run_is_one_line(arguments, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for doing in (
        "evidence.main",
        "reproduce.write_up",
    ):  # were one not refused, it would measure and publish all of the reference
        monkeypatch.setattr(f"scripts.{doing}", lambda *_: pytest.fail("it is not refused"))
    assert reproduce.reproduce(arguments) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_how_a_study_is_run_may_stand_anywhere():
    launcher = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    only = ["--only", "center_low_init"]
    for arguments in ([*only, *launcher], [*only, "--quick", *launcher], [launcher[0], *only, launcher[1]]):
        options = reproduce._options(arguments)
        assert sorted(options.launcher, reverse=True) == launcher
        assert options.only == ["center_low_init"]


def test_the_command_of_a_study_is_this_scripts():
    assert command("center_low_init") == reproduce.FULL.commands()["center_low_init"]


@pytest.mark.slow
def test_a_study_of_other_data_is_refused_before_anything_is_measured(study, tmp_path, capsys):
    assert reproduce.reproduce(STUDY) == 0
    published = {path: path.read_bytes() for path in study.iterdir()}
    folder = reproduce.REDUCED.task("center_low_init").folder
    cifar_folder(tmp_path / "other" / "cifar10", train=6, test=2, seed=1)
    capsys.readouterr()
    assert reproduce.reproduce([*STUDY[:-1], str(tmp_path / "other")]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {folder} is a record of other data ")
    assert error.count("\n") == 1
    assert {path: path.read_bytes() for path in study.iterdir()} == published
    (folder / "result.json").unlink()  # now each of its jobs says so
    assert reproduce.reproduce([*STUDY[:-1], str(tmp_path / "other")]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert sum("is a record of other data" in line for line in errors) == 2  # the first sweep's
    assert {path: path.read_bytes() for path in study.iterdir()} == published
