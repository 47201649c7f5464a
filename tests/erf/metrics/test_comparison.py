import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from erf import (
    Comparison,
    InvalidInput,
    compare,
    effective_receptive_field,
    erf_size,
    fit_gaussian,
    mass_radius,
    theoretical_receptive_field,
)
from erf.maps.statistic import Statistic
from erf.metrics.erf_size import Reference
from erf.reachability.receptive_field import ReceptiveField
from tests.oracles.maps import gaussian, map_of


def field_of(box, size=None, jump=None, clipped=None, center=None):
    axes = len(box)
    return ReceptiveField(
        size=size or tuple(high - low for low, high in box),
        jump=jump or (1,) * axes,
        start=(0,) * axes,
        box=box,
        clipped=clipped or (False,) * axes,
        spanned_by=(None,) * axes,
        unit=(0,) * axes,
        grid=(1,) * axes,
        index=None,
        one_sided=(None,) * axes,
        center=center or tuple((low + high - 1) / 2 for low, high in box),
    )


def own_field(imap):
    return field_of(imap.trf_box)


def test_a_measured_layer():
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(2, 8, 3, padding=1), nn.Conv2d(8, 8, (3, 5), stride=(1, 2)), nn.Conv2d(8, 8, 3)
    ).double()
    images = torch.randn(4, 2, 30, 40, dtype=torch.float64)
    trf = theoretical_receptive_field(network, (30, 40))
    imap = replace(effective_receptive_field(network, images), findings=("one", "two"))
    comparison = compare(trf, imap)
    assert (comparison.trf_size, comparison.effective_stride, comparison.clipped) == ((7, 11), (1, 2), (False, False))
    assert comparison.erf_size == erf_size(imap)
    assert comparison.reference is Reference.center
    assert comparison.cut == (False, False)
    assert comparison.ratio == pytest.approx(erf_size(imap) / math.sqrt(7 * 11), rel=1e-14)
    fit = fit_gaussian(imap)
    assert (comparison.sigma, comparison.r_squared) == (fit.sigma, fit.r_squared)
    assert (comparison.fit.covariance == fit.covariance).all()
    assert (comparison.r50, comparison.r95) == (mass_radius(imap, 0.5), mass_radius(imap, 0.95))
    assert comparison.diagnostics == ("one", "two")


@pytest.mark.parametrize("axes", [1, 3])
def test_one_axis_or_three(axes):
    imap = map_of(gaussian((21,) * axes, (10,) * axes, 4.0 * np.eye(axes)))
    comparison = compare(own_field(imap), imap)
    assert comparison.trf_size == (21,) * axes
    assert comparison.ratio == pytest.approx(erf_size(imap) / 21, rel=1e-14)
    assert comparison.sigma == pytest.approx((2.0,) * axes, rel=1e-4)
    assert comparison.r50 == mass_radius(imap, 0.5)


def test_a_map_that_is_0_everywhere_has_no_size():
    imap = map_of(np.zeros((5, 5)), samples=0, skipped=3, findings=("stated",))
    assert compare(field_of(imap.trf_box, jump=(2, None)), imap) == Comparison(
        trf_size=(5, 5), effective_stride=(2, None), clipped=(False, False), diagnostics=imap.diagnostics
    )


@pytest.mark.parametrize("center", [(3.0, 3.0), (-1.0, 3.0)])
def test_without_a_center_the_size_is_that_of_the_peak(center):
    values = gaussian((7, 7), (3, 3), 2 * np.eye(2))
    values[3, 3] = 0
    imap = map_of(values, center=center)
    comparison = compare(own_field(imap), imap)
    assert comparison.reference is Reference.peak
    assert comparison.erf_size == erf_size(imap, reference="peak")


def test_an_infinite_field_has_no_ratio():
    imap = map_of(gaussian((9, 9), (4, 4), np.eye(2)))
    comparison = compare(field_of(imap.trf_box, size=(9, math.inf)), imap)
    assert comparison.trf_size == (9, math.inf)
    assert comparison.ratio is None
    assert comparison.erf_size == erf_size(imap)


UNFITTED = {"flat": np.ones((5, 5)), "one pixel": np.ones((1, 1)), "a line": np.outer(np.eye(5)[2], np.ones(5))}


@pytest.mark.parametrize("values", UNFITTED.values(), ids=list(UNFITTED))
def test_where_no_gaussian_can_be_fitted_the_rest_is_stated(values):
    imap = map_of(values)
    with pytest.raises(InvalidInput):
        fit_gaussian(imap)
    comparison = compare(own_field(imap), imap)
    assert (comparison.sigma, comparison.r_squared) == (None, None)
    assert comparison.erf_size == erf_size(imap)
    assert comparison.r95 == mass_radius(imap, 0.95)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        (((0, 6), (0, 9)), (False, False)),  # the field ends with the image
        (((-1, 6), (0, 9)), (True, False)),
        (((0, 7), (0, 9)), (True, False)),
        (((0, 6), (-3, 12)), (False, False)),  # below the threshold at the left and the right border
    ],
)
def test_a_threshold_that_is_not_reached_within_the_image_is_stated(box, expected):
    values = np.ones((6, 9)) * gaussian((9,), (4,), np.eye(1))
    imap = map_of(values, center=(2.5, 4.0), box=box)
    clipped = tuple(low < 0 or high > side for (low, high), side in zip(box, values.shape, strict=True))
    comparison = compare(field_of(box, clipped=clipped), imap)
    assert comparison.cut == expected
    assert comparison.clipped == clipped


def test_only_the_border_that_the_field_crosses_counts():
    values = np.ones((6, 1))
    values[5] = 0
    assert compare(field_of(((0, 8), (0, 1))), map_of(values, box=((0, 8), (0, 1)))).cut == (False, False)
    assert compare(field_of(((-2, 6), (0, 1))), map_of(values, box=((-2, 6), (0, 1)))).cut == (True, False)


def test_a_field_and_a_map_of_different_units():
    imap = map_of(np.ones((5, 5)))
    with pytest.raises(InvalidInput, match=r"not of the same unit: .*\(1, 6\)\) and \(\(0, 5\), \(0, 5\)\)"):
        compare(field_of(((0, 5), (1, 6))), imap)
    with pytest.raises(InvalidInput, match=r"not of the same unit: .*their centers \(3, 3\) and \(2\.0, 2\.0\)"):
        compare(field_of(imap.trf_box, size=(math.inf, math.inf), center=(3, 3)), imap)


def test_a_signed_map_cannot_be_compared():
    imap = map_of([[1.0, -1.0]], statistic=Statistic.signed_mean)
    with pytest.raises(InvalidInput, match="negative values"):
        compare(own_field(imap), imap)


def test_an_infinite_field_leaves_every_image_by_all_borders():
    values = np.ones((6, 9)) * gaussian((9,), (4,), np.eye(1))
    box = ((0, 6), (0, 9))
    field = field_of(box, size=(math.inf, math.inf), center=(2.5, 4.0))
    imap = map_of(values, center=field.center, box=box)
    assert compare(field, imap).cut == (True, False)
    values[1:] = 0
    assert compare(field, map_of(values, center=field.center, box=box)).cut == (True, False)
    assert compare(field, map_of(values[::-1], center=field.center, box=box)).cut == (True, False)
