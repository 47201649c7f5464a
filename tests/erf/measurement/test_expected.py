"""What theory expects beside what was measured, against the expected map itself and in words."""

import csv
import math

import numpy as np
import pytest
import torch
from torch import nn

import erf
from erf.measurement.text import as_text
from erf.metrics.grid_average import grid_average_inside


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, 2, padding=1), nn.Conv2d(16, 16, 3)
    )


class Gated(nn.Module):
    """A convolution, and one whose output is multiplied by a gate."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.value, self.gate = (nn.Conv2d(3, 3, 3, padding=1) for _ in range(3))
        self.last = nn.Identity()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.first(images)
        return self.last(self.value(x) * torch.sigmoid(self.gate(x)))


@pytest.mark.parametrize("statistic", ["mean_square", "rms", "mean_abs"])
def test_it_is_the_expected_map_in_the_statistic_that_is_measured(statistic):
    measured = erf.measure(network(), input_size=24, layers=["0", "3"], statistic=statistic, theory=True)
    of_theory = erf.theory.expected_map(network(), 24, ["0", "3"])
    for layer in measured.layers:
        values = of_theory[layer.name].values
        if statistic != "mean_square":
            values = np.sqrt(values) * (math.sqrt(2 / math.pi) if statistic == "mean_abs" else 1)
        np.testing.assert_allclose(layer.expected.map.values, values, rtol=1e-12)
        assert layer.expected.map.statistic == statistic
    assert measured["3"].expected.sigma == erf.fit_gaussian(measured["3"].expected.map).sigma
    assert measured["0"].expected.sigma is None  # its map is flat


def test_its_size_is_read_off_as_the_measured_one():
    measured = erf.measure(network(), input_size=24, layers=["0", "3"], theory=True)
    first, last = measured.layers
    assert first.averaged is None
    assert first.expected.erf_size == erf.erf_size(first.expected.map)
    assert last.averaged is not None
    assert last.expected.erf_size == erf.erf_size(grid_average_inside(last.expected.map, (2, 2)))
    assert last.expected.erf_size != erf.erf_size(last.expected.map)


def test_the_measured_size_over_fresh_weights_is_the_expected_one():
    convs = nn.Sequential(*[nn.Conv2d(16 if i else 3, 16, 3) for i in range(7)])
    sizes = []
    for seed in range(20):
        torch.manual_seed(seed)
        for conv in convs:
            nn.init.kaiming_normal_(conv.weight)
        (layer,) = erf.measure(convs, input_size=24, layers=["6"], theory=seed == 19).layers
        sizes.append(layer.erf_size)
    assert layer.expected.erf_size == pytest.approx(np.mean(sizes), abs=4 * np.std(sizes) / math.sqrt(20))


def test_units_have_theirs():
    measured = erf.measure(network(), input_size=24, layers=["3"], unit=[(1, 1), (4, 5)], theory=True)
    for unit in ((1, 1), (4, 5)):
        values = erf.theory.expected_map(network(), 24, "3", unit, "variance").values
        expected = measured[f"3@{unit[0]},{unit[1]}"].expected
        np.testing.assert_allclose(expected.map.values, np.sqrt(values * 2 / math.pi), rtol=1e-12)


def test_the_output_of_a_network_without_layers_has_one():
    (layer,) = erf.measure(nn.Conv2d(3, 4, 3), input_size=9, theory=True, layers=None).layers
    assert layer.expected.erf_size == 3


@pytest.mark.parametrize("width", [80, 120])
def test_it_is_printed_and_saved_beside_the_size_and_fits(width, tmp_path):
    measured = erf.measure(network(), input_size=24, layers=["0", "3"], theory=True)
    text = as_text(measured.layers, measured.setting, width)
    assert max(map(len, text.splitlines())) <= width
    sizes = [f"{layer.expected.erf_size:.1f}" for layer in measured.layers]
    table = text.partition("\n\n")[2].partition("\n\n")[0].splitlines()
    if width == 80:
        assert [line.rpartition("theory ")[2] for line in table[::2]] == sizes
    else:
        at = table[0].index("theory")
        assert [line[at:].split()[0] for line in table[1:]] == sizes
    assert "theory: the ERF that is expected" in " ".join(text.split())
    assert "<th>theory</th>" in measured._repr_html_()
    rows = list(csv.DictReader(measured.save(tmp_path / "fields.csv").read_text().splitlines()))
    assert [float(row["expected_size"]) for row in rows] == [layer.expected.erf_size for layer in measured.layers]
    assert float(rows[1]["expected_sigma"].split(" x ")[0]) == pytest.approx(measured["3"].expected.sigma[0], abs=1e-3)


def test_without_being_asked_for_nothing_is_said_of_it(tmp_path):
    measured = erf.measure(network(), input_size=24, layers=["0"])
    assert measured["0"].expected is None
    assert "theory:" not in str(measured)
    assert "<th>theory</th>" not in measured._repr_html_()
    assert "expected" not in measured.save(tmp_path / "fields.csv").read_text()


def test_its_approximations_are_among_the_notes():
    pooled = nn.Sequential(nn.Conv2d(3, 8, 3), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3))
    (layer,) = erf.measure(pooled, input_size=16, layers=["2"], theory=True).layers
    (note,) = [note for note in layer.notes if note.startswith("theory: ")]
    assert "nonlinearities act as on" in note


def test_where_theory_does_not_apply_it_says_why_and_the_other_layers_have_theirs():
    measured = erf.measure(Gated(), input_size=12, layers=["first", "last"], theory=True)
    assert measured["first"].expected.erf_size == 3
    assert measured["last"].expected.map is measured["last"].expected.sigma is None
    assert any(note.startswith("theory does not apply: mul") for note in measured["last"].notes)
    assert "theory -" in as_text(measured.layers, measured.setting, 80)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"aggregation": "sum"}, "random signs of output channels, not aggregation='sum'"),
        ({"aggregation": 1}, "not aggregation=1"),
        ({"of_channels": 0}, "the mean over all input channels"),
        ({"mode": "as_is"}, "networks in eval mode"),
    ],
)
def test_what_is_not_what_theory_is_about_has_none(settings, words):
    (layer,) = erf.measure(network().train(), input_size=24, layers=["3"], theory=True, **settings).layers
    assert layer.expected.map is None
    assert any(note.startswith("theory does not apply") and words in note for note in layer.notes)


def test_a_network_in_eval_mode_as_it_is_has_theory():
    (layer,) = erf.measure(network().eval(), input_size=24, layers=["3"], mode="as_is", theory=True).layers
    assert layer.expected.erf_size
