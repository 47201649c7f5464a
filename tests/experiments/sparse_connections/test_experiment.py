import numpy as np
import pytest

import erf
from erf.networks.sparse_convolution import SparseStack
from experiments.sparse_connections.experiment import Config, Layout, run
from tests.experiments.list_logbook import ListLogbook


@pytest.fixture(scope="module")
def result():
    return run(Config(depths=[4, 6], runs=400, bootstrap=100, networks=20), ListLogbook())


@pytest.mark.parametrize("layout", list(Layout))
def test_it_measures_what_theory_predicts(result, layout):
    for point in result.of_layout(layout):
        assert point.sigma == pytest.approx(point.predicted_sigma, rel=0.03)
        assert point.sigma_interval[0] < point.predicted_sigma < point.sigma_interval[1]
        assert point.size == pytest.approx(point.predicted_size, rel=0.1)  # a count of pixels
        assert point.largest_deviation < 6  # of hundreds of pixels, some of which few draws of positions reach


def test_the_predictions_are_those_of_the_layers(result):
    layers = {
        Layout.adjacent: erf.ConvLayer(3),
        Layout.dilated: erf.ConvLayer(3, dilation=2),
        Layout.scattered: erf.ConvLayer(5),
    }
    for layout, layer in layers.items():
        for point in result.of_layout(layout):
            variance = erf.theory.variance([layer] * point.depth)
            assert point.predicted_sigma**2 == pytest.approx(variance[0], rel=1e-9)
            assert point.trf_size == 1 + point.depth * (2 if layout is Layout.adjacent else 4)


def test_only_a_dilated_map_has_holes_and_is_averaged_over_them(result):
    assert {p.layout: p.period for p in result.points} == dict.fromkeys(Layout, 1) | {Layout.dilated: 2}
    holes = {layout: np.mean(result.arrays[f"map/{layout}"] == 0) for layout in Layout}
    assert holes[Layout.dilated] == pytest.approx(1 - (13 / 25) ** 2)
    assert holes[Layout.adjacent] == 0
    assert holes[Layout.scattered] < 0.1  # corners that no draw of positions has reached
    dilated, adjacent = result.of_layout(Layout.dilated), result.of_layout(Layout.adjacent)
    for wide, narrow in zip(dilated, adjacent, strict=True):
        assert wide.size == pytest.approx(2 * narrow.size, rel=0.1)


def test_each_layout_has_a_gain_but_the_plain_one(result):
    for point in result.points:
        plain = next(p for p in result.of_layout(Layout.adjacent) if p.depth == point.depth)
        if point.layout is Layout.adjacent:
            assert point.gain is None
        else:
            assert point.gain is not None
            assert 0 < point.gain[0] < point.sigma - plain.sigma < point.gain[1]


def test_single_networks_are_narrower_than_their_average_whose_centers_scatter(result):
    for networks, point in zip(result.networks, result.of_layout(Layout.scattered), strict=True):
        assert networks.depth == point.depth
        assert len(set(networks.sigma)) == 20
        assert 0.9 < np.mean(networks.sigma) / point.predicted_sigma < 1


def test_another_map_than_theory_says_is_seen(monkeypatch):
    monkeypatch.setattr(SparseStack, "_shared_reading", lambda stack: np.eye(stack.kernel_size))
    settings = {"depths": [4], "layouts": [Layout.adjacent, Layout.dilated, Layout.deformable]}
    result = run(Config(**settings, runs=400, bootstrap=10), ListLogbook())
    assert result.of_layout(Layout.adjacent)[0].largest_deviation < 5
    for layout in (Layout.dilated, Layout.deformable):
        assert result.of_layout(layout)[0].largest_deviation > 10
