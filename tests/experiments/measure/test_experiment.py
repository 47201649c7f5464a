"""A measurement's numbers are those of the library, for each layer, unit and tool, and when it was interrupted."""

from functools import reduce

import msgspec
import numpy as np
import pytest
import torch
from torch import nn

from erf import InfluenceMap, compare, effective_receptive_field, erf_size, theoretical_receptive_field
from erf.command.network_source import Source, make_network
from erf.compatibility import compatible_map, replknet_area_ratio, replknet_scores
from erf.data.noise import NoiseImages
from erf.maps.precision import Precision
from erf.metrics.jackknife import jackknife
from experiments.harness.experiment import load
from experiments.measure import experiment as measure
from experiments.measure.experiment import run
from tests.experiments import toy_networks
from tests.experiments.list_logbook import ListLogbook
from tests.experiments.measure.toy_measurements import FILE, LAYERS, config, measured, printed


def test_the_table_joins_what_the_library_says_of_each_layer():
    result = measured(samples=23, batch_size=2, seed=4)
    network = make_network(Source.file, f"{FILE}:make", seed=4)
    images = torch.cat(list(NoiseImages("normal", (3, 24, 24), 23, seed=4)))
    maps = effective_receptive_field(network, images, layer=LAYERS, seed=4)
    for layer in result.layers:
        imap = maps[layer.name]
        expected = compare(theoretical_receptive_field(network, (24, 24), layer.name), imap)
        drawn = result.arrays[f"map/{layer.name}"]
        np.testing.assert_allclose(drawn, imap.values, rtol=1e-4, atol=1e-7 * imap.values.max())
        assert layer.trf_size == expected.trf_size
        assert layer.erf_size == pytest.approx(expected.erf_size)
        for name in ("ratio", "sigma", "r50", "r95", "r_squared"):
            assert getattr(layer, name) == pytest.approx(getattr(expected, name), rel=1e-3)
        assert (layer.clipped, layer.effective_stride) == (expected.clipped, expected.effective_stride)
        assert (layer.samples, layer.skipped) == (23, 0)
    assert [layer.name for layer in result.layers] == LAYERS
    assert [layer.trf_size for layer in result.layers] == [(9, 9), (19, 19)]


def test_layers_come_in_the_order_asked_for():
    assert [layer.name for layer in measured(layers=["10", "0", "7"]).layers] == ["10", "0", "7"]


@pytest.mark.parametrize(("samples", "groups"), [(1, 1), (3, 3), (10, 10), (11, 6), (37, 10)])
def test_groups_hold_every_image_once_and_in_order(samples, groups, monkeypatch):
    seen = []

    def note(self, images, first, *_):
        for batch in images:
            seen.extend(enumerate(batch, first))
            first += len(batch)
        return dict.fromkeys(LAYERS, InfluenceMap(np.ones((24, 24)), config().statistic, (0, 0), ((0, 1), (0, 1)), 1))

    monkeypatch.setattr(measure.UnitsOf, "maps", note)
    chosen = config(samples=samples, batch_size=3)
    units = measure.UnitsOf(make_network(chosen.source, chosen.network), LAYERS, None, (24, 24), 3, "eval")
    measured_groups = list(measure._groups(chosen, units, measure._images(chosen), ListLogbook()))
    assert len(measured_groups) == groups
    assert [index for index, _ in seen] == list(range(samples))
    expected = torch.cat(list(NoiseImages("normal", (3, 24, 24), samples)))
    assert torch.equal(torch.stack([image for _, image in seen]), expected)


def test_an_interrupted_measurement_goes_on_with_the_images_it_had_not_seen():
    logbook = ListLogbook()
    expected = run(config(samples=12), logbook)
    done = {name: logbook.kept[name] for name in ("images-0", "images-1", "images-3")}
    resumed = run(config(samples=12), ListLogbook(done))
    assert resumed.layers == expected.layers


def test_an_interrupted_measurement_in_bfloat16_goes_on_as_such():
    logbook = ListLogbook()
    expected = run(config(samples=12, precision=Precision.bfloat16), logbook)
    done = {name: logbook.kept[name] for name in ("images-0", "images-1", "images-3")}
    assert run(config(samples=12, precision=Precision.bfloat16), ListLogbook(done)).layers == expected.layers
    for layer, own in zip(expected.layers, measured(samples=12).layers, strict=True):
        assert sum("run in bfloat16" in note for note in layer.diagnostics) == 1
        assert layer.sigma == pytest.approx(own.sigma, rel=0.02)
        assert layer.sigma != own.sigma


def test_the_folder_of_the_network_s_own_precision_is_called_as_before():
    settings = msgspec.to_builtins(config())
    assert "precision" not in config().of_0_1(settings)
    assert config().of_0_1(settings | {"precision": "bfloat16"})["precision"] == "bfloat16"


def test_the_interval_is_over_images():
    logbook = ListLogbook()
    result = run(config(samples=10), logbook)
    groups = [logbook.once(name, dict[str, InfluenceMap], None) for name in logbook.kept]
    for layer in result.layers:
        maps = [group[layer.name] for group in groups]
        assert len(maps) == 10
        assert layer.interval == jackknife(maps, erf_size).interval
        assert layer.interval[0] <= layer.erf_size <= layer.interval[1]
        assert erf_size(reduce(InfluenceMap.merge, maps)) == layer.erf_size
    assert result.layers[1].interval[0] < result.layers[1].interval[1]
    assert measured(samples=1).layers[1].interval is None


def test_without_layers_it_is_the_networks_own_output():
    (output,) = measured(layers=[]).layers
    assert output.name == "output"
    assert output.erf_size == measured(layers=["10"]).layers[0].erf_size


def test_where_layers_are_not_named_the_default_ones_are_measured_and_the_record_says_so():
    result = measured(layers=None)
    assert [layer.name for layer in result.layers] == LAYERS
    assert result.config.layers is None
    assert [layer.erf_size for layer in result.layers] == [layer.erf_size for layer in measured().layers]
    assert [layer.name for layer in measured("alone", layers=None).layers] == ["output"]


def test_one_unit_of_every_layer_can_be_chosen():
    fields = theoretical_receptive_field(make_network(Source.file, f"{FILE}:make"), (24, 24), LAYERS, (2, 5))
    for layer in measured(unit=[2, 5]).layers:
        assert layer.unit == (2, 5)
        assert (layer.box, layer.center) == (fields[layer.name].box, fields[layer.name].center)


def test_several_units_are_measured_at_once():
    several = measured(unit=[[2, 5], [3, 3]])
    assert [layer.name for layer in several.layers] == ["7@2,5", "7@3,3", "10@2,5", "10@3,3"]
    one = {layer.name: layer for layer in measured(unit=[3, 3]).layers}
    for layer in several.layers:
        name, at = layer.name.split("@")
        assert ",".join(map(str, layer.unit)) == at
        if layer.unit == (3, 3):
            assert (layer.box, layer.erf_size) == (one[name].box, one[name].erf_size)
    assert [layer.name for layer in measured(unit=[[3, 3]], layers=[]).layers] == ["output@3,3"]


@pytest.mark.parametrize("given", [24, [24], [24, 24], [24, 32], [3, 8, 9]])
def test_an_input_size_is_one_number_or_one_for_each_axis(given):
    assert config(input_size=given).input_size == ([24, 24] if given == 24 else given)


def test_video_has_maps_over_frames_rows_and_columns():
    result = measured("video", layers=["2"], input_size=[5, 16, 12])
    (layer,) = result.layers
    assert layer.trf_size == (3, 5, 5)
    assert result.arrays["map/2"].shape == (5, 16, 12)
    imap, _ = result.picture(layer)
    assert imap.values.shape == (16, 12)
    np.testing.assert_allclose(imap.values.sum(), result.arrays["map/2"].astype(float).sum())
    (axes, *_) = load("measure").draw(result).axes
    assert axes.images[0].get_array().shape == (16, 12)


def test_weights_of_a_file_are_measured(tmp_path):
    network = toy_networks.make()
    for weight in network.parameters():
        nn.init.constant_(weight, 1 / 9)
    torch.save(network.state_dict(), tmp_path / "flat.pt")
    values = measured(weights=str(tmp_path / "flat.pt"), layers=["0"], aggregation=0).arrays["map/0"]
    np.testing.assert_allclose(values[values > 0], np.full(9, 1 / 9), rtol=1e-6)


def test_modes_as_they_are_join_all_pixels_by_the_batchs_statistics():
    settings = {"function": "normalized", "layers": ["1"], "samples": 20}
    assert measured(**settings).layers[0].trf_size == (3, 3)
    assert measured(**settings, mode="as_is").layers[0].trf_size == (None, None)


@pytest.mark.parametrize("tool", ["openerf", "replknet"])
def test_another_tools_map_stands_beside_ours(tool):
    result = measured(samples=12, compatibility=measure.Compatibility(tool))
    network = make_network(Source.file, f"{FILE}:make")
    images = NoiseImages("normal", (3, 24, 24), 12)
    for name, expected in compatible_map(network, images, LAYERS, tool).items():
        np.testing.assert_allclose(result.arrays[f"{tool}/{name}"], expected, rtol=1e-5, atol=1e-8)
    ours = measured(samples=12)
    assert [layer.erf_size for layer in result.layers] == [layer.erf_size for layer in ours.layers]
    panels = [axes for axes in load("measure").draw(result).axes if axes.images]
    assert len(panels) == 4
    assert panels[2].get_title().startswith(f"7 by {tool}")


def test_replknets_area_ratios_are_those_of_its_rules():
    result = measured(compatibility=measure.Compatibility.replknet)
    for layer in result.layers:
        scores = result.arrays[f"replknet/{layer.name}"]
        for mass, ratio in layer.area_ratios:
            expected = replknet_area_ratio(scores, mass)
            assert ratio == (expected and expected.area_ratio)
        assert [mass for mass, _ in layer.area_ratios] == [0.2, 0.3, 0.5, 0.99]
    assert "7: RepLKNet's share of the scores, and the share of the image that holds it: 20 % in" in printed(result)
    last = [axes for axes in load("measure").draw(result).axes if axes.images][3]
    np.testing.assert_allclose(last.images[0].get_array(), replknet_scores(result.arrays["replknet/10"].astype(float)))
    assert measured("Dead", layers=[], compatibility=measure.Compatibility.replknet).layers[0].area_ratios == ()


def test_the_networks_own_output_has_another_tools_map_too():
    result = measured(layers=[], compatibility=measure.Compatibility.openerf)
    assert result.arrays["openerf/output"].sum() == pytest.approx(1)


def test_a_layer_without_rows_and_columns_has_one_unit():
    (layer,) = measured("classifier", layers=[]).layers
    assert (layer.grid, layer.trf_size, layer.box) == ((), (None, None), ((0, 24), (0, 24)))
    assert layer.samples > 0
