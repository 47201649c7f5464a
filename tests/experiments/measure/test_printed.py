"""What is printed and drawn of a measurement."""

from dataclasses import replace

import msgspec
import pytest

from erf import theoretical_receptive_field
from erf.layers.numbers import ratio_text
from erf.maps.statistic import Statistic
from experiments.harness.experiment import load
from experiments.measure.experiment import Compatibility
from experiments.measure.layer import layer_notes
from tests.experiments import toy_networks
from tests.experiments.measure.shown import shown
from tests.experiments.measure.toy_measurements import measured, printed
from tests.figures import assert_shows


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
