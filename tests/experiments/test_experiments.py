"""Every experiment end to end at toy size, from the list that the folder conf/experiment/ makes."""

from dataclasses import fields, replace

import numpy as np
import pytest
from rich.console import Console

from erf import InvalidInput
from erf.maps.statistic import Statistic
from erf.networks import camvid_frontend, cifar_resnet
from erf.networks.camvid_frontend import CamvidFrontend
from erf.networks.cifar_resnet import CifarResNet
from experiments.architectures.families import ARCHITECTURES
from experiments.expected_maps import experiment as expected_maps
from experiments.harness.about import Series, about
from experiments.harness.environment import Environment
from experiments.harness.experiment import experiment_names, load, load_study
from experiments.harness.record import read_environment, read_record, write_record
from tests.experiments.list_logbook import ListLogbook
from tests.experiments.shown import shown_of
from tests.experiments.smallest import smallest_config, smallest_result, smallest_run
from tests.figures import assert_shows


@pytest.fixture(scope="module", autouse=True)
def few_layers():
    """Train shallower networks, and measure few of their layers and of their draws."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(camvid_frontend, "BLOCKS", (0, 0, 0, 1))
        patch.setattr(CamvidFrontend, "layers", ("stem", "stage4.1"))
        patch.setattr(cifar_resnet, "BLOCKS", 4)
        patch.setattr(CifarResNet, "layers", ("stem", "top"))
        patch.setattr(expected_maps, "MORE_OF_SMALL", 1)
        for name in ("shufflenet_v2_x1_0", "resnet18"):
            patch.setitem(ARCHITECTURES, name, replace(ARCHITECTURES[name], layers=ARCHITECTURES[name].layers[:2]))
        yield


@pytest.fixture(params=experiment_names())
def experiment(request):
    return load(request.param)


# Runs that the slow tests repeat. cifar10 is measured by the same code as camvid and as what is built on both,
# erf_growth by that of all stacks.
REPEATED = ("architectures", "attention", "camvid", "expected_maps", "gaussian_shape", "growth_controls")
REPEATED += ("growth_start", "kernels", "magnitudes_and_signs", "skip_connections", "sparse_connections", "subsampling")


def slow(*names, of=None):
    """Leave the experiments of these names to the slow tests."""
    cases = [pytest.param(name, marks=[pytest.mark.slow] * (name in names)) for name in of or experiment_names()]
    return pytest.mark.parametrize("experiment", cases, indirect=True)


def test_its_record_is_read_back_and_its_figure_shows_what_it_says(experiment, tmp_path):
    result, _ = smallest_result(experiment.name)
    environment = Environment.now("cpu")
    write_record(tmp_path, result, environment)
    again = read_record(tmp_path, experiment.Result)
    assert again.config == result.config
    assert again.metrics() == result.metrics() != {}
    assert set(again.arrays) == set(result.arrays)
    for name, values in result.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], values)
    assert read_environment(tmp_path) == environment
    assert_shows(experiment.draw(again), shown_of(experiment.name)(result))


def test_its_record_names_the_data_that_its_config_names(experiment):
    """By that, data that have changed are told from those that a record is of."""
    result, _ = smallest_result(experiment.name)
    data = smallest_config(experiment.name).data
    assert getattr(result, "data", None) == data
    assert (data is not None) is bool(about(experiment.name).data)


@slow(*REPEATED)
def test_another_seed_gives_other_numbers(experiment):
    assert smallest_run(experiment, seed=1).metrics() != smallest_result(experiment.name)[0].metrics()


@slow(*REPEATED)
def test_the_same_seed_gives_the_same_numbers_also_to_a_run_that_goes_on(experiment):
    expected, logbook = smallest_result(experiment.name)
    points = list(logbook.kept)
    for done in [points[:1], points[1:]] if points else [[]]:  # each point is measured again once
        resumed = smallest_run(experiment, ListLogbook({name: logbook.kept[name] for name in done}))
        assert resumed.metrics() == expected.metrics()
        for name, values in expected.arrays.items():
            np.testing.assert_array_equal(resumed.arrays[name], values)


def test_every_field_has_a_line_of_help(experiment):
    for field in fields(experiment.Config):
        assert field.metadata.get("help"), field.name


def test_what_it_logs_is_what_its_folder_says(experiment):
    result, logbook = smallest_result(experiment.name)
    tags = {tag for tag, *_ in logbook.logged_scalars} | {tag for tag, *_ in logbook.logged_maps}
    tags |= {f"metrics/{name}" for name in result.metrics()}
    series = about(experiment.name).series
    unknown = {tag for tag in tags if not any(one.holds(tag) for one in series)}
    assert tags
    assert not unknown


def test_a_series_holds_the_tags_of_its_name_alone():
    series = Series("size/KIND/fit", "depth", "")
    assert series.holds("size/leaky_relu/fit")
    assert not any(map(series.holds, ["size/relu", "size/relu/3/fit", "sizes/relu/fit", "size/relu/fitted"]))


def logged_maps(logbook):
    return {(tag, step): imap for tag, imap, _, step in logbook.logged_maps}


def test_every_logged_map_carries_the_statistic_that_it_was_measured_by(experiment):
    result, logbook = smallest_result(experiment.name)
    for imap in logged_maps(logbook).values():
        assert imap.statistic is getattr(result.config, "statistic", Statistic.mean_square)
        assert imap.aggregation == getattr(result.config, "aggregation", imap.aggregation)


# What makes the smallest run of these smaller still, where both statistics are not the one that it has.
SMALLER = {
    "architectures": {"networks": ["shufflenet_v2_x1_0"], "draws": 1},
    "cifar10": {"epochs": 1, "bootstrap": 2},
}


def maps_by(experiment, statistic):
    result, logbook = smallest_result(experiment.name)
    if result.config.statistic is not statistic:
        logbook = ListLogbook()
        smallest_run(experiment, logbook, statistic=statistic, **SMALLER.get(experiment.name, {}))
    return logged_maps(logbook)


def allows_rms(name):
    try:
        return bool(load(name).Config(statistic=Statistic.rms))
    except (InvalidInput, TypeError):
        return False


@slow(*REPEATED, of=[name for name in experiment_names() if allows_rms(name)])
def test_maps_of_another_statistic_are_other_maps_and_say_so(experiment):
    maps = {statistic: maps_by(experiment, statistic) for statistic in (Statistic.mean_square, Statistic.rms)}
    expected = maps[Statistic.mean_square]
    assert expected.keys() == maps[Statistic.rms].keys()
    for key, imap in maps[Statistic.rms].items():
        assert (expected[key].statistic, imap.statistic) == (Statistic.mean_square, Statistic.rms)
        # Trainings keep maps of peak 1 as float16, whose step there is a thousandth.
        np.testing.assert_allclose(imap.values**2, expected[key].values, rtol=0, atol=2e-3 * expected[key].values.max())


def test_its_summary_prints(experiment, capsys):
    Console(width=200).print(experiment.summary(smallest_result(experiment.name)[0]))
    assert capsys.readouterr().out.count("\n") > 3


@pytest.mark.parametrize("name", ["camvid", "cifar10"])
def test_trainings_of_toy_size_are_gathered(name):
    """It stands here, where they have been run."""
    result, _ = smallest_result(name)
    parts = load_study(name)
    study = parts.gather([replace(result, config=replace(result.config, seed=seed)) for seed in (0, 1)])
    first, best = result.trajectory[0].measures, result.trajectory[result.best_epoch].measures
    assert study.arms[0].before.value == pytest.approx(first.averaged_size)
    assert study.arms[0].growth.value == pytest.approx(best.averaged_size - first.averaged_size)
    assert study.trainings[0].fresh == result.fresh.averaged_size
    np.testing.assert_array_equal(study.arrays[f"after/{study.arms[0].way.key}"], result.arrays["units/after"][0])
    parts.draw(study)
