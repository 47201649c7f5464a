"""The theoretical receptive field of drawn compositions of views, writes and small layers, against NaN poisoning."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from erf.errors import InvalidInput
from erf.reachability.forward import trace
from erf.reachability.reach import Reach
from erf.reachability.receptive_field import ReceptiveField, theoretical_receptive_field
from tests.erf.reachability.view_operations import (
    CHANNELS,
    OPERATIONS,
    added_column,
    added_row_and_column,
    attention,
    channel_groups,
    convolution,
    global_mean,
    grid_attention,
    halo_attention,
    moved_channels,
    one_window,
    per_channel,
    shifted_channels,
    shifted_into_zeros,
    stacked_columns,
    stacked_rows,
    strided,
    stripes,
    tokens,
    window_attention,
    written_channels,
    written_columns,
    written_stripes,
    zeroed_channel,
)
from tests.oracles.nan_poisoning import poisoned_box, values_at

SIZE = (12, 8)
# Of numbers hypothesis also draws the constants of what else is imported: other ones in other sets of tests.
numbers = st.sampled_from(range(4))
steps = st.tuples(st.sampled_from(OPERATIONS), numbers, numbers)


class Drawn(nn.Module):
    """A composition; a step that the map is too small for is left out."""

    def __init__(self, steps: list[tuple]) -> None:
        super().__init__()
        self.steps = steps

    def forward(self, x: Tensor) -> Tensor:
        for operation, a, b in self.steps:
            if min(x.shape[2:]) > 4 or operation in SMALL:
                x = operation(x, a, b)
        return x


SMALL = {convolution, per_channel, zeroed_channel, channel_groups, attention, tokens, global_mean}


def check(steps: list[tuple], share: tuple[float, float]) -> None:
    network = Drawn(steps)
    shape = network(torch.zeros(1, CHANNELS, *SIZE, dtype=torch.float64)).shape
    unit = tuple(round(part * (n - 1)) for part, n in zip(share, shape[2:], strict=True))
    place = (0, slice(None), *unit)
    expected = poisoned_box(values_at(network, None, place), CHANNELS, SIZE)
    _check_bounded(network, place, expected)
    _check_field(network, unit, shape, expected)


def _check_bounded(network: nn.Module, place: tuple, expected: tuple | None) -> None:
    """Exactly, once padding is told to read nothing."""
    for axis, reach in enumerate(trace(network, SIZE, CHANNELS, bounded=True).steps[-1].outputs[0]):
        _check_form(reach)
        first, last = reach.dense()[(slice(None), *place)].reshape(4, -1).min(1)[:2]
        assert (None if math.isinf(first) else (int(first), int(1 - last))) == (expected and expected[axis])


def _check_form(reach: Reach) -> None:
    """What does not vary is 1 wide."""
    digits = [digit for digits in reach.dims for digit in digits]
    for digit, width in zip(digits, reach.values.shape[1:], strict=True):
        assert width in (1, digit.size)
        assert not (digit.constant and width > 1)


def _check_field(network: Drawn, unit: tuple[int, int], shape: torch.Size, expected: tuple | None) -> None:
    """Never too small; and exact, clipped by the image, where it is finite and does not leave it."""
    try:
        field = theoretical_receptive_field(network, SIZE, channels=CHANNELS)
    except InvalidInput:
        assert _box(network, *(n // 2 for n in shape[2:])) is None
        return
    if field.grid != tuple(shape[2:]):
        for axis, (units, n) in enumerate(zip(field.grid or (1, 1), shape[2:], strict=True)):
            assert units == n or (units == 1 and _is_without_direction(network, field, axis, n))
        return
    if expected is None:
        with pytest.raises(InvalidInput, match="no input pixel reaches"):
            theoretical_receptive_field(network, SIZE, unit=unit, channels=CHANNELS)
        return
    field = theoretical_receptive_field(network, SIZE, unit=unit, channels=CHANNELS)
    for axis, (low, high) in enumerate(field.box):
        first, end = expected[axis]
        assert low <= first
        assert high >= end
        if math.isinf(field.size[axis]):
            assert SPANNING & {step[0] for step in network.steps} or (first, end) == (0, SIZE[axis])
        elif not field.clipped[axis]:
            assert (low, high) == (first, end)


def _box(network: Drawn, row: int, column: int) -> tuple | None:
    return poisoned_box(values_at(network, None, (0, slice(None), row, column)), CHANNELS, SIZE)


def _is_without_direction(network: Drawn, field: ReceptiveField, axis: int, units: int) -> bool:
    """Whether boxes need not tell what runs along an axis: where windows wider than the image let all units see all."""
    boxes = [_box(network, *((k, 0), (0, k))[axis]) for k in range(units)]
    is_wide = (field.local.size[axis] or 0) > SIZE[axis]
    see_all = is_wide and all(box and box[axis] == (0, SIZE[axis]) for box in boxes)
    return see_all or bool(ONE_BY_ONE & {step[0] for step in network.steps})


# Where positions are put together one by one, the boxes alone tell the direction; some boxes do not.
ONE_BY_ONE = {stacked_columns, stacked_rows, written_columns}
# What every unit reads at the same places spans the axis, too: those may be any distance from the unit.
SPANNING = {global_mean, attention, grid_attention, added_column, added_row_and_column, one_window}


shares = st.tuples(*[st.sampled_from([0, 0.25, 0.5, 0.75, 1])] * 2)


@pytest.mark.parametrize("above", [stacked_columns, written_columns])
def test_an_axis_of_one_position_leaves_the_direction_to_others(above: Callable):
    """Columns put together run along the image's axis though a channel did, where a window took one pixel of it."""
    network = Drawn([(one_window, 0, 0), (above, 0, 0)])
    check(network.steps, (0.0, 0.0))
    assert theoretical_receptive_field(network, SIZE, channels=CHANNELS).grid == SIZE


def test_rows_that_all_see_the_whole_image_stay_rows_where_a_channel_is_written():
    """A window that is the whole map leaves its one row to the channels too; no box tells which of them are rows."""
    network = Drawn([(zeroed_channel, 0, 0), (halo_attention, 1, 0), (zeroed_channel, 0, 0)])
    assert theoretical_receptive_field(network, SIZE, channels=CHANNELS).grid == SIZE


def test_columns_taken_from_a_map_that_was_written_one_by_one_move_as_all_of_it():
    """Shifted channels move the boxes within a column; from column to column they move farther."""
    network = Drawn([(shifted_into_zeros, 0, 0), (written_columns, 0, 0), (stacked_columns, 0, 0)])
    check(network.steps, (0.0, 0.0))
    assert theoretical_receptive_field(network, SIZE, channels=CHANNELS).grid == SIZE


def test_rows_put_together_after_a_global_mean_run_along_the_new_dimension():
    """All of them see the same; channels that are shifted against each other do not, and are no rows for that."""
    network = Drawn([(shifted_channels, 0, 0), (global_mean, 0, 0), (stacked_rows, 0, 0)])
    assert theoretical_receptive_field(network, SIZE, channels=CHANNELS).grid == SIZE


@pytest.mark.parametrize(
    "steps",
    [
        [(one_window, 0, 0), (moved_channels, 0, 0), (written_columns, 0, 0)],
        [(shifted_channels, 0, 3), (one_window, 3, 0), (shifted_channels, 0, 3)],
        [(written_channels, 0, 0), (halo_attention, 1, 0), (zeroed_channel, 2, 0)],
        [(zeroed_channel, 0, 0), (halo_attention, 1, 0), (tokens, 0, 0)],
        [(zeroed_channel, 0, 0), (halo_attention, 1, 0), (written_stripes, 1, 0)],
        [(shifted_channels, 0, 0), (halo_attention, 1, 0), (strided, 0, 0)],
    ],
)
def test_the_one_row_of_a_window_does_not_make_channels_that_differ_run_along_the_axis(steps: list[tuple]):
    """Windows that are the whole map leave a dimension of one position, which a reshape joins to the channels."""
    check(steps, (0.0, 0.0))


@pytest.mark.parametrize("window", [(halo_attention, 0, 1), (halo_attention, 1, 0)])
@pytest.mark.parametrize("above", [tokens, stripes])
def test_units_that_all_see_the_whole_axis_may_be_one(window: tuple, above: Callable):
    """No box tells that columns which are cut apart, or from a prefix of tokens, are columns still."""
    check([window, (above, 0, 0)], (0.0, 0.0))


@settings(max_examples=40)
@given(st.lists(steps, min_size=1, max_size=3), shares)
def test_drawn_views_and_writes_read_what_nan_poisoning_finds(steps: list[tuple], share: tuple[float, float]) -> None:
    check(steps, share)


@pytest.mark.parametrize("below", [(), ((strided, 0, 0),), ((window_attention, 0, 0),)])
@pytest.mark.parametrize("window", [(halo_attention, 1, 1), (halo_attention, 1, 0), (one_window, 0, 1)])
def test_one_window_of_the_whole_map_reads_what_nan_poisoning_finds(window: tuple, below: tuple) -> None:
    check([*below, window], (0.5, 0.2))


@pytest.mark.slow
@settings(max_examples=2000, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(steps, min_size=1, max_size=4), shares)
def test_many_drawn_views_and_writes_read_what_nan_poisoning_finds(
    steps: list[tuple], share: tuple[float, float]
) -> None:
    check(steps, share)
