import io
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import nn
from torchvision import models

from erf import InvalidInput, effective_receptive_field, erf_size, measure, theoretical_receptive_field
from erf.command.network_source import Source, make_network
from erf.data.noise import NoiseImages
from erf.maps.statistic import Statistic
from erf.metrics.erf_size import Reference
from erf.seeds import derive
from erf.training.batch_norm import calibrate_batch_norm_
from experiments.architectures import experiment as architectures
from experiments.architectures.experiment import CALIBRATION, Config, run, summary
from experiments.architectures.families import ARCHITECTURES
from experiments.harness.experiment import load
from experiments.harness.intervals import mean_interval
from tests.experiments.architectures.shown import shown
from tests.experiments.list_logbook import ListLogbook
from tests.figures import assert_shows

SMALL = {"networks": ["shufflenet_v2_x1_0"], "draws": 2, "samples": 1, "input_size": 64}


def measured(**settings):
    return run(Config(**SMALL | settings), ListLogbook())


def weightless(name):
    settings = {"init_weights": False} if name == "googlenet" else {}
    with torch.device("cpu" if name.startswith("regnet") else "meta"):  # RegNet computes its widths by tensors
        return models.get_model(name, **settings)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_stages_of_every_network_are_modules_of_it(name):
    assert {*ARCHITECTURES[name].layers} <= {name for name, _ in weightless(name).named_modules()}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in ("resnet18", "vit_b_16") else pytest.mark.slow) for name in ARCHITECTURES],
)
def test_the_stages_of_every_network_follow_each_other(name):
    network = weightless(name)
    fields = theoretical_receptive_field(network, (224, 224), list(ARCHITECTURES[name].layers))
    sizes = [field.size[0] for field in fields.values()]
    grids = [field.grid[0] for field in fields.values()]
    assert sizes == sorted(sizes)
    assert grids == sorted(grids, reverse=True)
    assert len(sizes) >= 3


@pytest.fixture(scope="module")
def calibrated():
    return measured(samples=2)


def test_each_draw_has_its_own_weights_and_images_and_is_calibrated(calibrated):
    for draw in range(2):
        seed = derive(0, draw)
        network = make_network(Source.torchvision, "shufflenet_v2_x1_0", seed=seed)
        noise = partial(NoiseImages, "normal", (3, 64, 64))
        calibrate_batch_norm_(network, noise(CALIBRATION, derive(seed, 1), CALIBRATION))
        maps = effective_receptive_field(network, noise(2, seed), ["stage2", "stage3", "stage4"], seed=seed)
        for stage in calibrated.stages:
            assert stage.sizes[draw] == pytest.approx(erf_size(maps[stage.layer]), rel=0.02)
    for stage in calibrated.stages:
        assert stage.size == np.mean(stage.sizes)
        assert stage.interval == mean_interval(stage.sizes)
    assert len({stage.sizes for stage in calibrated.stages}) == 3


def test_without_calibration_batch_norm_is_the_identity(calibrated):
    network = make_network(Source.torchvision, "shufflenet_v2_x1_0", seed=derive(0, 0))
    images = NoiseImages("normal", (3, 64, 64), 1, derive(0, 0))
    expected = erf_size(effective_receptive_field(network, images, "stage2", seed=derive(0, 0)))
    identity = measured(batch_norm=architectures.BatchNorm.identity, draws=1).stages[0].sizes[0]
    assert identity == pytest.approx(expected, rel=0.02)
    assert calibrated.stages[0].sizes[0] > 1.2 * identity


def test_depth_counts_the_convolutions_and_linear_layers_called_so_far():
    network = nn.Sequential(
        nn.Conv2d(3, 3, 1), nn.Sequential(nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1)), nn.Linear(6, 2)
    )
    fields = theoretical_receptive_field(network, 8, ["1", "1.0", "2"])
    assert [architectures._depth(network, field) for field in fields.values()] == [3, 2, 4]


def test_depth_of_networks_that_are_known_by_it():
    for name, depth in (("alexnet", 5), ("resnet18", 20), ("resnet50", 53), ("densenet121", 120)):
        with torch.device("meta"):
            network = models.get_model(name)
        field = theoretical_receptive_field(network, 64, ARCHITECTURES[name].layers[-1])
        assert architectures._depth(network, field) == depth


def stage_of(kernel, padding):
    """Return what is kept of a convolution's output on 5 x 5 pixels; its weights are those of ``kernel``."""
    network = nn.Conv2d(1, 1, len(kernel), padding=padding, bias=False)
    with torch.no_grad():
        network.weight[0, 0] = torch.tensor(kernel)
    (layer,) = measure(network, torch.ones(1, 1, 5, 5)).layers
    return architectures._drawn_stage(layer, 1)


def test_a_size_has_its_reference_and_says_whether_it_is_that_of_the_part_inside():
    inside = np.ones((3, 3))
    assert stage_of(inside, 1) == architectures.DrawnStage("output", 1, 3, 3, Reference.center, False, ())
    inside[1, 1] = 0
    stage = stage_of(inside, 1)
    assert (stage.size, stage.reference) == (8**0.5, Reference.peak)
    around = np.zeros((7, 7))
    around[2:5, 2:5] = 1
    assert not stage_of(around, 3).cut
    for edge in ((1, 3), (5, 3), (3, 1), (3, 5)):
        reached = around.copy()
        reached[edge] = 0.05
        assert stage_of(reached, 3).cut
        reached[edge] = 0.04
        assert not stage_of(reached, 3).cut
    stage = stage_of(np.zeros((3, 3)), 1)
    assert stage.size is None
    assert not stage.cut


def test_a_draw_without_any_influence_has_no_size_and_the_others_count():
    def draw_of(sizes, findings):
        places = zip("abc", [1, 2, 3], [3.0, 5.0, np.inf], sizes, [Reference.center, Reference.center, Reference.peak],
                     [False, False, True], [(), (), findings], strict=True)  # fmt: skip
        return architectures.Draw(tuple(architectures.DrawnStage(*place) for place in places), np.ones((2, 2)))

    draw, other = draw_of([2.0, None, 4.0], ("a", "b")), draw_of([3.0, None, 5.0], ("b", "c"))
    first, second, third = architectures._stages_of("shufflenet_v2_x1_0", [draw, other])
    assert (first.layer, second.layer, third.layer) == ("a", "b", "c")
    assert (first.sizes, first.size, first.ratio) == ((2, 3), 2.5, 2.5 / 3)
    assert (second.sizes, second.size, second.interval, second.ratio) == ((), None, None, None)
    assert (third.trf_size, third.ratio, third.reference, third.cut) == (None, None, "peak", True)
    assert third.findings == ("a", "b", "c")


def printed(result):
    out = io.StringIO()
    Console(file=out, width=300).print(summary(result))
    return out.getvalue()


@pytest.fixture(scope="module")
def families():
    """Networks with finite and infinite TRFs, and one whose branches are scaled by next to nothing."""
    return measured(networks=["mobilenet_v3_large", "convnext_tiny", "shufflenet_v2_x1_0"], draws=1)


def test_infinite_fields_and_silent_branches_are_told(families):
    text = printed(families)
    assert "mobilenet_v3_large: module 'features.4.block.2.avgpool' spans the image" in text
    assert "convnext_tiny: weights near zero" in text
    assert " inf " in text
    for stage in families.of_network("convnext_tiny"):
        assert stage.size < 0.1 * stage.trf_size


def test_sizes_that_the_image_limits_are_bounds_and_no_table_is_cut_at_80_columns(families):
    stages = [replace(families.stages[0], network="regnet_x_400mf", layer="trunk_output.block4", cut=True)]
    stages += [replace(stage, cut=False) for stage in families.stages[1:]]
    out = io.StringIO()
    Console(file=out, width=80).print(summary(replace(families, stages=(*families.stages, *stages))))
    text = " ".join(out.getvalue().split())
    assert "…" not in text
    assert "trunk_output.block4" in text
    assert f"≥ {stages[0].size:.1f}" in text
    assert "≥: the image ends before the ERF does" in text
    assert "≥" not in printed(replace(families, stages=tuple(replace(one, cut=False) for one in families.stages)))


def test_the_networks_are_listed_by_the_size_of_their_last_stage(families):
    table = printed(families).partition("by ERF size")[2]
    order = sorted(families.config.networks, key=lambda network: families.of_network(network)[-1].size)
    assert order != families.config.networks
    assert sorted(order, key=table.index) == order


def test_infinite_fields_are_drawn_beyond_the_finite_ones_and_reached_borders_hollow(families):
    against_trf, against_depth, *_ = load("architectures").draw(families).axes
    largest = max(stage.trf_size for stage in families.stages if stage.trf_size)
    points = {
        (line.get_xdata()[0], line.get_ydata()[0]): line.get_markerfacecolor()
        for line in against_trf.lines
        if len(line.get_xdata()) == 1 and line.get_linestyle() == "None"
    }
    drawn = {round(y, 6): (x, face) for (x, y), face in points.items()}
    for stage in families.stages:
        x, face = drawn[round(stage.size, 6)]
        assert (x == stage.trf_size) if stage.trf_size else (x > largest)
        assert (face == "white") == stage.cut
    assert {stage.cut for stage in families.stages} == {True, False}
    assert [label.get_text() for label in against_trf.get_xticklabels()][-1] == "∞"
    assert against_depth.get_xlabel().startswith("depth")


def test_a_network_without_listed_stages_is_measured_at_its_resolutions():
    result = measured(networks=["shufflenet_v2_x0_5", "shufflenet_v2_x1_0"], draws=1)
    unlisted = result.of_network("shufflenet_v2_x0_5")
    assert [stage.layer for stage in unlisted] == ["maxpool", "stage2", "stage3", "conv5"]
    assert [stage.trf_size for stage in unlisted] == [7, 63, 303, 527]
    assert [stage.layer for stage in result.of_network("shufflenet_v2_x1_0")] == ["stage2", "stage3", "stage4"]
    assert_shows(load("architectures").draw(result), shown(result))


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        ({"networks": ["resnet5"]}, ["'resnet5'", "nearest: resnet50", "allowed: alexnet"]),
        ({"networks": ["resnet18", "fcn_resnet50"]}, ["'fcn_resnet50'", "nearest: "]),  # no classification model
        ({"networks": []}, ["networks"]),
        ({"networks": ["resnet18", "resnet18"]}, ["networks", "different"]),
        ({"draws": 0}, ["draws=0"]),
        ({"samples": 0}, ["samples=0"]),
        ({"batch_size": 0}, ["batch_size=0"]),
        ({"input_size": 63}, ["input_size=63"]),
        ({"statistic": Statistic.signed_mean}, ["signed_mean", "mean_abs"]),
    ],
)
def test_a_value_that_is_not_allowed_is_named(settings, parts):
    with pytest.raises(InvalidInput) as caught:
        Config(**settings)
    for part in parts:
        assert part in str(caught.value)
