import io
import sys
from dataclasses import replace
from functools import reduce
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from torch import nn

from erf import InfluenceMap, InvalidInput, compare, effective_receptive_field, erf_size, theoretical_receptive_field
from erf.command.network_source import Source, make_network
from erf.compatibility import compatible_map, replknet_area_ratio, replknet_scores
from erf.data.noise import NoiseImages
from erf.data.pictures import Pictures
from erf.layers.numbers import ratio_text
from erf.maps.precision import Precision
from erf.maps.statistic import Statistic
from erf.metrics.jackknife import jackknife
from experiments.harness.cli import USERS_ERRORS, config_of, main, one_line
from experiments.harness.experiment import load
from experiments.harness.record import read_record
from experiments.measure import experiment as measure
from experiments.measure.config import Config
from experiments.measure.experiment import Compatibility, run, summary
from experiments.measure.layer import layer_notes
from tests.experiments import toy_networks
from tests.experiments.list_logbook import ListLogbook
from tests.experiments.measure.shown import shown
from tests.figures import assert_shows

FILE = toy_networks.__file__
LAYERS = ["7", "10"]


def config(function="make", **settings):
    return Config(
        **{"source": Source.file, "network": f"{FILE}:{function}", "layers": LAYERS, "input_size": 24} | settings
    )


RESULTS = {}


def measured(function="make", **settings):
    """Return a result that is only looked at; the same one for the same settings."""
    key = (function, repr(sorted(settings.items())))
    if key not in RESULTS:
        RESULTS[key] = run(config(function, **settings), ListLogbook())
    return RESULTS[key]


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


def test_a_network_of_one_axis_is_measured_by_the_command(elsewhere, capsys):
    command = [*OWN, f"network={FILE}:signal", "input_size=[2048]", "channels=1", "layers=[0,2,3]"]
    assert main(command) == 0
    assert "inf (local 13)" in capsys.readouterr().out
    (folder,) = Path("results/runs/measure").iterdir()
    result = read_record(folder, measure.Result)
    assert [layer.trf_size for layer in result.layers] == [(5,), (13,), (None,)]
    network = make_network(Source.file, f"{FILE}:signal")
    images = torch.cat(list(NoiseImages("normal", (1, 2048), 2)))
    for name, imap in effective_receptive_field(network, images, layer=["0", "2", "3"]).items():
        np.testing.assert_allclose(result.arrays[f"map/{name}"], imap.values, rtol=1e-4, atol=1e-6)
    assert (folder / "measure.png").exists()


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


def printed(result):
    out = io.StringIO()
    Console(file=out, width=300).print(summary(result))
    return out.getvalue()


def test_what_the_reader_must_know_stands_below_the_table():
    assert "2: module '1' spans the image along axes 0 and 1: the TRF is infinite" in printed(
        measured("with_attention", layers=["2"])
    )
    holes = measured("Holes", layers=[])
    assert holes.layers[0].reference == "peak"
    assert "output: the ERF size is relative to the peak" in printed(holes)
    cut = printed(measured(input_size=9, layers=["10"]))
    assert "10: the ERF leaves the image" in cut
    (clipped,) = measured(input_size=9, layers=["10"]).layers
    assert not any("ERF leaves" in note for note in layer_notes(replace(clipped, cut=(False, False))))
    plain = printed(measured(samples=1))
    assert not any(part in plain for part in ("infinite", "peak", "leaves"))


def test_the_local_field_stands_beside_an_infinite_one():
    result = measured("with_attention", layers=["0", "1", "2"])
    assert [layer.local_size for layer in result.layers] == [(3, 3), (3, 3), (5, 5)]
    table = printed(result)
    assert "inf (local 5)" in table
    assert "held constant" not in table  # which would say it again
    assert "(local 3)" in load("measure").draw(result).axes[1].get_title()
    (logits,) = measured("pooled", layers=[]).layers
    assert (logits.trf_size, logits.local_size) == ((None, None), (None, None))
    assert not any("local" in note for note in layer_notes(logits))


def test_what_is_assumed_of_a_field_is_recorded_and_printed():
    result = measured("assumed", layers=[])
    (layer,) = result.layers
    expected = theoretical_receptive_field(toy_networks.assumed(), (24, 24)).assumptions
    assert layer.assumptions == expected != ()
    assert all(f"output: assumed: {sentence}" in printed(result) for sentence in expected)


def test_the_ratio_of_an_erf_that_the_image_cuts_off_is_a_lower_bound():
    (cut,) = measured(input_size=9, layers=["10"]).layers
    assert f"≥ {cut.ratio:.3f}" in printed(measured(input_size=9, layers=["10"]))
    assert "its ratio is a lower bound for the same reason" in layer_notes(cut)
    inside = measured(layers=["10"])
    assert "≥" not in printed(inside)
    assert not any("ratio" in note for note in layer_notes(inside.layers[0]))
    ends_inside = replace(cut, cut=(False, False))
    assert "the ERF ends inside the image" in " ".join(layer_notes(ends_inside))
    assert ratio_text(ends_inside, 2) == f"{cut.ratio:.2f}"


def test_a_record_of_before_says_nothing_of_local_sizes():
    result = measured("with_attention", layers=["2"])
    old = msgspec.to_builtins(replace(result, arrays={}))
    for layer in old["layers"]:
        del layer["local_size"], layer["assumptions"]
    read = msgspec.convert(old, type(result))
    assert "local" not in printed(read)
    assert " inf " in printed(read)


def test_a_map_without_any_influence_is_a_stated_result():
    result = measured("Dead", layers=[])
    (layer,) = result.layers
    assert (layer.samples, layer.skipped, layer.erf_size, layer.interval) == (0, 8, None, None)
    assert " - " in printed(result)
    assert load("measure").draw(result).axes


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


@pytest.fixture
def pictures(tmp_path):
    """Six pictures, one of which is truncated."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for index in range(6):
        Image.fromarray(rng.integers(0, 255, (40, 50, 3), dtype=np.uint8)).save(folder / f"{index}.png")
    return folder


def test_pictures_of_a_folder_are_measured(pictures):
    result = measured(images=str(pictures), samples=100)
    network = make_network(Source.file, f"{FILE}:make")
    maps = effective_receptive_field(network, Pictures(pictures, (24, 24)), layer=LAYERS)
    assert [layer.samples for layer in result.layers] == [6, 6]
    for layer in result.layers:
        assert layer.erf_size == erf_size(maps[layer.name])
    assert [layer.samples for layer in measured(images=str(pictures), samples=4).layers] == [4, 4]
    assert "6 x pictures" in load("measure").draw(result).get_label()


def test_pictures_are_normalized_by_the_mean_and_std_given(pictures):
    result = measured(images=str(pictures), mean=[0.5, 0.4, 0.3], std=[0.1, 0.5, 2.0])
    network = make_network(Source.file, f"{FILE}:make")
    images = Pictures(pictures, (24, 24), mean=(0.5, 0.4, 0.3), std=(0.1, 0.5, 2.0))
    maps = effective_receptive_field(network, images, layer=LAYERS)
    plain = measured(images=str(pictures))
    for layer in result.layers:
        drawn = result.arrays[f"map/{layer.name}"]
        np.testing.assert_allclose(drawn, maps[layer.name].values, rtol=1e-4, atol=1e-6)
        assert not np.allclose(drawn, plain.arrays[f"map/{layer.name}"], rtol=1e-3)


def test_a_truncated_picture_is_an_error_or_is_left_out_and_named(pictures):
    damaged = pictures / "3.png"
    damaged.write_bytes(damaged.read_bytes()[:200])
    with pytest.raises(InvalidInput, match=r"3\.png cannot be read"):
        measured(images=str(pictures))
    result = measured(images=str(pictures), unreadable="skip")
    assert result.unreadable == (str(damaged),)
    assert [layer.samples for layer in result.layers] == [5, 5]
    assert f"left out, because they cannot be read: {damaged}" in printed(result)


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Run in an empty folder; main changes the process's arguments and environment, which end with the test."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["run.py"])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    return folder


MEASURE = "experiment=measure"


def test_a_layer_without_rows_and_columns_has_one_unit():
    (layer,) = measured("classifier", layers=[]).layers
    assert (layer.grid, layer.trf_size, layer.box) == ((), (None, None), ((0, 24), (0, 24)))
    assert layer.samples > 0


OWN = [MEASURE, "source=file", "input_size=24", "samples=2"]


def own(function, layers="[7,10]"):
    return [*OWN, f"network={FILE}:{function}", f"layers={layers}"]


def in_words(value):
    return " ".join(value).replace(FILE, "toy.py") if isinstance(value, list) else None


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ([MEASURE, "network=resnet5O"], ["resnet5O", "nearest names", "resnet50"]),
        ([MEASURE, "layers=[layer9]"], ["'layer9'", "nearest names", "layer4"]),
        ([MEASURE, "unit=[500,3]"], ["(500, 3)", "'layer1'", "(56, 56)"]),
        pytest.param([MEASURE, "unit=[1]"], ["unit (1,)", "(56, 56)"], marks=pytest.mark.slow),
        pytest.param([MEASURE, "unit=[[1,1],[500,3]]"], ["(500, 3)", "'layer1'", "(56, 56)"], marks=pytest.mark.slow),
        pytest.param(
            [MEASURE, "input_size=[2,64,64]"], ["does not run on an input [N, 3, 2, 64, 64]"], marks=pytest.mark.slow
        ),
        ([MEASURE, "channels=1"], ["does not run on an input [N, 1, 224, 224]"]),
        ([MEASURE, "images=nowhere"], ["images=nowhere", "noise"]),
        ([MEASURE, "images=."], ["no picture", ".png"]),
        ([MEASURE, "weights=nowhere.pt"], ["weights=nowhere.pt", "no such file"]),
        pytest.param([MEASURE, "weights=weights.bin"], ["weights=weights.bin", ".safetensors"], marks=pytest.mark.slow),
        ([MEASURE, "aggregation=64", "input_size=32"], ["aggregation=64", "0 to 63"]),
        ([MEASURE, "device=cuda:99"], ["device", "cpu"]),
        ([MEASURE, f"images={300 * 'x'}"], ["images=", "there is no such folder"]),
        (own("nothing"), ["no function or class of this name", "make"]),
        pytest.param(own("make", "[70]"), ["'70'", "nearest names"], marks=pytest.mark.slow),
        (own("TwoOutputs", "[]"), ["2 outputs", "name a layer"]),
        ([*OWN, "network=nowhere.py:make"], ["no file nowhere.py"]),
        ([MEASURE, "samples=0"], ["samples=0"]),
        ([MEASURE, "mode=train"], ["mode", "as_is"]),
    ],
    ids=in_words,
)
def test_what_cannot_be_measured_is_one_line_and_leaves_no_folder(arguments, parts, elsewhere, capsys):
    assert main(arguments) == 1
    out, error = capsys.readouterr()
    assert out == ""
    (line,) = error.splitlines()
    assert line.startswith("error: ")
    for part in parts:
        assert part in line
    assert [path for path in elsewhere.rglob("*") if path.name not in ("results", "runs", "measure")] == []


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ([MEASURE, "layers=[layer1,layer1]"], ["layers=[layer1,layer1]", "twice"]),
        ([MEASURE, "layers=layer1"], ["layers"]),
        ([MEASURE, "unit=[[1,1],3]"], ["unit=[[1, 1], 3]", "[[3,4],[5,6]]"]),
        pytest.param([MEASURE, "unit=[[1,1],[]]"], ["unit=[[1, 1], []]", "[[3,4],[5,6]]"], marks=pytest.mark.slow),
        ([MEASURE, "unit=[[1,1],[1,1]]"], ["twice"]),
        ([MEASURE, "unit=middle"], ["unit=middle", "[row,column]"]),
        ([MEASURE, "unit=[1.5,2]"], ["unit=[1.5, 2]", "[row,column]"]),
        ([MEASURE, "mean=[0.5,0.5,0.5]"], ["mean=[0.5, 0.5, 0.5]", "images=noise"]),
        ([MEASURE, "images=.", "mean=[0.5]"], ["mean=[0.5]", "3 finite numbers", "one a channel"]),
        pytest.param(
            [MEASURE, "images=.", "mean=[0.5,nan,0]"], ["mean=[0.5, nan, 0.0]", "finite"], marks=pytest.mark.slow
        ),
        ([MEASURE, "images=.", "std=[1,1,0]"], ["std=[1.0, 1.0, 0.0]", "above 0"]),
        pytest.param([MEASURE, "images=.", "std=[1,1,inf]"], ["std=[1.0, 1.0, inf]", "finite"], marks=pytest.mark.slow),
        ([MEASURE, "images=.", "mean=half"], ["mean"]),
        ([MEASURE, "input_size=0"], ["input_size=0", "allowed"]),
        ([MEASURE, "input_size=2.5"], ["input_size=2.5", "allowed"]),
        pytest.param([MEASURE, "input_size=null"], ["input_size=None", "allowed"], marks=pytest.mark.slow),
        pytest.param([MEASURE, "input_size=true"], ["input_size=True", "allowed"], marks=pytest.mark.slow),
        ([MEASURE, "input_size=[224,wide]"], ["input_size", "wide", "allowed"]),
        ([MEASURE, "input_size=[1,2,3,4]"], ["input_size", "allowed"]),
        ([MEASURE, "input_size=[2,64,64]", "images=."], ["pictures", "rows and columns"]),
        ([MEASURE, "noise=pink"], ["noise", "pink", "normal"]),
        ([MEASURE, "unreadable=maybe"], ["unreadable", "skip"]),
        ([MEASURE, "weights=null"], ["weights"]),
        ([MEASURE, "source=hub"], ["source", "hub", "torchvision"]),
        ([MEASURE, "batch_size=0"], ["batch_size=0"]),
        ([MEASURE, "statistic=signed_mean"], ["signed_mean", "mean_abs"]),
        ([MEASURE, "aggregation=mean"], ["aggregation", "random_sign"]),
        ([MEASURE, "compatibility=captum"], ["compatibility", "captum", "replknet"]),
        ([MEASURE, "compatibility=openerf", "unit=[1,1]"], ["compatibility=openerf", "unit=[]"]),
        ([MEASURE, "compatibility=openerf", "input_size=[2,64,64]"], ["compatibility=openerf", "rows and columns"]),
        ([MEASURE, "precision=float8"], ["precision", "bfloat16"]),
    ],
    ids=in_words,
)
def test_what_no_config_has_is_one_line(arguments, parts):
    """What becomes of such an error in the command is tested above."""
    with pytest.raises(USERS_ERRORS) as refused:
        config_of(arguments)
    line = one_line(refused.value)
    assert "\n" not in line
    for part in parts:
        assert part in line


def folders():
    return sorted(path.name for path in Path("results/runs/measure").iterdir())


@pytest.mark.usefixtures("empty_figures")
def test_a_changed_file_is_measured_anew_and_an_equal_one_is_not(elsewhere, capsys):
    path = elsewhere / "net.py"
    path.write_text(Path(FILE).read_text())
    command = [*OWN, "network=net.py:make", "layers=[7]"]
    assert main(command) == 0
    path.write_text(path.read_text())
    assert main(command) == 0
    assert "already measured" in capsys.readouterr().out
    assert len(folders()) == 1
    path.write_text(path.read_text().replace("padding=2, dilation=2", "padding=1"))
    assert main(command) == 0
    assert len(folders()) == 2
    path.unlink()
    assert main(command) == 1
    assert "there is no file net.py" in capsys.readouterr().err


@pytest.mark.usefixtures("empty_figures")
def test_changed_weights_and_pictures_are_measured_anew(pictures, elsewhere):
    command = [*own("make", "[7]"), f"images={pictures}", "weights=w.pt"]
    torch.save(toy_networks.make().state_dict(), "w.pt")
    assert main(command) == main(command) == 0
    assert len(folders()) == 1
    torch.save(toy_networks.make().state_dict(), "w.pt")
    assert main(command) == 0
    assert len(folders()) == 2
    Image.fromarray(np.zeros((40, 50, 3), dtype=np.uint8)).save(pictures / "0.png")
    assert main(command) == 0
    (pictures / "1.png").unlink()
    assert main(command) == 0
    assert len(folders()) == 4


def test_a_run_that_a_later_image_stops_leaves_nothing(elsewhere, capsys):
    assert main([*own("overflows", "[]"), "samples=20"]) == 1
    assert "not finite" in capsys.readouterr().err
    assert not folders()


@pytest.mark.usefixtures("empty_figures")
def test_a_users_network_is_measured_by_the_command(elsewhere, capsys):
    assert main(own("make")) == 0
    out = capsys.readouterr().out
    assert "ERF size" in out
    assert (Path("results/runs/measure") / folders()[0] / "measure.png").exists()


@pytest.mark.parametrize(
    ("function", "settings"),
    [
        ("make", {"samples": 4}),
        ("make", {"compatibility": Compatibility.openerf}),
        ("make", {"compatibility": Compatibility.replknet, "statistic": Statistic.rms}),
        ("with_attention", {"layers": ["2"]}),
        ("video", {"layers": ["0", "2"], "input_size": [5, 16, 12]}),
        ("signal", {"layers": ["0", "2", "3"], "input_size": [64], "channels": 1}),
    ],
)
def test_the_figure_shows_the_record(function, settings):
    result = measured(function, **settings)
    assert_shows(load("measure").draw(result), shown(result))
