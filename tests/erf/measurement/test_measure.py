import csv
import re
from functools import reduce

import numpy as np
import pytest
import torch
from torch import nn

import erf
from erf import InvalidInput
from erf.layers.measured_layer import layer_measurement
from erf.measurement.text import answer, as_text
from erf.metrics.grid_average import grid_average_inside


def network(stride: int = 2) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=stride, padding=1), nn.Conv2d(8, 8, 3)
    )


def images(count: int = 12) -> torch.Tensor:
    return torch.randn(count, 3, 24, 24, generator=torch.Generator().manual_seed(1))


def test_it_is_the_three_calls_in_one():
    measured = erf.measure(network(), images(), layers=["0", "3"])
    assert list(measured) == ["0", "3"]
    maps = erf.effective_receptive_field(network(), images(), layer=["0", "3"])
    fields = erf.theoretical_receptive_field(network(), (24, 24), layer=["0", "3"])
    for name in measured:
        layer = measured[name]
        np.testing.assert_allclose(layer.map.values, maps[name].values, rtol=1e-6)
        assert layer.field == fields[name]
        assert layer.raw_size == erf.erf_size(layer.map)
        assert layer.ratio == pytest.approx(layer.raw_size / layer.field.size[0])
    assert measured["0"].erf_size == measured["0"].raw_size  # units are one pixel apart
    assert measured["3"].erf_size == erf.erf_size(grid_average_inside(measured["3"].map, 2)) != measured["3"].raw_size


def test_batches_tensors_and_pairs_of_images_and_labels_are_one_measurement():
    at_once = erf.measure(network(), images(), layers=["3"])["3"]
    batches = erf.measure(network(), iter(images().split(5)), layers=["3"])["3"]
    pairs = erf.measure(network(), [(part, torch.zeros(len(part))) for part in images().split(1)], layers=["3"])["3"]
    for other in (batches, pairs):
        np.testing.assert_allclose(other.map.values, at_once.map.values, rtol=1e-6)
        assert other.map.samples == 12
    assert batches.interval != at_once.interval  # of three groups, not of six


def test_the_interval_is_the_jackknife_s_over_ten_groups():
    layer = erf.measure(network(stride=1), images(20), layers=["3"])["3"]
    groups = [
        erf.effective_receptive_field(network(stride=1), part, layer="3", first_sample=2 * i)
        for i, part in enumerate(images(20).split(2))
    ]
    without = [erf.erf_size(reduce(erf.InfluenceMap.merge, groups[:i] + groups[i + 1 :])) for i in range(10)]
    half = 2.262157 * np.sqrt(9 * np.var(without))  # t of 9 degrees of freedom
    assert layer.interval == pytest.approx((layer.erf_size - half, layer.erf_size + half), rel=1e-5)


def test_without_layers_the_last_at_each_resolution_is_measured_and_without_images_noise():
    measured = erf.measure(network(), input_size=24, samples=3)
    assert list(measured) == ["1", "3"]
    assert measured["3"].map.samples == 3
    assert "3 images of normal noise" in str(measured)
    again = erf.measure(network(), input_size=(24, 24), samples=3)
    np.testing.assert_array_equal(measured["3"].map.values, again["3"].map.values)


def test_a_network_of_no_spatial_layer_is_measured_at_its_output():
    flat = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 4))
    measured = erf.measure(flat, input_size=8, layers=["1"])
    assert measured["1"].field.box == ((0, 8), (0, 8))


def test_several_units_have_a_row_each():
    measured = erf.measure(network(), images(), layers=["3"], unit=[(2, 2), (3, 3)])
    assert list(measured) == ["3@2,2", "3@3,3"]
    assert measured["3@2,2"].field.unit == (2, 2)


def test_the_middle_unit_in_a_list_is_called_so():
    measured = erf.measure(nn.Conv2d(3, 2, 3), input_size=9, unit=[None, (0, 1)])
    assert [name.partition("@")[2] for name in measured] == ["middle", "0,1"]


@pytest.mark.parametrize("width", [40, 80, 109, 110, 200])
def test_the_text_fits_and_nothing_is_cut(width):
    names = nn.Sequential()
    names.add_module("a_layer_with_a_name_that_is_rather_long", network())
    measured = erf.measure(names, images(), layers=["a_layer_with_a_name_that_is_rather_long.3"])
    text = as_text(measured.layers, measured.setting, width)
    (layer,) = measured.layers
    for number in (f"{layer.erf_size:.1f}", f"{layer.raw_size:.1f}", f"{layer.ratio:.2f}", f"{layer.r95:.1f}"):
        assert number in text
    assert layer.name in text
    assert "…" not in text
    if width >= 80:
        assert max(map(len, text.splitlines())) <= max(width, 110)
    assert " ".join(text.split()).startswith(answer(measured.layers, measured.setting))


def test_what_is_cut_is_not_averaged_and_its_ratio_is_a_bound():
    deep = nn.Sequential(*[nn.Conv2d(3, 3, 5, padding=2, stride=s) for s in (1, 2, 1, 1, 1)])
    nn.init.ones_(deep[4].weight)
    layer = erf.measure(deep, torch.ones(2, 3, 12, 12), layers=["4"])["4"]
    assert any(layer.cut)
    assert layer.averaged is None
    assert layer.erf_size == layer.raw_size
    assert any("lower bound" in note for note in layer.notes)
    assert "ERF / TRF ≥ " in str(erf.measure(deep, torch.ones(2, 3, 12, 12), layers=["4"]))


def test_a_dead_unit_is_told_and_has_no_size():
    dead = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())
    nn.init.constant_(dead[0].bias, -1e6)
    measured = erf.measure(dead, images(2), layers=["1"])
    assert measured["1"].erf_size is measured["1"].interval is measured["1"].sigma is None
    assert "no pixel" in str(measured)


def test_html_escapes_names_and_holds_the_text_for_notebooks_without_styles():
    names = nn.ModuleDict({"<b>": nn.Conv2d(3, 2, 3)})
    measured = erf.measure(names, images(2), layers=["<b>"], call=lambda network, x: network["<b>"](x))
    page = measured._repr_html_()
    assert "<b>:" not in page
    assert "&lt;b&gt;" in page
    assert re.search(r'<pre class="erf-text">[^<]*&lt;b&gt;: TRF 3, ERF', page)
    assert "<script" not in page


@pytest.mark.parametrize(
    "ending", ["csv", "npz", "svg", *(pytest.param(other, marks=pytest.mark.slow) for other in ("png", "pdf"))]
)
def test_it_is_saved_by_the_ending_of_the_name_and_never_over_another_file(ending, tmp_path):
    measured = erf.measure(network(), images(2), layers=["0", "3"])
    path = measured.save(tmp_path / f"fields.{ending}")
    content = path.read_bytes()
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    with pytest.raises(InvalidInput, match="is there already"):
        measured.save(path)
    assert path.read_bytes() == content
    measured.save(path, overwrite=True)
    if ending == "csv":
        rows = list(csv.DictReader(path.read_text().splitlines()))
        assert [float(row["erf_size"]) for row in rows] == [layer.erf_size for layer in measured.layers]
    if ending == "npz":
        np.testing.assert_array_equal(np.load(path)["3"], measured["3"].map.values)


def test_maps_in_bfloat16_are_saved_as_they_are_and_their_error_is_noted_once(tmp_path):
    measured = erf.measure(network(), images(), layers=["0", "3"], precision="bfloat16")
    saved = np.load(measured.save(tmp_path / "maps.npz"))
    for layer in measured.layers:
        np.testing.assert_array_equal(saved[layer.name], layer.map.values)
        assert sum("run in bfloat16" in note for note in layer.notes) == 1
    assert measured["3"].map.samples == 12
    assert "seed 0, precision bfloat16." in re.sub(r"\s+", " ", str(measured))
    assert "precision" not in str(erf.measure(network(), images(), layers=["0", "3"]))


@pytest.mark.parametrize("name", ["fields.txt", "fields", "missing/fields.csv"])
def test_where_it_cannot_be_saved_is_told_in_one_line(name, tmp_path):
    measured = erf.measure(network(), images(2), layers=["0"])
    with pytest.raises(InvalidInput, match=r"allowed are names|there is no folder"):
        measured.save(tmp_path / name)


def test_bad_input_is_named():
    for arguments, words in (
        ({}, "input_size is needed"),
        ({"images": images(), "input_size": 99}, r"input_size=99: the images have \[24, 24\] pixels"),
        ({"images": []}, "images: there are none"),
        ({"input_size": 24, "statistic": "signed_mean"}, "signed_mean"),
        ({"input_size": 24, "layers": ["conv"]}, "nearest names"),
    ):
        with pytest.raises(InvalidInput, match=words):
            erf.measure(network(), **arguments)
    with pytest.raises(InvalidInput, match="'9' was not measured; allowed: 0"):
        erf.measure(network(), images(1), layers=["0"])["9"]


def test_a_group_without_samples_and_a_map_of_one_group_have_no_interval():
    field = erf.theoretical_receptive_field(network(), (24, 24), layer="3")
    (imap,) = [erf.effective_receptive_field(network(), images(2), layer="3")]
    layer = layer_measurement("3", field, [imap])
    assert layer.interval is layer.raw.interval is None
    assert layer.erf_size


def test_a_gaussian_wider_than_its_field_says_nothing():
    flat = nn.Conv2d(1, 1, 5)
    nn.init.ones_(flat.weight)
    layer = erf.measure(flat, torch.ones(2, 1, 9, 9)).layers[0]
    assert layer.fit is layer.sigma is None
    assert layer.erf_size == 5
