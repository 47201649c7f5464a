"""The runs and studies that evidence is made of, in full, reduced and repeated, and how long they take."""

from dataclasses import replace

import pytest

from experiments.center_low_init.study import FEWER_PAIRS, PAIRS
from experiments.harness import cli
from experiments.harness.experiment import experiment_of
from experiments.harness.reference import REFERENCE
from experiments.harness.reference_runs import RUNS, STUDIES
from experiments.harness.run_folder import study_folder
from scripts import pace, reproduce

pytestmark = pytest.mark.usefixtures("main_ends_with_the_test")


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


def test_the_study_has_the_pairs_that_its_docs_say():
    for first, evidence in ((0, reproduce.FULL), (50, reproduce.repeated()), (150, reproduce.repeated(3))):
        jobs = [cli.jobs_of(sweep) for sweep in evidence.studies["center_low_init"]]
        assert [len(one) for one in jobs] == [2 * 5 * PAIRS, 2 * PAIRS, 2 * 3 * FEWER_PAIRS]
        seeds = {int(override.removeprefix("seed=")) for job in jobs[0] for override in job if "seed=" in override}
        assert seeds == {*range(first, first + PAIRS)}
        assert 100 not in seeds  # at which the levels were chosen
