"""The theoretical receptive field, against closed forms and its own promises."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torchvision import models

from erf.reachability import registry
from erf.reachability.receptive_field import ReceptiveField, theoretical_receptive_field
from tests.erf.hard_cases import Forward


def test_the_worked_example_of_the_paper_s_recursion() -> None:
    network = nn.Sequential(*(nn.Conv2d(1, 1, 3) for _ in range(4)), nn.MaxPool2d(2, stride=1))
    field = theoretical_receptive_field(network, (10, 10))
    sizes = [line.split()[2] for line in field.table().splitlines()[1:6]]
    assert sizes == ["3", "5", "7", "9", "10"]
    assert field == ReceptiveField(
        size=(10, 10), jump=(1, 1), start=(4.5, 4.5), box=((0, 10), (0, 10)), clipped=(False, False),
        spanned_by=(None, None), unit=(0, 0), grid=(1, 1), index=(slice(None), slice(None), 0, 0),
        one_sided=(None, None), center=(4.5, 4.5),
    )  # fmt: skip


RESNET_50 = {"layer1": (35, 4), "layer2": (91, 8), "layer3": (267, 16), "layer4": (427, 32)}


def test_padding_does_not_clip_a_resnet_s_field() -> None:
    with torch.device("meta"):
        network = models.resnet50()
    fields = theoretical_receptive_field(network, (224, 224), list(RESNET_50))
    assert {name: (f.size[0], f.jump[0]) for name, f in fields.items()} == RESNET_50
    assert fields["layer4"].box == ((-117, 310), (-117, 310))
    assert fields["layer4"].clipped == (True, True)
    assert fields["layer2"].clipped == (False, False)
    field = theoretical_receptive_field(network, (224, 224))
    assert field.size == (math.inf, math.inf)
    assert field.box == ((0, 224), (0, 224))
    assert field.spanned_by == ("avgpool", "avgpool")


def test_a_map_of_one_unit_still_knows_its_jump() -> None:
    with torch.device("meta"):
        network = models.resnet50()
    field = theoretical_receptive_field(network, (32, 32), "layer4")
    assert (field.size, field.jump, field.start) == ((427, 427), (32, 32), (0, 0))


def recursion(layers: list[tuple[int, int, int, int]]) -> tuple[int, int, float]:
    """Size, jump and start after layers of (kernel size, stride, dilation, padding)."""
    size, jump, start = 1, 1, 0.0
    for kernel, stride, dilation, padding in layers:
        size += (kernel - 1) * dilation * jump
        start += ((kernel - 1) * dilation / 2 - padding) * jump
        jump *= stride
    return size, jump, start


windows = st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(1, 3), st.integers(0, 4))


@given(st.lists(windows, min_size=1, max_size=5), st.integers(0, 100))
def test_a_stack_has_the_closed_form(layers: list[tuple[int, int, int, int]], place: int) -> None:
    convs = [nn.Conv1d(1, 1, k, stride=s, dilation=d, padding=p, device="meta") for k, s, d, p in layers]
    size, jump, start = recursion(layers)
    units = _sizes(2000, layers)
    unit = min(place, units - 1)
    field = theoretical_receptive_field(nn.Sequential(*convs), (2000,), unit=(unit,))
    assert (field.size, field.jump, field.start) == ((size,), (jump,), (start,))
    assert field.center == (start + unit * jump,)
    ((low, high),) = field.box
    assert high - low == size
    assert field.clipped == (low < 0 or high > 2000,)


def _sizes(size: int, layers: list[tuple[int, int, int, int]]) -> int:
    for kernel, stride, dilation, padding in layers:
        size = (size + 2 * padding - (kernel - 1) * dilation - 1) // stride + 1
    return size


def test_one_axis_may_be_spanned_alone() -> None:
    network = Forward(lambda x, conv: conv(x).softmax(3), nn.Conv2d(1, 1, 3))
    field = theoretical_receptive_field(network, (12, 9), channels=1)
    assert field.size == (3, math.inf)
    assert field.box == ((5, 8), (0, 9))
    assert field.spanned_by == (None, "Forward")


def test_batch_statistics_span_the_image_in_train_mode_only() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train()
    assert theoretical_receptive_field(network, (9, 9)).size == (3, 3)
    field = theoretical_receptive_field(network, (9, 9), mode="as_is")
    assert field.size == (math.inf, math.inf)
    assert field.spanned_by == ("1", "1")


def test_units_of_an_upsampled_map_are_not_evenly_spaced() -> None:
    network = nn.Sequential(nn.Conv1d(1, 1, 3, stride=2, padding=1), nn.Upsample(scale_factor=2), nn.Conv1d(1, 1, 3))
    fields = theoretical_receptive_field(network, (32,), unit=[(10,), (11,)])
    assert [field.box for field in fields] == [((9, 14),), ((9, 14),)]
    assert fields[0].jump == fields[0].start == (None,)


def test_results_come_back_by_layer_and_by_unit() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.MaxPool2d(2))
    units = [(0, 0), (2, 1)]
    fields = theoretical_receptive_field(network, (8, 8), ["1", "0"], unit=units)
    assert list(fields) == ["1", "0"]
    for name in ("0", "1"):
        assert fields[name] == [theoretical_receptive_field(network, (8, 8), name, unit) for unit in units]


def test_an_unclipped_part_of_a_flipped_sum_says_that_it_is_clipped() -> None:
    """Beyond the border of an image that is added to its mirror image nothing is defined."""
    network = Forward(lambda x, conv: conv(x + x.flip(2)), nn.Conv1d(1, 1, 3, padding=1))
    assert theoretical_receptive_field(network, (9,), channels=1).clipped == (True,)


@pytest.mark.parametrize("context", [torch.inference_mode, lambda: torch.device("meta"), torch.enable_grad])
def test_the_caller_s_modes_do_not_matter(context: Callable[[], AbstractContextManager]) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(3), nn.Linear(3, 2))
    expected = theoretical_receptive_field(network, (9, 9))
    with context():
        assert theoretical_receptive_field(network, (9, 9)) == expected


def test_every_rule_names_an_operator() -> None:
    names = [name.rpartition("::") for name in registry.RULES]
    missing = [name for library, _, name in names if not hasattr(getattr(torch.ops, library or "aten"), name)]
    assert set(missing) <= {"_fused_rms_norm"}, "but for those that the oldest torch has not"


@pytest.mark.parametrize("size", [32, 48, 64])
def test_a_map_of_one_unit_is_not_taken_for_channels(size: int) -> None:
    with torch.device("meta"):
        network = models.convnext_tiny()
    (field,) = theoretical_receptive_field(network, (size, size), ["features.7"]).values()
    assert (field.size, field.jump) == ((1688, 1688), (32, 32))
