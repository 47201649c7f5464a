"""Networks that fill caches, cut an image into windows, index by masks of its pixels, or fail in any way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from erf import effective_receptive_field, halo, influence, theoretical_receptive_field
from erf.errors import InvalidInput
from tests.erf.hard_cases import Forward
from tests.oracles.nan_poisoning import poisoned_box, values_at

SIZE, UNIT = (12, 16), (5, 8)
WINDOWS = {
    "roll": lambda x: x.unflatten(3, (4, 4)).roll(1, 4).flatten(3),
    **{
        mode: lambda x, mode=mode: F.pad(
            x.unflatten(3, (4, 4)).permute(0, 3, 1, 2, 4).flatten(0, 1), (1, 1, 0, 0), mode=mode
        )[..., :-2].unflatten(0, (-1, 4)).permute(0, 2, 3, 1, 4).flatten(3)
        for mode in ("circular", "reflect", "replicate", "constant")
    },
}  # fmt: skip


@pytest.mark.parametrize("operation", WINDOWS.values(), ids=WINDOWS)
def test_what_comes_round_in_a_window_is_in_the_field(operation: Callable[[Tensor], Tensor]) -> None:
    torch.manual_seed(0)
    network = Forward(lambda x, conv: operation(conv(x)), nn.Conv2d(2, 2, 1)).double()
    for column in range(SIZE[1]):
        field = theoretical_receptive_field(network, SIZE, unit=(UNIT[0], column))
        poisoned = poisoned_box(values_at(network, None, field.index), 2, SIZE)
        if poisoned is not None:
            assert all(
                low <= first and end <= high for (low, high), (first, end) in zip(field.box, poisoned, strict=True)
            ), (column, field.box, poisoned)


@pytest.mark.parametrize("side", [12, 16])
def test_a_mask_of_pixels_takes_as_many_dimensions_as_it_has(side: int) -> None:
    def chosen(x: Tensor) -> Tensor:
        return x[:, :, x[0, 0] > x[0, 0].flatten().sort().values[-1 - side]][:, :, None]

    network = Forward(lambda x, conv: chosen(conv(x)), nn.Conv2d(2, 2, 1))
    field = theoretical_receptive_field(network, SIZE)
    assert field.size == (np.inf, np.inf)


class Caching(nn.Module):
    """Fills in what it needs when it first runs."""

    def __init__(self, cache: Callable[[Any, Tensor], None]) -> None:
        super().__init__()
        self.conv, self.cache = nn.Conv2d(2, 2, 3, padding=1), cache
        self.table, self.tables, self.lists = None, {}, []
        self.register_buffer("ramp", None)

    def forward(self, x: Tensor) -> Tensor:
        self.cache(self, x)
        return self.conv(x)


def _ramp(network: Any, x: Tensor) -> None:
    if network.ramp is None:
        network.ramp = torch.linspace(0, 1, x.shape[3], device=x.device)
    x + network.ramp


def _registered(network: Any, x: Tensor) -> None:
    if not hasattr(network, "made"):
        network.register_buffer("made", torch.zeros(x.shape[3], device=x.device))
        network.later = nn.Conv2d(2, 2, 1).to(x.device)
        network.weight = nn.Parameter(torch.zeros(1, device=x.device))
    network.later(x) + network.made + network.weight


def _dictionary(network: Any, x: Tensor) -> None:
    x + network.tables.setdefault(x.shape[3], torch.zeros(x.shape[3], device=x.device))


def _listed(network: Any, x: Tensor) -> None:
    if not network.lists:
        network.lists.append(torch.zeros(x.shape[3], device=x.device))
    x + network.lists[0]


def _attribute(network: Any, x: Tensor) -> None:
    if network.table is None:
        network.table = torch.zeros(x.shape[3], device=x.device)
    x + network.table


@pytest.mark.parametrize("cache", [_ramp, _registered, _dictionary, _listed, _attribute])
def test_what_a_forward_keeps_is_as_before(cache: Callable[[Any, Tensor], None]) -> None:
    network, images = Caching(cache), torch.randn(2, 2, *SIZE)
    names = set(network.state_dict())
    assert theoretical_receptive_field(network, SIZE).size == (3, 3)
    with pytest.raises(InvalidInput, match="a tile does not give what the image gives"):
        halo(network)
    assert set(network.state_dict()) == names
    assert (network.ramp, network.table, network.tables, network.lists) == (None, None, {}, [])
    assert influence(network, images, UNIT).shape == images.shape
    assert effective_receptive_field(network, images).values.shape == SIZE
    network(images)


def test_tiles_of_a_network_that_looks_at_an_image_s_side_are_refused() -> None:
    def padded(x: Tensor, conv: nn.Module) -> Tensor:
        return conv(F.pad(x, (-x.shape[3] % 16, 0, -x.shape[2] % 16, 0)))

    with pytest.raises(InvalidInput, match="a tile does not give what the image gives"):
        halo(Forward(padded, nn.Conv2d(2, 3, 8, 8)))


@pytest.mark.parametrize("wrong", [KeyError("meta"), AttributeError("no such thing"), OverflowError(), BufferError()])
def test_whatever_a_forward_raises_is_one_line(wrong: Exception) -> None:
    def fails(x: Tensor) -> Tensor:
        raise wrong

    with pytest.raises(InvalidInput, match="the network does not run on an input"):
        theoretical_receptive_field(Forward(fails), SIZE, channels=2)


def test_what_cannot_run_without_data_runs_on_noise() -> None:
    scale = {"cpu": 1.0}
    network = Forward(lambda x, conv: conv(x) * scale[x.device.type], nn.Conv2d(2, 2, 3))
    field = theoretical_receptive_field(network, SIZE)
    assert (field.size, field.assumptions) == ((3, 3), ())
