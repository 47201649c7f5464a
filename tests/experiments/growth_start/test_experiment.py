"""Sizes before training are those that trainings begin with, and a specification compares like with like."""

import numpy as np
import pytest

from erf.networks import camvid_frontend, cifar_resnet
from erf.networks.cifar_resnet import CifarResNet
from erf.networks.start import Start
from experiments.cifar10 import experiment as cifar10
from experiments.growth_start import experiment as growth_start
from experiments.growth_start.experiment import Config, run
from experiments.growth_start.specifications import SIZES
from experiments.harness.record import Environment, write_record
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
        patch.setattr(cifar_resnet, "BLOCKS", 4)
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
    (found,) = (one for one in result.untrained if all(getattr(one.case, key) == value for key, value in case.items()))
    return found


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
    result = run(Config(**TOY, starts=[Start.framework_default, Start.small_branches], trained=[]), ListLogbook())
    texts = [(one.case.network, one.text) for one in result.untrained]
    starts = ["framework_default", "framework_default, fresh", "small_branches"]
    assert texts == [(network, start) for network in ("camvid_4", "cifar10_4") for start in starts]
    for calibrated, fresh in [result.untrained[:2], result.untrained[3:5]]:
        assert calibrated.sizes != fresh.sizes
    assert not any("fresh" in name for name in [*result.arrays, *result.metrics()])


def test_specifications_hold_what_the_training_itself_found(trainings, recorded):
    config = Config(**TOY, starts=[Start.unit_gain], trained=["unit", "small"])
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
