"""The local field: what is left of a field when all that spans the image is held constant."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision import models

from erf import theoretical_receptive_field
from tests.erf.hard_cases import Forward


def gate(x: Tensor) -> Tensor:
    return x * x.mean((2, 3), keepdim=True).sigmoid()


def attention(x: Tensor) -> Tensor:
    tokens = x.flatten(2).transpose(1, 2)
    mixed = F.scaled_dot_product_attention(tokens, tokens, tokens)
    return x + mixed.transpose(1, 2).reshape(x.shape)


SPANNING = {
    "group norm": lambda: nn.GroupNorm(2, 4),
    "instance norm": lambda: nn.InstanceNorm2d(4),
    "gate": lambda: Forward(gate),
    "attention": lambda: Forward(attention),
}


@pytest.mark.parametrize("make", SPANNING.values(), ids=SPANNING)
def test_the_local_field_is_that_of_the_network_without_what_spans(make) -> None:
    def network(*between: nn.Module) -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), *between, nn.Conv2d(4, 4, 3, padding=1))

    field = theoretical_receptive_field(network(make()), (32, 28))
    plain = theoretical_receptive_field(network(), (32, 28))
    assert field.size == (math.inf, math.inf)
    assert field.local == plain
    assert (field.jump, field.start) == (plain.jump, plain.start)
    assert plain.local is plain


def test_nothing_local_is_left_of_a_pooled_axis() -> None:
    field = theoretical_receptive_field(Forward(lambda x, c: c(x).softmax(3).sum(3, True), nn.Conv2d(3, 2, 3)), (9, 8))
    assert field.size == (3, math.inf)
    assert field.local.size == (3, None)


def test_a_class_logit_has_no_local_field() -> None:
    field = theoretical_receptive_field(models.mobilenet_v3_small(weights=None), (64, 64))
    assert field.local.size == (None, None)


def test_layers_are_rows_and_the_first_that_exceeds_the_input_is_told() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 5, stride=2), nn.GroupNorm(2, 4), nn.Conv2d(4, 4, 3))
    field = theoretical_receptive_field(network, (16, 16))
    rows = field.layers
    assert [(row.name, row.kind) for row in rows] == [
        ("0", "Conv2d"), ("1", "Conv2d"), ("2", "GroupNorm"), ("3", "Conv2d"), ("", "Sequential"),
    ]  # fmt: skip
    assert [row.size[0] for row in rows] == [3, 7, math.inf, math.inf, math.inf]
    assert [row.local_size[0] for row in rows] == [3, 7, 7, 11, 11]
    assert [row.jump[0] for row in rows] == [1, 2, 2, 2, 2]
    assert [row.grid for row in rows] == [(14, 14), (5, 5), (5, 5), (3, 3), (3, 3)]
    assert field.first_larger_than_input == rows[2]
    assert theoretical_receptive_field(network, (16, 16), "1").first_larger_than_input is None
    assert field.table().splitlines()[0].split() == ["layer", "type", "size", "local", "jump", "start"]
    assert field.table().splitlines()[4].split() == ["3", "Conv2d", "inf", "11", "2", "5"]


def test_local_sizes_stand_in_the_table_only_beside_infinite_ones() -> None:
    field = theoretical_receptive_field(nn.Sequential(nn.Conv2d(3, 4, 3)), (16, 16))
    assert "local" not in field.table()


def test_the_fields_of_tensors_are_finite_again_where_nothing_spans() -> None:
    with torch.device("meta"):
        field = theoretical_receptive_field(nn.Conv2d(3, 4, 3), (16, 16))
    assert field.local is field


def test_the_rows_of_calls_hold_those_of_blocks_too():
    network = nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, stride=2)), nn.ReLU())
    field = theoretical_receptive_field(network, (32, 32))
    assert [(call.name, call.size[0], call.grid) for call in field.calls] == [
        ("0.0", 3, (30, 30)), ("0.1", 5, (14, 14)), ("0", 5, (14, 14)), ("1", 5, (14, 14)), ("", 5, (14, 14))
    ]  # fmt: skip
    assert [call for call in field.calls if call.name != "0"] == list(field.layers)
