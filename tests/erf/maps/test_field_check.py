"""A map with influence outside of its theoretical field is an error, whichever way it was measured."""

import re

import numpy as np
import pytest
import torch
from torch import nn

import erf
from erf.compatibility import openerf_map, replknet_map
from erf.errors import InternalError
from erf.maps.field_check import check_field, rounding_of
from erf.reachability.registry import RULES
from erf.reachability.union import union
from experiments.stacks.drawn_networks import measure_draws
from experiments.stacks.paper_stacks import StackConfig
from tests.erf.hard_cases import LINE, PLANE, VOLUME


def too_small(call, input, *_options):
    """Stands for the rule of convolutions, and takes them for 1x1."""
    return union([input], call.shape)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.Tanh(), nn.Conv2d(4, 3, 3, padding=1))


def some_images(*size):
    return torch.randn(2, 2, *size, generator=torch.Generator().manual_seed(1))


MEASURES = {
    "map": erf.effective_receptive_field,
    "map of layers": lambda n, x: erf.effective_receptive_field(n, x, ["0", "2"], [(3, 4), (1, 1)], statistic="rms"),
    "signed": lambda n, x: erf.effective_receptive_field(n, x, statistic="signed_mean", aggregation="sum"),
    "openerf": openerf_map,
    "replknet": replknet_map,
}


@pytest.mark.parametrize("measure", MEASURES)
def test_a_field_that_is_too_small_is_an_error_that_asks_for_a_report(measure, monkeypatch):
    MEASURES[measure](network(), some_images(8, 9))
    monkeypatch.setitem(RULES, "convolution", too_small)
    said = r"unit \(\d, \d\) of Sequential, .*: pixel \(\d, \d\) has an influence of .* box .*: please report it"
    with pytest.raises(InternalError, match=said):
        MEASURES[measure](network(), some_images(8, 9))


def test_the_error_names_the_layer_the_unit_the_box_and_the_largest_influence(monkeypatch):
    imap = erf.effective_receptive_field(network(), some_images(8, 9), "0", (3, 4))
    imap.values[3, 4] = 0
    row, column = np.unravel_index(imap.values.argmax(), imap.values.shape)
    monkeypatch.setitem(RULES, "convolution", too_small)
    said = f"unit (3, 4) of Sequential, layer '0': pixel ({row}, {column}) has an influence of {imap.values.max():.3g}"
    with pytest.raises(InternalError, match=re.escape(said) + r", but the box .* is \(\(3, 4\), \(4, 5\)\)"):
        erf.effective_receptive_field(network(), some_images(8, 9), "0", (3, 4))


def test_drawn_networks_are_checked(monkeypatch):
    def build(generator):
        return nn.Conv2d(1, 4, 3, padding=1)

    config = StackConfig(channels=4)
    measure_draws(config, build, 7, 1, 0)
    monkeypatch.setitem(RULES, "convolution", too_small)
    with pytest.raises(InternalError, match=r"unit \(3, 3\) of Conv2d"):
        measure_draws(config, build, 7, 1, 0)


SIZES = [(LINE, (19,)), (PLANE, (12, 16)), (VOLUME, (8, 9, 10))]
CASES = [pytest.param(make, size, id=name) for makes, size in SIZES for name, make in makes.items()]


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize(("make", "size"), CASES)
def test_no_map_of_a_hard_case_is_refused(make, size):
    """Borders included, over which circular padding and rolls reach to the other end of the image."""
    torch.manual_seed(0)
    case = make()
    grid = erf.theoretical_receptive_field(case, size, channels=2).grid
    if grid is None:
        pytest.skip("it has no rows and columns, so no map")
    corners = [tuple(0 for _ in grid), tuple(n - 1 for n in grid)]
    for imap in erf.effective_receptive_field(case, some_images(*size), unit=corners):
        assert imap.samples + imap.skipped == 2


def test_influence_round_the_image_lies_in_the_field_of_the_image():
    ring = nn.Conv1d(2, 2, 5, padding=2, padding_mode="circular")
    imap = erf.effective_receptive_field(ring, some_images(12), unit=(0,))
    assert imap.trf_box == ((-2, 3),)
    assert np.flatnonzero(imap.values).tolist() == [0, 1, 2, 10, 11]
    imap.values[6] = 1e-12
    field = erf.theoretical_receptive_field(nn.Conv1d(2, 2, 5, padding=2), (12,), unit=(0,))
    with pytest.raises(InternalError, match=r"pixel \(\d+,\)"):
        check_field(nn.Conv1d(2, 2, 5, padding=2), field, imap.values, 2, 0.0)


def test_a_field_outside_of_the_image_holds_nothing():
    wide = nn.Conv2d(2, 2, 3, padding=6)
    field = erf.theoretical_receptive_field(wide, (8, 9), unit=(0, 5))
    assert field.box == ((-6, -3), (-1, 2))
    check_field(wide, field, np.zeros((8, 9)), 2, 0.0)
    values = np.zeros((8, 9))
    values[4, 0] = 1.0
    with pytest.raises(InternalError, match=r"pixel \(4, 0\)"):
        check_field(wide, field, values, 2, 0.0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_where_convolutions_are_done_by_transforms_rounding_is_no_influence(dtype):
    plain = nn.Conv1d(2, 2, 3, padding=1)
    field = erf.theoretical_receptive_field(plain, (12,))
    values = np.zeros(12)
    values[field.unit[0]], values[0] = 1.0, torch.finfo(dtype).eps
    check_field(plain, field, values, 2, rounding_of(torch.empty(1, device="meta", dtype=dtype)))
    with pytest.raises(InternalError):
        check_field(plain, field, values, 2, rounding_of(torch.empty(1, dtype=dtype)))
    values[0] = 1e-3
    with pytest.raises(InternalError):
        check_field(plain, field, values, 2, rounding_of(torch.empty(1, device="meta", dtype=dtype)))
