"""Sizes before training are those that trainings begin with, and a specification compares like with like."""

import math
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.text import Text
from torch import nn

from erf import InvalidInput
from erf.networks import camvid_frontend, cifar_resnet
from erf.networks.camvid_frontend import CamvidFrontend
from erf.networks.cifar_resnet import CifarResNet
from erf.networks.start import Start, start_
from experiments.cifar10 import experiment as cifar10
from experiments.growth_start import config as growth_start
from experiments.growth_start.closed_form import closed_form_sigma
from experiments.growth_start.experiment import Case, Config, cases, run
from experiments.growth_start.figure import draw
from experiments.harness.environment import Environment
from experiments.harness.record import write_record
from experiments.trainings.growth_result import SIZES
from tests.experiments.list_logbook import ListLogbook
from tests.experiments.toy_data import toy_data

TOY = {
    "data_dir": str(toy_data()), "partial_data": True, "seeds": 2, "camvid_widths": [4], "cifar10_widths": [4],
    "camvid_images": 2, "cifar10_images": 3, "calibration": 1, "batch_size": 2,
}  # fmt: skip
TRAINING = {
    "data_dir": str(toy_data()), "partial_data": True, "width": 4, "epochs": 2, "batch_size": 2, "images": 3,
    "grid": 1, "bootstrap": 20, "calibration": 1,
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def few_layers():
    """Measure shallower networks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(camvid_frontend, "BLOCKS", (1, 1, 1, 1))
        patch.setattr(cifar_resnet, "BLOCKS", 2)
        patch.setattr(CifarResNet, "layers", ("stem", "top"))
        yield


@pytest.fixture(scope="module")
def trainings():
    """Two trainings, of one seed each, as cifar10 records them, and what they logged."""
    logbooks = [ListLogbook(), ListLogbook()]
    settings = [{"seed": 0}, {"seed": 1, "start": Start.small_gain, "gain": 0.25}]
    return [
        (cifar10.run(cifar10.Config(**TRAINING | own), logbook), logbook)
        for own, logbook in zip(settings, logbooks, strict=True)
    ]


@pytest.fixture
def recorded(trainings, tmp_path, monkeypatch):
    """Make these trainings the recorded ones."""
    monkeypatch.setattr(growth_start, "REFERENCE", tmp_path)
    for name, (result, logbook) in zip(("unit", "small"), trainings, strict=True):
        (tmp_path / name).mkdir()
        write_record(tmp_path / name, result, Environment.now("cpu"))
        (tmp_path / name / "weights.safetensors").write_bytes(logbook.attached["weights.safetensors"])
    return tmp_path


def untrained(result, **case):
    (one_start,) = (
        one for one in result.untrained if all(getattr(one.case, key) == value for key, value in case.items())
    )
    return one_start


def test_a_start_is_measured_as_the_training_that_begins_there(trainings):
    small = Config(**TOY | {"seeds": 2}, starts=[Start.unit_gain, Start.small_gain], gains=[0.25], trained=[])
    result = run(small, ListLogbook())
    for seed, (start, (training, _)) in enumerate(zip((Start.unit_gain, Start.small_gain), trainings, strict=True)):
        measures, one = training.trajectory[0].measures, untrained(result, data_set="cifar10", start=start)
        assert {size: sizes[seed] for size, sizes in one.sizes.items()} == pytest.approx(
            {
                "averaged_size": measures.averaged_size, "erf_size": training.erf_size_before,
                "half_height_size": measures.half_height_size, "r50": measures.r50, "r95": measures.r95,
                "sigma_rows": measures.sigma[0], "sigma_columns": measures.sigma[1],
            },
            rel=1e-4,
        )  # fmt: skip
        assert one.mean_square_sigmas[seed] == pytest.approx(np.mean(measures.mean_square_sigma), rel=1e-4)


def test_fresh_batch_norm_is_told_apart(trainings):
    settings = TOY | {"seeds": 1, "starts": [Start.framework_default, Start.small_branches], "trained": []}
    result = run(Config(**settings), ListLogbook())
    texts = [(one.case.network, one.text) for one in result.untrained]
    starts = ["framework_default", "framework_default, fresh", "small_branches"]
    assert texts == [(network, start) for network in ("camvid_4", "cifar10_4") for start in starts]
    for calibrated, fresh in [result.untrained[:2], result.untrained[3:5]]:
        assert calibrated.sizes != fresh.sizes
    assert not any("fresh" in name for name in [*result.arrays, *result.metrics()])


def test_specifications_hold_what_the_training_itself_found(trainings, recorded):
    config = Config(**TOY | {"seeds": 1, "starts": [Start.unit_gain], "trained": ["unit", "small"]})
    result = run(config, ListLogbook())
    assert len(result.specifications) == 2 * len(SIZES) * 3 * 2
    for seed, (training, _) in enumerate(trainings):
        own = [one for one in result.specifications if one.seed == seed]
        assert {one.start for one in own} == {["unit_gain", "small_gain_0.25"][seed]}
        plain = {one.size: one for one in own if (one.statistic, one.aggregation) == ("mean_abs", "random_sign")}
        for when, epoch in (("before", 0), ("after", training.best_epoch)):
            measures = training.trajectory[epoch].measures
            expected = (measures.averaged_size, measures.r95, measures.sigma[1])
            sizes = [getattr(plain[size], when) for size in ("averaged_size", "r95", "sigma_columns")]
            assert sizes == pytest.approx(expected, rel=1e-2)  # its weights are kept in half precision
        square = {one.size: one for one in own if (one.statistic, one.aggregation) == ("mean_square", "random_sign")}
        measures = training.trajectory[training.best_epoch].measures
        assert square["averaged_size"].after == pytest.approx(measures.mean_square_size, rel=1e-2)
        assert square["sigma_rows"].after == pytest.approx(measures.mean_square_sigma[0], rel=1e-2)
        summed = {one.size: one for one in own if (one.statistic, one.aggregation) == ("mean_abs", "sum")}
        assert summed["sigma_rows"].before != plain["sigma_rows"].before
    assert all(one.factor == one.after / one.before for one in result.specifications)
    assert result.metrics()["share_agreeing"] == np.mean([one.factor > 1 for one in result.specifications])
    assert result.config.data_dir == "data"


def test_the_closed_form_stands_where_all_branches_are_0_and_nowhere_else():
    for network, variance in ((CifarResNet(4), 2 * 2 / 3), (CamvidFrontend([4] * 4), 2 / 3 * (1 + 1 + 4 + 16 + 64))):
        assert closed_form_sigma(network) is None
        assert closed_form_sigma(start_(network, Start.small_gain, 0.16)) is None
        assert closed_form_sigma(start_(network, Start.small_gain, 0.0)) == pytest.approx(math.sqrt(variance))
        nn.init.ones_(network.get_submodule("blocks.1" if isinstance(network, CifarResNet) else "stage2.1").norm2.bias)
        assert closed_form_sigma(network) is None
    assert closed_form_sigma(CifarResNet(4, batch_norm=False)) is None


def test_the_closed_form_is_what_is_measured():
    settings = TOY | {"camvid_widths": [16], "cifar10_widths": [32], "seeds": 4}
    result = run(Config(**settings, starts=[Start.small_gain], gains=[0.0], trained=[]), ListLogbook())
    for one in result.untrained:
        assert np.mean(one.mean_square_sigmas) == pytest.approx(one.closed_form_sigma, rel=0.05)


def test_every_network_has_every_start():
    config = Config(starts=[Start.unit_gain, Start.small_gain], gains=[0.5, 0.0], camvid_widths=[4, 8])
    some = cases(config)
    assert len(some) == 4 * 3
    assert some[1] == Case("camvid", 4, Start.small_gain, 0.5)
    training = config.training(some[1], 7)
    assert (training.widths, training.seed, training.images) == ([4, 8, 16, 32], 7, config.camvid_images)
    assert (training.start, training.gain) == (Start.small_gain, 0.5)


def test_text_in_the_figure_can_be_read(trainings, recorded):
    settings = TOY | {"seeds": 1, "starts": [Start.unit_gain, Start.small_gain], "trained": ["unit"]}
    result = run(Config(**settings), ListLogbook())
    figure = draw(result)
    figure.draw_without_rendering()
    assert figure.get_figwidth() == 6.75
    texts = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
    assert min(text.get_fontsize() for text in texts) >= 7
    assert "of 42 ways to measure" in figure.get_suptitle()
    labels = [label for axes in figure.axes for label in axes.get_yticklabels()]
    for text in [*figure.texts, *labels]:
        extent = text.get_window_extent()
        assert figure.bbox.x0 <= extent.x0 < extent.x1 <= figure.bbox.x1, text.get_text()


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"starts": []}, "starts"),
        ({"gains": [1.5]}, "gains=1.5"),
        ({"gains": [0.1, 0.1]}, "gains"),
        ({"seeds": 0}, "seeds"),
        ({"camvid_widths": [8, 0]}, "camvid_widths=0"),
        ({"cifar10_images": 1}, "cifar10_images"),
        ({"batch_size": 0}, "batch_size"),
        ({"aggregations": ["0"]}, "aggregations"),
    ],
)
def test_bad_settings_are_named(settings, named):
    with pytest.raises(InvalidInput, match=named):
        Config(**settings)


def test_trainings_that_cannot_be_asked_are_named(trainings, recorded):
    small = Config(**TOY, starts=[Start.unit_gain])
    with pytest.raises(InvalidInput, match=r"missing/result.json is missing"):
        replace(small, trained=["missing"]).files()
    (recorded / "unit" / "weights.safetensors").unlink()
    with pytest.raises(InvalidInput, match=r"trained=unit: .*weights.safetensors is missing"):
        replace(small, trained=["unit"]).files()
    result, _ = trainings[1]
    write_record(recorded / "small", replace(result, data="0" * 64), Environment.now("cpu"))
    with pytest.raises(InvalidInput, match="trained=small: it has learnt other data"):
        run(replace(small, trained=["small"]), ListLogbook())
    other = recorded / "other"
    other.mkdir()
    (other / "result.json").write_text('{"config": {"name": "kernels"}}')
    with pytest.raises(
        InvalidInput, match="trained=other is a record of kernels; allowed are those of camvid, cifar10"
    ):
        replace(small, trained=["other"]).files()
