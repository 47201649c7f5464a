"""What the figures of the reference records show is what these records say; those of toys are in test_experiments."""

from functools import cache
from importlib import import_module

import pytest

from erf.networks.start import Start
from experiments.camvid.experiment import Result as Camvid
from experiments.camvid.study import gather as gather_camvid
from experiments.center_low_init.study import Study as CenterLowStudy
from experiments.center_low_init.study_figure import draw as draw_center_low
from experiments.cifar10.experiment import Result as Cifar10
from experiments.cifar10.study import gather as gather_cifar10
from experiments.growth_controls.study import Study as ControlsStudy
from experiments.growth_controls.study_figure import draw as draw_controls
from experiments.harness.experiment import experiment_of, load
from experiments.harness.reference import reference
from experiments.harness.reference_runs import RUNS
from experiments.harness.style import PAGE
from experiments.trainings.study_figure import draw_starts
from tests.experiments.center_low_init import shown as center_low
from tests.experiments.growth_controls import shown as controls
from tests.experiments.shown import shown_of
from tests.experiments.trainings import shown as trainings
from tests.experiments.trainings.made_up_trainings import training
from tests.figures import assert_shows


@cache
def drawn(run):
    """Return an experiment, its result and its figure, which two tests look at."""
    experiment = load(experiment_of(run))
    result = reference(run, experiment.Result)
    return experiment, result, experiment.draw(result)


@pytest.mark.parametrize("run", RUNS)
def test_the_figure_shows_its_record(run):
    experiment, result, figure = drawn(run)
    assert_shows(figure, shown_of(experiment.name)(result))


@pytest.mark.parametrize("name", ["camvid", "cifar10"])
def test_the_figure_of_all_layers_shows_the_record(name):
    result = reference(name, load(name).Result)
    others = import_module(f"experiments.{name}.figure").OTHERS
    assert [*others] == ["layers"]
    assert_shows(others["layers"](result), trainings.layers(result))


def test_the_figure_of_the_center_low_study_shows_its_record():
    record = reference("center_low_init", CenterLowStudy)
    assert_shows(draw_center_low(record), center_low.study(record))


def test_the_figure_of_the_controls_study_shows_its_record():
    record = reference("growth_controls", ControlsStudy)
    assert_shows(draw_controls(record), controls.shown(record))


def test_figure_3_shows_the_records_of_both_data_sets():
    ways = [{"start": Start.unit_gain}, {"start": Start.small_gain, "sizes": (80.0, None, 130.0)}]
    studies = [
        gather([training(kind, seed=seed, **way) for way in ways for seed in range(2)])
        for gather, kind in ((gather_cifar10, Cifar10), (gather_camvid, Camvid))
    ]
    expected = trainings.starts(studies, ["accuracy", "mean IoU"])
    assert_shows(draw_starts(studies), expected)
    on_cifar, on_both = (draw_starts(of).get_label() for of in (studies[:1], studies))
    for said in ("CamVid", "the paper's sizes"):  # of which CIFAR-10's own figure shows nothing
        assert said in on_both
        assert said not in on_cifar


@pytest.mark.parametrize("run", RUNS)
def test_the_figure_can_be_printed_with_its_message_above_and_its_caption_beside_it(run):
    experiment, result, first = drawn(run)
    for figure in (first, *(draw(result) for draw in experiment.others.values())):
        texts = figure.findobj(lambda artist: hasattr(artist, "get_fontsize") and bool(artist.get_text()))
        assert figure.get_figwidth() == PAGE
        assert figure.get_figheight() <= 9.1  # of a page of letter paper
        assert min(text.get_fontsize() for text in texts) >= 7
        assert figure.get_suptitle()
        assert "seed" in figure.get_label()
