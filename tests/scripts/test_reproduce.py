import json
import shutil
import sys
from dataclasses import replace

import pytest
from matplotlib.figure import Figure

from erf import InvalidInput
from erf.errors import INTERRUPTED
from experiments.center_low_init.study import FEWER_PAIRS, PAIRS
from experiments.claims import own_rows, rows
from experiments.claims.pages import BEGIN, END, with_claims
from experiments.harness import cli
from experiments.harness.experiment import experiment_of, load_study
from experiments.harness.figure_file import write_figure
from experiments.harness.record import read_record
from experiments.harness.reference import REFERENCE
from experiments.harness.reference_runs import RUNS, STUDIES, command
from experiments.harness.run_folder import study_folder
from scripts import gather_sweep, pace, reproduce
from tests.erf.data.tiny_sets import cifar_folder
from tests.experiments.toy_data import toy_data


@pytest.fixture(autouse=True)
def main_ends_with_the_test(monkeypatch, empty_figures):
    """It changes the process's arguments and environment."""
    monkeypatch.setattr(sys, "argv", ["run.py"])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")


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


def test_every_run_has_its_reduced_and_its_repeated_form():
    assert {*RUNS, *STUDIES} == {path.name for path in REFERENCE.iterdir() if (path / "arrays.npz").exists()}
    campaigns = (reproduce.FULL, reproduce.REDUCED, reproduce.repeated())
    assert [list(one.runs) for one in campaigns] == [list(RUNS)] * 3
    assert len({one.folder for one in campaigns}) == 3
    for seed in (1, 2):
        again = reproduce.repeated(seed)
        assert again.runs == {name: (*keys, f"seed={seed}") for name, keys in reproduce.FULL.runs.items()}
    assert reproduce.repeated(2).folder not in {one.folder for one in campaigns}
    full, reduced = ({name: cli.config_of(it) for name, it in one.runs.items()} for one in campaigns[:2])
    for name, config in reduced.items():
        assert type(config) is type(full[name])
        assert config != full[name]
        assert config.seed == full[name].seed
    assert [list(one.studies) for one in campaigns] == [list(STUDIES)] * 3
    folders = {study_folder(name, experiment_of(name), one.studies[name]) for one in campaigns for name in STUDIES}
    assert len(folders) == 3 * len(STUDIES)
    for name in STUDIES:
        assert reproduce.REDUCED.task(name).folder in folders  # the sweeps compose


@pytest.mark.slow
def test_the_repeated_form_differs_in_the_seed_alone():
    full, repeated = reproduce.FULL, reproduce.repeated()
    for name, overrides in repeated.runs.items():
        assert cli.config_of(overrides) == replace(cli.config_of(full.runs[name]), seed=1)
    for name in STUDIES:
        assert repeated.task(name).folder != full.task(name).folder


def test_a_study_is_swept_as_ever_so_that_its_trainings_are_found_again():
    """Hours of trainings lie in folders that are named by these words."""
    assert reproduce.FULL.studies["center_low_init"] == (
        ("experiment=center_low_init", "kernel_size=3,5", "strength=0,0.25,0.5,0.75,1", "seed=range(0,12)"),
        ("experiment=center_low_init", "kernel_size=3,5", "draw=1", "seed=range(0,12)"),
        ("experiment=center_low_init", "kernel_size=3,5", "init=glorot_uniform", "strength=0,0.5,1", "seed=range(0,4)"),
    )
    arms = "arms=[batch_norm,zero_gain,random_labels],[no_batch_norm,folded]"
    assert reproduce.repeated().studies["growth_controls"] == (("experiment=growth_controls", arms, "seed=50"),)
    assert reproduce.FULL.task("center_low_init").folder.name == "center_low_init-f8fcf009"
    assert reproduce.FULL.task("growth_controls").folder.name == "growth_controls-93a214f0"


def test_a_quick_study_sweeps_over_less_at_reduced_size():
    ((*_, last),) = {tuple(cli.jobs_of(sweep)[0]) for sweep in reproduce.REDUCED.studies["growth_controls"]}
    assert last == "scale=quick"
    jobs = [cli.jobs_of(sweep) for sweep in reproduce.REDUCED.studies["center_low_init"]]
    assert list(map(len, jobs)) == [2 * 5, 2, 2 * 3]
    for config in map(cli.config_of, (job for sweep in jobs for job in sweep)):
        assert (config.kernel_size, config.steps, config.training_images, config.seed in (0, 1)) == (3, 40, 500, True)


def test_the_time_left_follows_the_pace(monkeypatch):
    monkeypatch.setattr(pace, "expected_seconds", {"a": 100.0, "b": 300.0, "c": 50.0}.__getitem__)
    times = pace.Pace(1.0)
    assert times.left({"a": 1.0, "b": 1.0, "c": 1.0}) == 450
    assert times.left({"a": 0.0, "b": 0.5}) == 150
    times.done("a", 1.0, 200.0)
    rest = {"b": 1.0, "c": 1.0}
    assert times.left(rest) == pytest.approx(350 * 400 / 300)  # the assumed pace weighs as much as 200 seconds
    times.done("b", 0.5, 150.0)
    assert times.left({"b": 0.5, "c": 1.0}) == pytest.approx(200 * 550 / 450)


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


def test_the_study_has_the_pairs_that_its_docs_say():
    for first, evidence in ((0, reproduce.FULL), (50, reproduce.repeated()), (150, reproduce.repeated(3))):
        jobs = [cli.jobs_of(sweep) for sweep in evidence.studies["center_low_init"]]
        assert [len(one) for one in jobs] == [2 * 5 * PAIRS, 2 * PAIRS, 2 * 3 * FEWER_PAIRS]
        seeds = {int(override.removeprefix("seed=")) for job in jobs[0] for override in job if "seed=" in override}
        assert seeds == {*range(first, first + PAIRS)}
        assert 100 not in seeds  # at which the levels were chosen


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
