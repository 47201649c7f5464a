"""Boxes of tensors that are written to in place, through views and as they were, against NaN poisoning."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from erf.reachability.digit import NOTHING, NUMBERS, Digit
from erf.reachability.reach import Reach
from erf.reachability.union import leaves
from tests.erf.hard_cases import Forward
from tests.erf.reachability.test_operators import boxes, seeded


def added(x: Tensor, conv: nn.Module) -> Tensor:
    y = conv(x)
    y[:, :, 1:] += conv(conv(x))[:, :, 1:]
    return y


def the_same_of_another_object(x: Tensor, conv: nn.Module) -> Tensor:
    y = conv(x)
    y[:, :, 1:] = conv(x)[:, :, 1:]
    return y


def the_same_and_then_more(x: Tensor, conv: nn.Module) -> Tensor:
    y = conv(x)
    part = y[:, :, 1:]
    part += conv(x)[:, :, 1:]
    part.transpose(2, 3).add_(conv(conv(x))[:, :, 1:].transpose(2, 3))
    return y


def the_same_only_at_one_end(x: Tensor, conv: nn.Module) -> Tensor:
    y = conv(x)
    y[:, :, :] = torch.cat([conv(x)[:, :, :1], conv(conv(x))[:, :, 1:]], 2)
    return y


def turned(x: Tensor, conv: nn.Module) -> Tensor:
    y = conv(x)
    y[:, :, :8] = y[:, :, :8].transpose(2, 3).clone()
    return y


def of_rows_and_columns(x: Tensor, conv: nn.Module) -> Tensor:
    y = conv(x).amax(3, keepdim=True) + x.new_zeros(x.shape)
    y.view(*x.shape[:2], -1)[:] = conv(x).amax(2, keepdim=True).expand(x.shape).flatten(2)
    return y


def from_none(x: Tensor, conv: nn.Module) -> Tensor:
    y = x.new_zeros(x.shape)
    y[:, :, :4] = 0
    y.flatten(2)[:, :, 8:] += conv(x).flatten(2)[:, :, 8:]
    return conv(y)


def by_view_of_a_view(x: Tensor, conv: nn.Module) -> Tensor:
    y = conv(x)
    y.flatten(2)[:, :, ::2] += y.flatten(2)[:, :, 1::2]
    y[:, :, 2:][:, :, ::2] += conv(y)[:, :, 2::2]
    return y


def after_equal_residuals(x: Tensor, conv: nn.Module) -> Tensor:
    y = conv(x)
    rows = y[:, :, 2:]
    for _ in range(2):
        rows += conv(x)[:, :, 2:]
    return conv(y) + conv(rows).sum(2, keepdim=True)


def tokens_of(x: Tensor, conv: nn.Module) -> Tensor:
    return conv(x).flatten(2).mT.contiguous()


def tokens_but_the_first(x: Tensor, conv: nn.Module) -> Tensor:
    y = tokens_of(x, conv)
    y[:, 1:] += tokens_of(conv(x), conv)[:, 1:]
    return y.mT.unflatten(2, (8, 8))


def some_channels_of_tokens(x: Tensor, conv: nn.Module) -> Tensor:
    y = tokens_of(x, conv)
    y[:, 1:] += tokens_of(conv(x), conv)[:, 1:]
    y[:, :, 1:] += tokens_of(conv(conv(x)), conv)[:, :, 1:]
    return y.mT.unflatten(2, (8, 8))[:, 1:]


def channels_put_together(x: Tensor, conv: nn.Module) -> Tensor:
    y = tokens_of(x, conv)
    flat = y.view(len(x), -1)
    y[:, 1:] += tokens_of(conv(x), conv)[:, 1:]
    flat[:, 3:] += tokens_of(conv(conv(x)), conv).flatten(1)[:, 3:]
    return conv(flat.view(y.shape).mT.unflatten(2, (8, 8)))


def channels_that_differ(x: Tensor, conv: nn.Module) -> Tensor:
    y = tokens_of(x, conv)
    rows = torch.stack([tokens_of(x, conv)[:, 1:, 0], tokens_of(conv(x), conv)[:, 1:, 1]], 2)
    y[:, 1:] = rows
    return y.mT.unflatten(2, (8, 8))[:, 1:]


WRITTEN = {
    f.__name__: f
    for f in (added, the_same_of_another_object, the_same_and_then_more, the_same_only_at_one_end, turned,
              of_rows_and_columns, from_none, by_view_of_a_view, after_equal_residuals,
              tokens_but_the_first, some_channels_of_tokens, channels_put_together, channels_that_differ)
}  # fmt: skip


@pytest.mark.parametrize("forward", WRITTEN.values(), ids=WRITTEN)
def test_what_is_written_in_place_is_never_too_small(forward: Any) -> None:
    network = seeded(lambda: Forward(forward, nn.Conv2d(2, 2, 3, padding=1)))
    for said, poisoned in boxes(network, (8, 8)):
        assert said == poisoned


@pytest.mark.parametrize(("law", "other"), [((1, 2), (0, 0)), ((1, 2), (1, -2)), ((1, 2), (2, 4))])
def test_boxes_that_go_on_otherwise_are_written(law: tuple[int, int], other: tuple[int, int]) -> None:
    values = np.full((NUMBERS, 2, 3), NOTHING)
    values[0], values[1] = [[0, 5, 6], [2, 7, 8]], [[0, -5, -6], [-2, -7, -8]]
    old, new = (Reach(((Digit(2, *rate, along=True), Digit(3, 0, 0)),), values) for rate in (law, other))
    assert leaves(old, old)
    assert not leaves(new, old)
    assert leaves(old, replace(old, dims=((Digit(2, 0, 0), Digit(3, 0, 0)),)))  # nothing was known to go on
    assert not leaves(replace(old, exact=False), old)
