"""The arms differ in what they say they differ in, and their sizes are those of their networks."""

from dataclasses import replace

import numpy as np
import pytest

from erf import InvalidInput
from erf.networks import cifar_resnet
from erf.networks.start import Start
from experiments.growth_controls import experiment as growth_controls
from experiments.growth_controls import study as growth_controls_study
from experiments.growth_controls.config import Arm, Config, config_of
from experiments.growth_controls.figure import draw
from experiments.harness.intervals import mean_interval
from experiments.trainings.plan import Labels, Probe
from tests.experiments.list_logbook import ListLogbook
from tests.experiments.toy_data import toy_data

SETTINGS = {
    "partial_data": True, "data_dir": str(toy_data()), "width": 2, "epochs": 1, "batch_size": 25, "images": 2,
    "bootstrap": 20, "calibration": 1,
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def shallow():
    """Train networks of fewer blocks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cifar_resnet, "BLOCKS", 6)
        yield


@pytest.fixture(scope="module")
def trained():
    return growth_controls.run(Config(**SETTINGS, seeds=2), ListLogbook())


def of(result, arm, probe):
    return [training.course(probe) for training in result.of_arm(arm)]


@pytest.mark.parametrize("probe", Probe)
def test_arms_start_alike_with_batch_norm_folded_or_not(trained, probe):
    plain, zero, random, folded, never = ([course.sizes[0] for course in of(trained, arm, probe)] for arm in Arm)
    assert random == plain
    assert zero == pytest.approx([5, 5], abs=0.5)
    assert folded == pytest.approx(plain, rel=0.02)
    assert never != pytest.approx(plain, rel=0.02)
    for when in ("before", "after"):
        same = np.allclose(
            trained.arrays[f"folded/{probe}/{when}"], trained.arrays[f"batch_norm/{probe}/{when}"], atol=0.02
        )
        assert same is (when == "before")


def test_images_and_noise_give_different_sizes(trained):
    for arm in Arm:
        on_images, on_noise = (of(trained, arm, probe)[0].sizes for probe in Probe)
        assert on_images != on_noise


def test_outcomes_are_over_the_trainings(trained):
    outcome = trained.outcome(Arm.batch_norm, Probe.images)
    growth = [course.growth for course in of(trained, Arm.batch_norm, Probe.images)]
    assert growth[0] != growth[1]
    assert outcome.growth == pytest.approx(np.mean(growth))
    assert outcome.growth_interval == mean_interval(growth)
    assert outcome.growth == pytest.approx(outcome.after - outcome.before)
    for course in of(trained, Arm.batch_norm, Probe.images):
        assert course.growth == course.sizes[-1] - course.sizes[0]
        assert course.growth_interval[0] <= course.growth_interval[1]


def part(result, *arms):
    """Return what a run of these arms alone would have found."""
    return replace(
        result,
        config=replace(result.config, arms=list(arms)),
        trainings=tuple(one for arm in arms for one in result.of_arm(arm)),
        outcomes=tuple(result.outcome(arm, probe) for arm in arms for probe in Probe),
        arrays={name: array for name, array in result.arrays.items() if name.split("/")[0] in arms},
    )


def test_runs_of_some_arms_each_are_gathered_into_one_of_all(trained):
    first, second = part(trained, Arm.no_batch_norm, Arm.folded), part(trained, *list(Arm)[:3])
    gathered = growth_controls_study.gather([first, second])
    assert (gathered.config, gathered.trainings, gathered.outcomes) == (
        trained.config,
        trained.trainings,
        trained.outcomes,
    )
    assert gathered.arrays.keys() == trained.arrays.keys()
    with pytest.raises(InvalidInput, match="there twice: folded"):
        growth_controls_study.gather([first, part(trained, Arm.folded)])
    wider = replace(second, config=replace(second.config, width=3))
    with pytest.raises(InvalidInput, match="runs differ in width; a study varies arms alone"):
        growth_controls_study.gather([first, wider])
    assert gathered.data == trained.data
    with pytest.raises(InvalidInput, match="of different data"):
        growth_controls_study.gather([first, replace(second, data="another")])


def test_the_legend_covers_no_data(trained):
    figure = draw(trained)
    figure.draw_without_rendering()
    (axes,) = (axes for axes in figure.axes if axes.get_ylabel() == "validation accuracy")
    assert axes.get_ylim() == (0, 1)
    (legend,) = [legend for part in figure.subfigs for legend in part.legends]
    extent = legend.get_window_extent()
    assert not any(one.get_window_extent().overlaps(extent) for one in figure.axes)


def test_a_training_does_not_depend_on_the_others_of_its_run(trained):
    alone = growth_controls.run(Config(**SETTINGS, seeds=1, arms=[Arm.folded]), ListLogbook())
    assert alone.trainings == trained.trainings[6:7]


def test_trainings_of_one_number_differ_in_their_arm_alone():
    config = Config(**SETTINGS)
    of_arm = {arm: config_of(config, arm, 1) for arm in Arm}
    assert len({one.seed for one in of_arm.values()}) == 1
    assert config_of(config, Arm.folded, 0).seed != of_arm[Arm.folded].seed
    assert [(one.start, one.gain) for one in of_arm.values()] == [
        (Start.unit_gain, None),
        (Start.small_gain, 0.0),
        (Start.unit_gain, None),
        (Start.unit_gain, None),
        (Start.scaled_sums, None),
    ]
    assert [one.labels for one in of_arm.values()] == [
        Labels.true,
        Labels.true,
        Labels.random,
        Labels.true,
        Labels.true,
    ]
    low, high = config.unnormalized_learning_rate, config.learning_rate
    assert [one.learning_rate for one in of_arm.values()] == [high, high, high, low, low]


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"arms": []}, "arms"),
        ({"arms": [Arm.folded, Arm.folded]}, "arms"),
        ({"seeds": 0}, "seeds"),
        ({"width": 0}, "width"),
        ({"label_smoothing": 1.0}, "label_smoothing"),
        ({"unnormalized_learning_rate": 0.0}, "unnormalized_learning_rate"),
    ],
)
def test_bad_settings_are_named(settings, named):
    with pytest.raises(InvalidInput, match=named):
        Config(**SETTINGS | settings)
