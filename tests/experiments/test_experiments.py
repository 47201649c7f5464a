"""Every experiment end to end at toy size, from the list that the folder conf/experiment/ makes."""

import math
import re
from dataclasses import fields, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from rich.console import Console

from erf import InvalidInput, fit_gaussian
from erf.inits import Init
from erf.maps.statistic import Statistic
from erf.networks import camvid_frontend, cifar_resnet
from erf.networks.attention_stack import Block
from erf.networks.camvid_frontend import CamvidFrontend
from erf.networks.cifar_resnet import CifarResNet
from erf.networks.conv_stack import Dropout
from erf.seeds import derive
from experiments.exact_theory import experiment as exact_theory
from experiments.growth_controls.experiment import Arm
from experiments.harness.cli import main
from experiments.harness.experiment import CONF, experiment_names, load
from experiments.harness.record import Environment, read_environment, read_record, write_record
from experiments.kernels.profiles import Profile
from experiments.measure.network_source import Source
from experiments.skip_connections.experiment import Design, branch_distribution, residual_stack
from experiments.sparse_connections.experiment import Layout
from experiments.stacks.paper_stacks import Kind, map_of, measure_runs, require_runs
from experiments.subsampling.experiment import Variant
from tests.experiments import toy_networks
from tests.experiments.list_logbook import ListLogbook
from tests.experiments.toy_data import toy_data

TRAINING = {"partial_data": True, "epochs": 2, "images": 3, "bootstrap": 20, "calibration": 1}
TOY = {
    "erf_growth": {"depths": [2, 3, 4], "runs": 8, "channels": 4, "bootstrap": 20},
    "gaussian_shape": {
        "depths": [2, 3],
        "runs": 12,
        "channels": 4,
        "group_depth": 3,
        "group_runs": [2, 4, 8],
        "group_total": 40,
    },
    "nonlinearities": {"depth": 3, "runs": 6, "fewer_runs": 3, "groups": 2, "channels": 4},
    "architectures": {"networks": ["shufflenet_v2_x1_0", "resnet18"], "draws": 2, "samples": 1, "input_size": 64},
    "measure": {
        "source": Source.file,
        "network": f"{toy_networks.__file__}:make",
        "layers": ["7", "10"],
        "input_size": 24,
        "samples": 4,
    },
    "cifar10": {"width": 2, "batch_size": 25, "grid": 1} | TRAINING,
    "growth_controls": TRAINING | {"arms": [Arm.folded], "width": 2, "batch_size": 25, "seeds": 1, "epochs": 1},
    "center_low_init": {
        "partial_data": True,
        "training_images": 50,
        "held_out": 10,
        "width": 2,
        "steps": 4,
        "evaluate_every": 2,
        "batch_size": 10,
        "images": 3,
        "strength": 0.5,
    },
    "camvid": {"widths": [4, 4, 4, 16], "batch_size": 2, "grid": 2, "shift": 4} | TRAINING,
    "dropout": {"rates": [0.0, 0.4], "depth": 3, "runs": 40, "narrow": [2], "channels": 4, "bootstrap": 20},
    "kernels": {
        "kernel_sizes": [2, 3],
        "depths": [2, 3, 4],
        "depth": 3,
        "runs": 20,
        "channels": 4,
        "strengths": [0.0, 1.0],
        "bootstrap": 20,
    },
    "sparse_connections": {"depths": [2, 3], "runs": 8, "channels": 4, "networks": 3, "bootstrap": 20},
    "attention": {"depth": 3, "below": [1, 2], "side": 16, "runs": 4, "channels": 4, "bootstrap": 20},
    "exact_theory": {"kernel_sizes": [2, 3], "depths": [2, 5], "depth": 3, "runs": 50, "bootstrap": 20},
    "subsampling": {"depth": 4, "subsampled": 2, "dilations": [3], "runs": 6, "channels": 4, "bootstrap": 20},
    "skip_connections": {
        "depth": 5,
        "gains": [0.5, 2.0],
        "runs": 4,
        "channels": 4,
        "calibration": 2,
        "bootstrap": 20,
    },
}
TAGS = Path(__file__).parents[2] / "docs" / "tags.md"


def test_every_experiment_is_tried_here():
    assert set(TOY) == set(experiment_names())


@pytest.fixture(scope="module", autouse=True)
def few_layers():
    """Train shallower networks, and measure few of their layers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(camvid_frontend, "BLOCKS", (1, 1, 1, 1))
        patch.setattr(CamvidFrontend, "layers", ("stem", "stage2.0", "stage4.1"))
        patch.setattr(cifar_resnet, "BLOCKS", 4)
        patch.setattr(CifarResNet, "layers", ("stem", "blocks.1", "top"))
        yield


@pytest.fixture(params=sorted(TOY))
def experiment(request):
    return load(request.param)


def toy_run(experiment, logbook=None, **settings):
    toy = dict(TOY[experiment.name])
    if "partial_data" in toy:
        toy["data_dir"] = str(toy_data())
    return experiment.run(experiment.Config(**toy | settings), logbook or ListLogbook())


@cache
def toy_result(name):
    """Return a result that is only looked at, and its logbook."""
    logbook = ListLogbook()
    return toy_run(load(name), logbook), logbook


def test_its_record_is_read_back_and_draws_the_same_figure(experiment, tmp_path):
    result, _ = toy_result(experiment.name)
    environment = Environment.now("cpu")
    write_record(tmp_path, result, environment)
    again = read_record(tmp_path, experiment.Result)
    assert again.config == result.config
    assert again.metrics() == result.metrics() != {}
    assert set(again.arrays) == set(result.arrays)
    for name, values in result.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], values)
    assert read_environment(tmp_path) == environment
    assert drawn(experiment.draw(again)) == drawn(experiment.draw(result))


def drawn(figure):
    """Return what a reader sees, apart from where the layout puts it."""
    panels = [panel for panel in figure.axes if panel.has_data()]
    assert panels
    return [
        (
            panel.get_title(),
            panel.get_xlabel(),
            panel.get_ylabel(),
            [line.get_xydata().tolist() for line in panel.lines],
            [image.get_array().tolist() for image in panel.images],
        )
        for panel in panels
    ]


def test_another_seed_gives_other_numbers(experiment):
    assert toy_run(experiment, seed=1).metrics() != toy_result(experiment.name)[0].metrics()


def test_the_same_seed_gives_the_same_numbers_also_to_a_run_that_goes_on(experiment):
    expected, whole = toy_result(experiment.name)
    points = list(whole.kept)
    for done in [points[:1], points[1:]] if points else [[]]:  # each point is measured again once
        resumed = toy_run(experiment, ListLogbook({name: whole.kept[name] for name in done}))
        assert resumed.metrics() == expected.metrics()
        for name, values in expected.arrays.items():
            np.testing.assert_array_equal(resumed.arrays[name], values)


def test_its_yaml_composes_to_its_config(experiment):
    main([])  # registers the schemas
    with initialize_config_dir(str(CONF), version_base="1.3"):
        composed = compose("config", [f"experiment={experiment.name}"])
    config = OmegaConf.to_object(composed)
    assert type(config) is experiment.Config
    assert config.name == experiment.name


def test_every_field_has_a_line_of_help(experiment):
    for field in fields(experiment.Config):
        assert field.metadata.get("help"), field.name


def test_every_tag_is_defined_in_the_docs(experiment):
    _, logbook = toy_result(experiment.name)
    used = {tag for tag, *_ in logbook.logged_scalars} | {tag for tag, *_ in logbook.logged_maps}
    documented = set(re.findall(r"^\| `([^`]+)`", TAGS.read_text(), flags=re.M))
    assert {general(tag) for tag in used} <= documented
    assert used


def general(tag):
    """Return a tag as the docs have it."""
    words = {"KIND": list(Kind), "LAYER": TOY["measure"]["layers"], "NETWORK": TOY["architectures"]["networks"]}
    tag = re.sub(rf"/({'|'.join(Arm)})/\d$", "/ARM/NUMBER", tag).replace("images/ARM", "PROBE/ARM")
    tag = tag.replace("noise/ARM", "PROBE/ARM")
    words |= {"DROPOUT": list(Dropout), "PROFILE": list(Profile)}
    tag = re.sub(r"/\dx\d$", "/KERNEL", tag)
    tag = re.sub(rf"/({'|'.join(Dropout)})/\d+$", r"/\1/CHANNELS", tag)
    words |= {"LAYOUT": list(Layout), "BLOCK": list(Block)}
    words |= {"VARIANT": list(Variant), "DESIGN": list(Design)}
    for word, names in words.items():
        tag = re.sub(rf"/({'|'.join(names)})(/CHANNELS|/KERNEL)?$", rf"/{word}\2", tag)
    return tag


def test_its_summary_prints(experiment, capsys):
    Console(width=200).print(experiment.summary(toy_result(experiment.name)[0]))
    assert capsys.readouterr().out.count("\n") > 3


@pytest.mark.parametrize(
    ("name", "settings", "named"),
    [
        ("erf_growth", {"depths": [5, 5]}, "depths"),
        ("erf_growth", {"depths": [0, 5]}, "depths"),
        ("erf_growth", {"kinds": []}, "kinds"),
        ("erf_growth", {"runs": 0}, "runs"),
        ("erf_growth", {"runs": 1}, "bootstrap=0"),
        ("erf_growth", {"kernel_size": 0}, "kernel_size"),
        ("erf_growth", {"device": "cuda:99"}, "device"),
        ("erf_growth", {"aggregation": 16}, "aggregation"),
        ("erf_growth", {"aggregation": "mean"}, "aggregation"),
        ("gaussian_shape", {"group_total": 10}, "group_total"),
        ("gaussian_shape", {"group_runs": [20, 10]}, "group_runs"),
        ("nonlinearities", {"fewer_runs": 100}, "fewer_runs"),
        ("nonlinearities", {"groups": 1}, "groups"),
        ("nonlinearities", {"kinds": [Kind.uniform]}, "uniform"),
        ("dropout", {"rates": [0.1, 0.2]}, "rates"),
        ("dropout", {"rates": [0.0]}, "rates"),
        ("dropout", {"rates": [0.0, 0.5, 0.2]}, "rates"),
        ("dropout", {"rates": [0.0, 1.0]}, "rates"),
        ("dropout", {"rates": [0.0, math.nan]}, "rates"),
        ("dropout", {"runs": 19}, "runs"),
        ("dropout", {"depth": 1}, "depth"),
        ("dropout", {"narrow": [16]}, "narrow"),
        ("dropout", {"narrow": [4, 1]}, "narrow"),
        ("dropout", {"aggregation": 1}, "narrow"),
        ("dropout", {"statistic": Statistic.rms}, "statistic=rms"),
        ("dropout", {"bootstrap": 0}, "bootstrap"),
        ("kernels", {"strengths": [0.0, 1.1]}, "strengths"),
        ("kernels", {"strengths": [0.0, math.nan]}, "strengths"),
        ("kernels", {"strengths": [0.1, 1.0]}, "strengths"),
        ("kernels", {"strengths": [0.0]}, "strengths"),
        ("kernels", {"kernel_sizes": [1, 3]}, "kernel_sizes"),
        ("kernels", {"profiles": []}, "profiles"),
        ("kernels", {"profiles": [Profile.ring, Profile.ring]}, "profiles"),
        ("kernels", {"depths": [2, 5]}, "depths"),
        ("kernels", {"depths": [0, 5, 9]}, "depths"),
        ("kernels", {"depth": 1}, "depth"),
        ("kernels", {"kernel_size": 5}, "kernel_sizes"),
        ("kernels", {"statistic": Statistic.mean_abs}, "statistic=mean_abs"),
        ("kernels", {"init": Init.equal}, "init=equal"),
        ("exact_theory", {"runs": 1}, "runs"),
        ("exact_theory", {"bootstrap": 0}, "bootstrap"),
        ("sparse_connections", {"area": 4}, "area=4: allowed with kernel_size=3 are 5, 7, 9"),
        ("sparse_connections", {"area": 3}, "area=3"),
        ("sparse_connections", {"kernel_size": 4}, "kernel_size=4"),
        ("sparse_connections", {"layouts": [Layout.dilated]}, "adjacent is missing"),
        ("sparse_connections", {"layouts": []}, "layouts"),
        ("sparse_connections", {"statistic": Statistic.mean_abs}, "statistic=mean_abs"),
        ("sparse_connections", {"depths": [1, 5]}, "depths"),
        ("sparse_connections", {"networks": 1}, "networks=1"),
        ("sparse_connections", {"runs": 1}, "runs=1"),
        ("attention", {"below": [2, 11]}, "below"),
        ("attention", {"below": [0]}, "below"),
        ("attention", {"side": 22}, "side=22: allowed are even numbers from 24"),
        ("attention", {"side": 47}, "side=47"),
        ("attention", {"kernel_size": 2}, "kernel_size=2"),
        ("attention", {"kind": Kind.uniform}, "kind=uniform"),
        ("attention", {"blocks": [Block.none, Block.none]}, "blocks"),
        ("attention", {"runs": 1}, "runs=1"),
        ("attention", {"bootstrap": 0}, "bootstrap=0"),
        ("subsampling", {"runs": 1}, "runs"),
        ("subsampling", {"variants": [Variant.plain]}, "plain"),
        ("subsampling", {"variants": [Variant.dilation] * 2}, "variants"),
        ("subsampling", {"kind": Kind.uniform}, "kind=uniform"),
        ("subsampling", {"subsampled": 16}, "subsampled=16"),
        (
            "subsampling",
            {"subsampled": 10},
            "early_strides has a theoretical field of 12287 pixels",
        ),
        ("subsampling", {"dilations": []}, "dilations"),
        ("subsampling", {"dilations": [2, 0]}, "dilations"),
        ("skip_connections", {"designs": []}, "designs"),
        ("skip_connections", {"gains": []}, "gains"),
        ("skip_connections", {"gains": [0.0, 1.0]}, "gains"),
        ("skip_connections", {"gains": [2.0, 1.0]}, "gains"),
        ("skip_connections", {"gains": [1.0, float("inf")]}, "gains"),
        ("skip_connections", {"gains": [float("nan")]}, "gains"),
        ("skip_connections", {"depth": 14}, "depth=14.*branch_depth=2"),
        ("skip_connections", {"depth": 1}, "depth=1"),
        ("skip_connections", {"branch_depth": 0}, "branch_depth"),
        ("skip_connections", {"calibration": 1}, "calibration"),
        ("skip_connections", {"kernel_size": 4}, "kernel_size=4"),
        ("cifar10", {"width": 0}, "width"),
        ("cifar10", {"label_smoothing": 1.0}, "label_smoothing"),
        ("cifar10", {"epochs": 0}, "epochs"),
        ("cifar10", {"learning_rate": 0.0}, "learning_rate"),
        ("cifar10", {"momentum": -0.1}, "momentum"),
        ("cifar10", {"images": 1}, "images"),
        ("cifar10", {"statistic": Statistic.signed_mean}, "signed_mean"),
        ("cifar10", {"aggregation": "mean"}, "aggregation"),
        ("cifar10", {"device": "cuda:99"}, "device"),
        ("center_low_init", {"strength": 1.1}, "strength=1.1"),
        ("center_low_init", {"strength": math.nan}, "strength=nan"),
        ("center_low_init", {"kernel_size": 4}, "kernel_size=4: allowed are odd numbers from 3"),
        ("center_low_init", {"kernel_size": 1}, "kernel_size=1"),
        ("center_low_init", {"init": Init.equal}, "init=equal"),
        ("center_low_init", {"draw": -1}, "draw=-1"),
        ("center_low_init", {"steps": 110}, "steps=110: allowed are multiples of evaluate_every=50"),
        ("center_low_init", {"levels": []}, "levels"),
        ("center_low_init", {"levels": [0.5, 0.4]}, "levels"),
        ("center_low_init", {"levels": [0.5, 0.5]}, "levels"),
        ("center_low_init", {"levels": [0.5, 1.0]}, "levels"),
        ("center_low_init", {"learning_rate": math.inf}, "learning_rate=inf"),
        ("center_low_init", {"images": 3000}, "images=3000"),
        ("center_low_init", {"threads": 0}, "threads=0"),
        ("center_low_init", {"device": "cuda:99"}, "device"),
        ("camvid", {"widths": [16, 32]}, "widths"),
        ("camvid", {"widths": [16, 32, 64, 0]}, "widths"),
        ("camvid", {"batch_size": 0}, "batch_size"),
    ],
)
def test_a_value_that_is_not_allowed_is_named(name, settings, named):
    with pytest.raises(InvalidInput, match=named):
        load(name).Config(**settings)


def test_erf_growth_has_no_slope_below_three_depths_and_no_interval_without_bootstrap():
    experiment = load("erf_growth")
    result = toy_run(experiment, depths=[2, 3])
    assert result.slopes == ()
    assert all(point.size_interval for point in result.of_kind(Kind.random))
    result = toy_run(experiment, bootstrap=0)
    assert [point.size_interval for point in result.points] == [None] * len(result.points)


def test_erf_growth_measures_what_theory_predicts_for_uniform_stacks():
    result = toy_run(load("erf_growth"), kinds=[Kind.uniform], depths=[5, 10, 20], kernel_size=3)
    for point in result.points:
        assert point.size == point.predicted_size
        assert (point.runs, point.skipped, point.size_interval) == (1, 0, None)
    assert [point.trf_size for point in result.points] == [11, 21, 41]


def test_even_kernels_are_measured():
    result = toy_run(load("erf_growth"), kinds=[Kind.uniform], depths=[3, 8, 15], kernel_size=2)
    assert [point.trf_size for point in result.points] == [4, 9, 16]
    assert [point.size for point in result.points] == [point.predicted_size for point in result.points]


def test_a_point_without_enough_runs_says_so():
    config = load("erf_growth").Config()
    zero = map_of(config, np.zeros((3, 5, 5)))
    with pytest.raises(InvalidInput, match="relu at depth 2: 0 of 3 runs are not 0 everywhere, 2 are needed"):
        require_runs(zero, Kind.relu, 2, least=2)


@pytest.mark.parametrize("aggregation", [0, "sum", "random_sign"])
@pytest.mark.parametrize("init", [Init.he_normal, Init.glorot_uniform, Init.torch_default])
def test_exact_theory_finds_no_difference_where_there_is_none(aggregation, init):
    settings = {"runs": 400, "channels": 16, "input_channels": 2, "aggregation": aggregation, "init": init}
    result = toy_run(load("exact_theory"), **settings)
    assert all(u.exact_difference < 1e-14 and u.measured_difference < 1e-6 for u in result.uniform)
    for random in result.random:
        assert random.largest_deviation < 5
        assert random.sigma == pytest.approx(random.predicted_sigma, rel=0.05)
        assert random.sigma_interval[0] < random.sigma < random.sigma_interval[1]
        assert random.runs + random.skipped == 400
    assert result.example_trf_sizes == (3, 5, 7, 9, 10)


def test_exact_theory_sees_a_wrong_total(monkeypatch):
    true = exact_theory.mean_square_total
    monkeypatch.setattr(exact_theory, "mean_square_total", lambda *of: 1.3 * true(*of))
    result = toy_run(load("exact_theory"), runs=400, channels=16)
    assert result.of_kind(Kind.random).largest_deviation > 5


def test_gaussian_shape_fits_disjoint_groups_of_runs_that_are_not_0():
    result = toy_run(load("gaussian_shape"))
    config = result.config
    others = replace(config, seed=derive(config.seed, 1))
    for kind in (Kind.random, Kind.relu):
        moments = measure_runs(others, kind, config.group_depth, config.group_total)
        kept = moments[moments.any(axis=(1, 2))]
        for groups in result.of_kind(kind):
            n = groups.runs
            starts = range(0, len(kept) // n * n, n)
            fits = [fit_gaussian(map_of(config, kept[start : start + n])).r_squared for start in starts]
            assert groups.groups == len(fits)
            assert groups.r_squared == pytest.approx(np.mean(fits), rel=1e-9)
    (fall,) = (fall for fall in result.falls if fall.kind is Kind.random)
    assert fall.noise_exponent < fall.exponent < 0
    assert fall.interval[0] <= fall.exponent <= fall.interval[1]


def test_nonlinearities_compares_each_group_with_its_first_runs():
    result = toy_run(load("nonlinearities"))
    config = result.config
    for kind in (Kind.random, Kind.relu):
        fits = result.of_kind(kind)
        moments = measure_runs(config, kind, config.depth, fits.measured)
        kept = moments[moments.any(axis=(1, 2))]
        assert fits.skipped == len(moments) - len(kept)
        for group, (more, fewer) in enumerate(zip(fits.r_squared, fits.fewer_r_squared, strict=True)):
            first = group * config.runs
            for found, runs in ((more, config.runs), (fewer, config.fewer_runs)):
                expected = fit_gaussian(map_of(config, kept[first : first + runs])).r_squared
                assert found == pytest.approx(expected, rel=1e-9)
        assert np.mean(fits.r_squared) > np.mean(fits.fewer_r_squared)


def test_subsampling_measures_what_theory_predicts():
    result = toy_run(load("subsampling"), runs=200, channels=16, depth=5)
    plain = result.of_variant(Variant.plain)
    for measured in result.variants:
        assert measured.size == pytest.approx(measured.predicted_size, rel=0.07)
        assert measured.sigma == pytest.approx(measured.predicted_sigma, rel=0.03)
        assert measured.kurtosis == pytest.approx(measured.predicted_kurtosis, abs=0.1)
        assert measured.size_interval[0] <= measured.size <= measured.size_interval[1]
        if measured is not plain:
            low, high = measured.excess
            assert low - 0.1 < measured.size - plain.size < high + 0.1  # counts of pixels are jagged
    assert plain.excess is None


def test_subsampling_counts_a_grid_as_a_whole():
    """Of a map spread by dilation 2, each pixel is the plain map's; the holes between them count once averaged."""
    result = toy_run(load("subsampling"), runs=20, depth=5, channels=16)
    plain, spread = (result.of_variant(variant) for variant in (Variant.plain, Variant.dilated_throughout))
    assert spread.peak_size == plain.peak_size
    assert spread.sigma == pytest.approx(2 * plain.sigma)
    assert spread.size == pytest.approx(2 * plain.size, rel=0.1)
    assert spread.holes == pytest.approx(1 - (11 / 21) ** 2)
    assert (plain.holes, plain.centre_share, plain.period, spread.period) == (0, 1, 1, 2)


def test_subsampling_predicts_every_placement():
    result = toy_run(load("subsampling"), variants=[Variant.early_strides, Variant.late_strides])
    placements = {tuple(layers): size for layers, size in zip(*placed(result), strict=True)}
    assert set(placements) == {(1, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 4)}
    assert placements[1, 2] == result.of_variant(Variant.early_strides).predicted_size
    assert placements[3, 4] == result.of_variant(Variant.late_strides).predicted_size
    assert (
        len(toy_run(load("subsampling"), variants=[Variant.dilation], depth=24, subsampled=3).arrays["placements"])
        <= 1000
    )


def placed(result):
    return result.arrays["placements"].tolist(), result.arrays["placement_sizes"].tolist()


def test_skip_connections_measures_the_predicted_mixture():
    settings = {"runs": 150, "channels": 16, "designs": [Design.linear, Design.pre_activation]}
    result = toy_run(load("skip_connections"), **settings)
    for point in result.points:
        assert point.size == pytest.approx(point.predicted_size, rel=0.08)
        assert point.sigma == pytest.approx(point.predicted_sigma, rel=0.05)
        assert point.size_interval[0] <= point.size <= point.size_interval[1]
        if point.gain is None:
            assert (point.excess, point.branches) == (None, 2)
        else:
            low, high = point.excess
            assert low - 0.1 < point.size - result.plain(point.design).size < high + 0.1


@pytest.mark.parametrize("design", Design)
def test_numbers_of_branches_taken_are_sums_of_coins(design):
    stack = residual_stack(load("skip_connections").Config(), design, 1.0)
    distribution = branch_distribution(stack)
    shares = [gamma**2 / (1 + gamma**2) for gamma in stack.branch_gains()]
    numbers = np.arange(8)
    assert distribution.sum() == pytest.approx(1)
    assert distribution @ numbers == pytest.approx(sum(shares))
    variance = distribution @ numbers**2 - (distribution @ numbers) ** 2
    assert variance == pytest.approx(sum(share * (1 - share) for share in shares))
    plain = residual_stack(load("skip_connections").Config(), design, None)
    assert branch_distribution(plain).tolist() == [0, 0, 0, 0, 0, 0, 0, 1]
