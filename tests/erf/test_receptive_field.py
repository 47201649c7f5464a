import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from erf import InvalidInput, theoretical_receptive_field

CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
MAX_POOLS = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}
AVERAGE_POOLS = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}
NORMS = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}


@st.composite
def layers(draw, axes):
    def each(low, high):
        return draw(st.tuples(*[st.integers(low, high)] * axes))

    kind = draw(st.sampled_from(["convolution", "convolution", "max", "average", "pointwise"]))
    if kind == "pointwise":
        return draw(st.sampled_from([nn.ReLU(), nn.Dropout(), NORMS[axes](1), nn.Sequential(nn.Tanh(), nn.GELU())]))
    kernel_size, stride = each(1, 4), each(1, 3)
    if kind == "convolution":
        return CONVOLUTIONS[axes](1, 1, kernel_size, stride, each(0, 3), each(1, 3))
    padding = tuple(k // 2 * draw(st.integers(0, 1)) for k in kernel_size)
    ceil_mode = draw(st.booleans())
    if kind == "max":
        return MAX_POOLS[axes](kernel_size, stride, padding, each(1, 2), ceil_mode=ceil_mode)
    return AVERAGE_POOLS[axes](kernel_size, stride, padding, ceil_mode=ceil_mode)


@st.composite
def networks_and_sides(draw):
    axes = draw(st.sampled_from([1, 2, 2, 2, 3]))
    network = nn.Sequential(*draw(st.lists(layers(axes), min_size=1, max_size=4))).eval()
    return network, draw(st.tuples(*[st.integers(1, 12 if axes == 3 else 24)] * axes))


def poisoned(network, sides, axis):
    """Return, for each place along an axis, which units turn NaN with all pixels there: [places, *grid]."""
    images = torch.zeros(sides[axis], 1, *sides)
    for place in range(sides[axis]):
        images[place].select(axis + 1, place).fill_(torch.nan)
    with torch.no_grad():
        return network(images)[:, 0].isnan().numpy()


@settings(deadline=None, max_examples=200, derandomize=True)
@given(networks_and_sides())
def test_the_box_is_that_of_the_pixels_which_reach_the_unit(network_and_sides):
    network, sides = network_and_sides
    try:
        reached = [poisoned(network, sides, axis) for axis in range(len(sides))]
    except RuntimeError:  # torch finds the image too small
        with pytest.raises(InvalidInput, match="needs an input of at least"):
            theoretical_receptive_field(network, sides)
        return
    grid = reached[0].shape[1:]
    units = [tuple(int(i) for i in unit) for unit in np.ndindex(grid)]
    assert theoretical_receptive_field(network, sides).unit == tuple(side // 2 for side in grid)
    for trf in theoretical_receptive_field(network, sides, unit=units):
        for axis, (low, high) in enumerate(trf.box):
            places = np.flatnonzero(reached[axis][(slice(None), *trf.unit)])
            assert trf.clipped[axis] == (low < 0 or high > sides[axis])
            assert high - low == trf.size[axis]
            if not any(trf.clipped) or (len(places) and not trf.clipped[axis]):
                assert (places.min(), places.max() + 1) == (low, high)
            elif len(places):
                assert low <= places.min()
                assert places.max() < high
    for axis, side in enumerate(grid):
        outside = tuple(side if a == axis else 0 for a in range(len(grid)))
        with pytest.raises(InvalidInput, match="is outside the layer's grid"):
            theoretical_receptive_field(network, sides, unit=outside)


WORKED_EXAMPLE = nn.Sequential(*[nn.Conv2d(1, 1, 3) for _ in range(4)], nn.MaxPool2d(2, stride=1))


def test_the_worked_example():
    fields = theoretical_receptive_field(WORKED_EXAMPLE, (10, 10), layer=list("01234"))
    assert [field.size for field in fields.values()] == [(3, 3), (5, 5), (7, 7), (9, 9), (10, 10)]
    last = fields["4"]
    assert last == theoretical_receptive_field(WORKED_EXAMPLE, (10, 10))
    assert (last.unit, last.box, last.clipped) == ((0, 0), ((0, 10), (0, 10)), (False, False))
    assert last.centre == (4.5, 4.5)


def test_its_table():
    table = theoretical_receptive_field(WORKED_EXAMPLE, (10, 10)).table()
    assert table.splitlines() == [
        "layer  size  jump  start",
        "0      3     1     1",
        "1      5     1     2",
        "2      7     1     3",
        "3      9     1     4",
        "4      10    1     4.5",
    ]


def test_a_table_of_unequal_axes():
    network = nn.Sequential(nn.Conv2d(1, 1, (3, 5), stride=(1, 2)))
    assert theoretical_receptive_field(network, (9, 9)).table().splitlines()[1] == "0      3 x 5  1 x 2  1 x 2"


def test_a_strided_network():
    """The stem of a ResNet: 7x7 at stride 2, then a 3x3 pooling at stride 2."""
    network = nn.Sequential(nn.Conv2d(3, 4, 7, 2, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
    trf = theoretical_receptive_field(network, (224, 224), unit=(28, 10))
    assert (trf.size, trf.jump, trf.start) == ((11, 11), (4, 4), (0, 0))
    assert trf.box == ((107, 118), (35, 46))
    assert trf.centre == (112, 40)


def test_dilation_counts_the_holes():
    trf = theoretical_receptive_field(nn.Conv2d(1, 1, 3, dilation=(2, 5)), (20, 20))
    assert trf.size == (5, 11)
    assert trf.jump == (1, 1)


@pytest.mark.parametrize("axes", [1, 3])
def test_one_and_three_axes(axes):
    network = nn.Sequential(CONVOLUTIONS[axes](1, 1, 3), AVERAGE_POOLS[axes](2))
    trf = theoretical_receptive_field(network, (12,) * axes)
    assert trf.size == (4,) * axes
    assert trf.jump == (2,) * axes
    assert trf.start == (1.5,) * axes
    assert trf.box == ((4, 8),) * axes


def test_clipped_by_one_side_only():
    trf = theoretical_receptive_field(nn.Conv2d(1, 1, 3, padding=1), (8, 8), unit=(0, 4))
    assert (trf.box, trf.clipped) == (((-1, 2), (3, 6)), (True, False))


def test_lists_of_layers_and_of_units():
    network = nn.Sequential(nn.Conv2d(1, 1, 3), nn.Sequential(nn.ReLU(), nn.Conv2d(1, 1, 3)))
    found = theoretical_receptive_field(network, (9, 9), layer=["1", "0", "1.0"], unit=[(0, 0), (1, 2)])
    assert list(found) == ["1", "0", "1.0"]
    assert [field.unit for field in found["1"]] == [(0, 0), (1, 2)]
    assert found["1"][1].box == ((1, 6), (2, 7))
    assert found["0"][1].box == found["1.0"][1].box == ((1, 4), (2, 5))
    assert theoretical_receptive_field(network, (9, 9), layer="1") == theoretical_receptive_field(network, (9, 9))


def test_a_module_used_twice_counts_twice():
    pool, convolution = nn.MaxPool2d(2), nn.Conv2d(1, 1, 3)
    trf = theoretical_receptive_field(nn.Sequential(convolution, pool, convolution, pool), (20, 20))
    assert (trf.size, trf.jump) == ((10, 10), (4, 4))


@pytest.mark.parametrize(
    "layer",
    [
        nn.Flatten(),
        nn.Linear(3, 3),
        nn.AdaptiveAvgPool2d(1),
        nn.ConvTranspose2d(1, 1, 3),
        nn.Conv2d(1, 1, 3, padding="same"),
        nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular"),
        nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"),
    ],
)
def test_what_has_no_rule_is_named(layer):
    with pytest.raises(InvalidInput, match=r"layer '1'.*(no rule|not supported)"):
        theoretical_receptive_field(nn.Sequential(nn.ReLU(), layer), (9, 9))


def test_a_sequential_with_a_forward_of_its_own_has_no_rule():
    class Shortcut(nn.Sequential):
        def forward(self, x):
            return x + super().forward(x)

    with pytest.raises(InvalidInput, match="layer '0': no rule for the receptive field of Shortcut"):
        theoretical_receptive_field(nn.Sequential(Shortcut(nn.Conv2d(1, 1, 3, padding=1))), (9, 9))


@pytest.mark.parametrize("unit", [(3, 0), (0, -1), (0,), (0, 0, 0)])
def test_units_outside(unit):
    with pytest.raises(InvalidInput, match="outside the layer's grid of 3 x 7 units"):
        theoretical_receptive_field(nn.Conv2d(1, 1, 3), (5, 9), unit=unit)


def test_images_too_small_say_how_large():
    network = nn.Sequential(nn.Conv2d(1, 1, 3), nn.Conv2d(1, 1, 5))
    with pytest.raises(InvalidInput, match="layer '1' needs an input of at least 5 units along an axis, not 4"):
        theoretical_receptive_field(network, (6, 9))
    assert theoretical_receptive_field(network, (7, 9)).size == (7, 7)


@pytest.mark.parametrize("sides", [(9,), (9, 9, 9)])
def test_images_of_other_axes(sides):
    with pytest.raises(InvalidInput, match=f"layer '0' has 2 spatial axes, the image {len(sides)}"):
        theoretical_receptive_field(nn.Sequential(nn.Conv2d(1, 1, 3)), sides)


def test_an_unknown_layer_lists_near_names():
    network = nn.Sequential()
    network.add_module("stem", nn.Conv2d(1, 1, 3))
    network.add_module("body", nn.Conv2d(1, 1, 3))
    with pytest.raises(InvalidInput, match=r"layer='stm' is not in the network; nearest names: stem$"):
        theoretical_receptive_field(network, (9, 9), layer="stm")
    with pytest.raises(InvalidInput, match=r"nearest names: stem, body$"):
        theoretical_receptive_field(network, (9, 9), layer="head")
    assert math.prod(theoretical_receptive_field(network, (9, 9), layer="stem").size) == 9
