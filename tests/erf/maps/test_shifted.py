"""Maps of several units are averaged by moving them to one place: ``a.merge(b.shifted_to(a))``."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from erf import InvalidInput, effective_receptive_field
from tests.oracles.maps import map_of


def network():
    """Return a network without padding, which does the same at every position; its jumps are 2 and 3."""
    torch.manual_seed(0)
    layers = nn.Conv2d(2, 4, 3), nn.Tanh(), nn.Conv2d(4, 4, 3, stride=(2, 3)), nn.Tanh(), nn.Conv2d(4, 3, 3)
    return nn.Sequential(*layers).double()


def measured(images, unit):
    return effective_receptive_field(network(), images, unit=unit)


@pytest.mark.parametrize(("rows", "columns"), [(1, 0), (0, 1), (-1, 2), (2, -1)])
@pytest.mark.parametrize("statistic", ["mean_abs", "rms", "signed_mean"])
def test_the_map_of_another_unit_is_this_one_moved_by_jumps(rows, columns, statistic):
    """The other unit sees in the moved images what this one sees in the images."""
    images = torch.randn(2, 2, 30, 36, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    moved = images.roll((2 * rows, 3 * columns), (2, 3))
    aggregation = 1 if statistic == "signed_mean" else "random_sign"
    ours, theirs = (
        effective_receptive_field(network(), given, unit=unit, statistic=statistic, aggregation=aggregation)
        for given, unit in ((images, (4, 4)), (moved, (4 + rows, 4 + columns)))
    )
    shifted = ours.shifted_to(theirs)
    np.testing.assert_allclose(shifted.values, theirs.values, rtol=1e-12, atol=1e-15 * theirs.values.max())
    assert (shifted.center, shifted.trf_box) == (theirs.center, theirs.trf_box)
    assert (shifted.samples, shifted.findings) == (2, ())
    both = theirs.merge(shifted)
    np.testing.assert_allclose(both.values, theirs.values, rtol=1e-12)
    assert both.samples == 4


def test_moves_by_hand():
    here = map_of([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]], box=((0, 3), (0, 3)), center=(1, 1))
    here = replace(here, jump=(1, 1))
    there = replace(here, center=(2.0, 0.0), trf_box=((1, 4), (-1, 2)))
    assert here.shifted_to(there).values.tolist() == [[0, 0, 0], [2, 3, 0], [5, 6, 0]]
    assert there.shifted_to(here).values.tolist() == [[0, 4, 5], [0, 7, 8], [0, 0, 0]]
    assert here.shifted_to(here).values.tolist() == here.values.tolist()
    far = replace(here, center=(9.0, -9.0), trf_box=((8, 11), (-10, -7)))
    assert not here.shifted_to(far).values.any()


def test_what_is_not_known_is_said():
    images = torch.randn(1, 2, 30, 36, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    padded = nn.Sequential(nn.Conv2d(2, 3, 5, padding=2)).double()
    border, inside = effective_receptive_field(padded, images, unit=[(1, 9), (9, 9)])
    assert any("was moved" in sentence for sentence in border.shifted_to(inside).diagnostics)
    assert border.shifted_to(inside).shifted_to(border).findings.count(border.shifted_to(inside).findings[0]) == 1
    assert border.shifted_to(border).findings == inside.shifted_to(border).findings == ()


def test_windows_of_an_image_are_moved_on_it():
    one = replace(map_of(np.eye(3), box=((0, 3), (0, 3)), center=(1, 1)), origin=(10, 4), jump=(2, 2))
    other = replace(one, origin=(12, 4))
    assert one.shifted_to(other).origin == (12, 4)
    np.testing.assert_array_equal(one.shifted_to(other).values, one.values)
    with pytest.raises(InvalidInput, match="3 pixels apart along axis 0, where neighbours are 2 apart"):
        one.shifted_to(replace(one, origin=(13, 4)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"jump": (2, 1)}, r"jump \(2, 2\) cannot be moved to one of jump \(2, 1\)"),
        ({"center": (2, 4)}, "1 pixels apart along axis 0, where neighbours are 2 apart: allowed are whole jumps"),
        ({"center": (1, 7.5)}, "3.5 pixels apart along axis 1, where neighbours are 2 apart: allowed are whole jumps"),
    ],
)
def test_refused(changes, message):
    imap = replace(map_of(np.ones((6, 9)), box=((0, 3), (3, 6)), center=(1, 4)), jump=(2, 2))
    with pytest.raises(InvalidInput, match=message):
        imap.shifted_to(replace(imap, **changes))


def test_fractions_of_pixels_and_units_without_even_spacing_are_refused():
    imap = map_of(np.ones((6, 9)), box=((0, 3), (3, 6)), center=(1, 4))
    with pytest.raises(InvalidInput, match=r"0\.5 pixels apart along axis 0: allowed are whole pixels"):
        replace(imap, jump=(0.5, 1)).shifted_to(replace(imap, jump=(0.5, 1), center=(1.5, 4)))
    with pytest.raises(InvalidInput, match="2 pixels apart along axis 1, where neighbours are not known to be evenly"):
        imap.shifted_to(replace(imap, center=(1, 6)))
    assert imap.shifted_to(imap).center == imap.center


def test_the_jump_is_that_of_the_field():
    images = torch.zeros(1, 2, 30, 36, dtype=torch.float64)
    assert measured(images, (4, 4)).jump == (2, 3)
    assert measured(images, (4, 4)).merge(measured(images, (4, 4))).jump == (2, 3)
