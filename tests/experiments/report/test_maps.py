"""The maps of a record that the report's page holds, to be looked into."""

import base64
import re
import zlib

import numpy as np
import pytest

from erf.card.inspector import SPARED
from experiments.exact_theory.experiment import Result
from experiments.growth_controls import experiment as growth_controls
from experiments.harness.experiment import load
from experiments.harness.record import read_record
from experiments.harness.reference import REFERENCE
from experiments.report import maps
from experiments.trainings.plan import Probe
from tests.experiments.report.told import told

pytestmark = pytest.mark.usefixtures("without_places")


def test_maps_are_packed_with_contour_box_and_theory():
    result = read_record(REFERENCE / "exact_theory", Result)
    packed = maps.packed(result)
    assert packed
    random, relu, exact = packed.maps
    assert [one.key for one in packed.maps] == ["random", "relu", "theory"]
    assert [one.name for one in packed.maps] == ["random", "relu", "theory"]
    assert (random.rows, random.columns, relu.first, exact.first) == (21, 21, 441, 882)
    assert random.box == (0, 21, 0, 21)
    assert (random.beside, exact.beside) == ("theory", None)
    assert exact.peak == result.arrays["theory"].max()
    assert exact.contour
    # Variance 2 n / 3 along each axis at depth 10; the contour is at 2.486 sigma.
    assert exact.contour.radii == pytest.approx((2.486 * np.sqrt(20 / 3),) * 2, rel=0.02)
    assert (exact.contour.row, exact.contour.column) == (10, 10)


def test_the_maps_of_a_study_of_starts_can_be_looked_into():
    one = told(REFERENCE, "camvid_starts")
    assert one.maps
    pairs = {shown.key: shown.beside for shown in one.maps.maps}
    assert len(pairs) == 8
    assert all(key.split("/")[0] != beside.split("/")[0] for key, beside in pairs.items())
    assert all(key.split("/")[1] == beside.split("/")[1] for key, beside in pairs.items())
    assert "does not hold the TRF" in one.maps.maps[0].note
    names = {shown.key: shown.name for shown in one.maps.maps}
    assert names["before/small_gain-0.16-0.05"] == "before training: small gain 0.16, learning rate 0.05"


def test_maps_have_readable_names_also_those_of_theory():
    one = told(REFERENCE, "gaussian_shape")
    assert one.maps
    names = {shown.key: shown.name for shown in one.maps.maps}
    assert names["map/relu/5"] == "random weights and ReLU, 5 layers"
    assert names["theory/relu/5" if "theory/relu/5" in names else "theory/random/5"].startswith(
        "theory, random weights"
    )
    other = told(REFERENCE, "expected_maps")
    assert other.maps
    assert {shown.key: shown.name for shown in other.maps.maps}["map/mobilenet_v2"] == "mobilenet v2"


def test_maps_before_and_after_a_training_stand_beside_each_other():
    one = told(REFERENCE, "cifar10")
    assert one.maps
    assert {shown.key: shown.beside for shown in one.maps.maps} == {"before": "after", "after": "before"}
    assert "of one training" in one.caption
    first, second = ({*re.split(r"(?<=\.) ", picture.caption)} for picture in one.pictures)
    assert not first & second  # what both captions say stands once
    assert any("leaves the image" in sentence for sentence in first)
    assert any(sentence.startswith("Each layer's middle unit") for sentence in second)


def test_a_study_shows_the_maps_of_all_its_runs():
    result = read_record(REFERENCE / "growth_controls", growth_controls.Result)
    one = told(REFERENCE, "growth_controls")
    assert one.maps
    assert {shown.key: shown.beside for shown in one.maps.maps} == {
        f"{arm}/{probe}/{moment}": f"{arm}/{probe}/{other}"
        for arm in result.config.arms
        for probe in Probe
        for moment, other in (("before", "after"), ("after", "before"))
    }


def test_packed_values_are_right_to_four_per_mille():
    result = read_record(REFERENCE / "exact_theory", Result)
    packed = maps.packed(result)
    assert packed
    high, low = np.frombuffer(zlib.decompress(base64.b64decode(packed.values)), np.uint8).reshape(2, -1)
    bits = (high.astype(np.uint16) << 8 | low) << SPARED
    values = bits.view(np.float16)[packed.maps[1].first :][: 21 * 21].reshape(21, 21)
    relu = result.arrays["relu"] / result.arrays["relu"].max()
    assert values.max() == 1
    np.testing.assert_allclose(values, relu, rtol=4.5e-3, atol=3e-7)


def test_the_box_in_an_image_is_the_blocks_own():
    one = told(REFERENCE, "attention")
    assert one.maps
    by_key = {shown.key: shown for shown in one.maps.maps}
    assert by_key["map/none"].box == (14, 35, 14, 35)
    assert by_key["map/residual"].box == (4, 45, 4, 45)
    assert by_key["map/self_attention"].box is None
    assert "infinite" in by_key["map/self_attention"].note


def test_the_pictures_at_the_top_say_what_they_show():
    shape = load("gaussian_shape")
    first = maps.largest(read_record(REFERENCE / "gaussian_shape", shape.Result))
    assert [*first] == ["uniform weights, 40 layers", "random weights, 40 layers", "random weights and ReLU, 40 layers"]
    others = maps.largest(read_record(REFERENCE / "nonlinearities", load("nonlinearities").Result))
    assert "leaky relu" in others
