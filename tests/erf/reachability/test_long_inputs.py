"""The field of a long image that short ones tell is that of the long image itself, and where they do not, it is too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import erf
from erf.reachability import long_inputs
from erf.reachability.long_inputs import pass_to_in_short
from erf.reachability.pass_to_layers import pass_to

LONG = 1024  # from which short images are looked at here


class WaveNet(nn.Module):
    """Gated causal convolutions, each padded in front, with residual and skip connections."""

    def __init__(self, blocks: int = 2, depth: int = 8) -> None:
        super().__init__()
        self.dilations = [2**k for _ in range(blocks) for k in range(depth)]
        self.gates = nn.ModuleList(nn.Conv1d(2, 4, 2, dilation=step) for step in self.dilations)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for gate, step in zip(self.gates, self.dilations, strict=True):
            filtered, opened = gate(functional.pad(x, (step, 0))).chunk(2, 1)
            x = x + torch.tanh(filtered) * torch.sigmoid(opened)
            skips.append(x)
        return torch.stack(skips).sum(0)


class UNet(nn.Module):
    """Down and up again, with skips that are padded to the size of what comes up."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList([nn.Conv2d(2, 2, 3, 2, 1) for _ in range(3)])
        self.up = nn.ModuleList([nn.ConvTranspose2d(2, 2, 2, 2) for _ in range(3)])

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for down in self.down:
            skips.append(x)
            x = functional.relu(down(x))
        for up in self.up:
            x, skip = up(x), skips.pop()
            x = functional.pad(x, (0, skip.shape[3] - x.shape[3], 0, skip.shape[2] - x.shape[2])) + skip
        return x


class SamePadded(nn.Conv2d):
    """Padded as TensorFlow does: by how much depends on the size."""

    def forward(self, x: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        more = [max((-(-n // 2) - 1) * 2 + 5 - n, 0) for n in x.shape[2:]]
        return super().forward(functional.pad(x, (more[1] // 2, -(-more[1] // 2), more[0] // 2, -(-more[0] // 2))))


class Applied(nn.Module):
    """A function, after a convolution of one axis."""

    def __init__(self, function, kernel: int = 3) -> None:
        super().__init__()
        self.function, self.first = function, nn.Conv1d(2, 4, kernel, padding=kernel // 2)
        self.last = nn.Conv1d(4, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.last, self.first(x))


class Positions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.places = nn.Conv1d(2, 4, 3, padding=1), nn.Parameter(torch.zeros(4, 8192))

    def forward(self, x: Tensor) -> Tensor:
        return self.first(x) + self.places[:, : x.shape[2]]


def conv1d(*arguments, **options) -> nn.Conv1d:
    return nn.Conv1d(2, 2, *arguments, **options)


def conv2d(*arguments, **options) -> nn.Conv2d:
    return nn.Conv2d(2, 2, *arguments, **options)


TOLD = {
    "stack": (lambda: nn.Sequential(conv1d(5, 2, 2), nn.ReLU(), nn.MaxPool1d(3, 2), conv1d(4, 3)), (4096,)),
    "no multiple": (lambda: nn.Sequential(conv1d(5, 2, 2), nn.ReLU(), nn.MaxPool1d(3, 2), conv1d(4, 3)), (4099,)),
    "dilated": (lambda: nn.Sequential(*(conv1d(3, dilation=3**k) for k in range(4))), (2000,)),
    "causal": (WaveNet, (5000,)),
    "two axes": (lambda: nn.Sequential(conv2d(3, 2, 1), nn.BatchNorm2d(2), conv2d((1, 5))), (1500, 1203)),
    "one long axis": (lambda: nn.Sequential(conv2d(3, 2, 1), nn.AvgPool2d(2)), (3000, 40)),
    "U-Net": (UNet, (2048, 1601)),
    "U-Net of many pixels": (UNet, (4096, 4096)),
    "upsampled": (lambda: nn.Sequential(conv2d(3, 4), nn.Upsample(scale_factor=4), conv2d(3)), (1600, 1600)),
    "transposed": (lambda: nn.Sequential(nn.ConvTranspose1d(2, 2, 5, 3, 1), conv1d(3, 2)), (3001,)),
    "as TensorFlow pads": (lambda: nn.Sequential(SamePadded(2, 2, 5, 2), SamePadded(2, 2, 5, 2)), (1603, 1602)),
    "channels last": (lambda: Applied(lambda last, x: last(x).transpose(1, 2)), (3000,)),
    "in windows": (lambda: Applied(lambda last, x: last(x).unflatten(2, (-1, 8)).mean(3)), (4000,)),
    "cut": (lambda: Applied(lambda last, x: last(x)[..., 3:-5:2]), (4000,)),
    "head of another kind": (
        lambda: nn.Sequential(conv1d(3), conv1d(3, 2), nn.AdaptiveAvgPool1d(1)),
        (4000,),
    ),
}

NOT_TOLD = {
    "pooled": (lambda: Applied(lambda last, x: last(x) * x.mean(2, keepdim=True)), (4096,)),
    "norm of the image": (lambda: nn.Sequential(conv1d(3), nn.GroupNorm(1, 2), conv1d(3)), (4096,)),
    "attention": (lambda: Applied(lambda last, x: functional.softmax(x.mT @ x, -1) @ x.mT), (1100,)),
    "positions": (Positions, (4096,)),
    "sum begun with zeros": (lambda: Applied(lambda last, x: torch.zeros_like(x) + last(x)), (4096,)),
    "circular": (lambda: nn.Sequential(conv1d(5, padding=2, padding_mode="circular"), conv1d(3)), (4096,)),
    "reflected": (lambda: nn.Sequential(conv1d(5, padding=2, padding_mode="reflect"), conv1d(3)), (4096,)),
    "fixed size": (lambda: Applied(lambda last, x: functional.interpolate(last(x), size=333)), (4096,)),
    "ends aligned": (
        lambda: Applied(lambda last, x: functional.interpolate(x, scale_factor=2, mode="linear", align_corners=True)),
        (2000,),
    ),
    "fixed pooling": (lambda: Applied(lambda last, x: functional.adaptive_avg_pool1d(last(x), 512)), (4096,)),
    "more layers when long": (lambda: Applied(lambda last, x: last(last(x)) if x.shape[2] > 3000 else x), (4096,)),
    "more padding when long": (
        lambda: Applied(lambda last, x: functional.pad(last(x), (x.shape[2] // 3000, 0))),
        (4096,),
    ),
    "other windows when long": (
        lambda: Applied(lambda last, x: last(x).unflatten(2, (-1, 8 if x.shape[2] < 3000 else 4)).mean(3)),
        (4096,),
    ),
    "cut when long": (lambda: Applied(lambda last, x: last(x)[..., : 64 if x.shape[2] < 3000 else 4000]), (4096,)),
    "last part": (lambda: Applied(lambda last, x: last(x)[..., -100:]), (4096,)),
    "one place from the end": (lambda: Applied(lambda last, x: last(x) + x[..., -3:-2]), (4096,)),
    "middle": (lambda: Applied(lambda last, x: last(x)[..., x.shape[2] // 4 : x.shape[2] // 2]), (4096,)),
    "put behind": (lambda: Applied(lambda last, x: torch.cat([last(x), x], 2)), (4096,)),
    "turned": (lambda: Applied(lambda last, x: last(x).flip(2)), (4096,)),
    "rolled": (lambda: Applied(lambda last, x: last(x).roll(7, 2)), (4096,)),
    "sum so far": (lambda: Applied(lambda last, x: last(x).cumsum(2)), (4096,)),
    "odd resampling": (lambda: Applied(lambda last, x: functional.interpolate(x, scale_factor=1.5)), (4096,)),
    "coarser than the short": (lambda: nn.Sequential(*(conv1d(2, 2) for _ in range(10))), (4096,)),
    "values": (lambda: Applied(lambda last, x: last(x) if bool((x[0, 0, 0] < 9).all()) else x), (2048,)),
    "a view written": (lambda: Applied(lambda last, x: last(x).index_fill(2, torch.tensor([5]), 0.0)), (4096,)),
}


def told_in_short(monkeypatch, network, size, needed=("",)):
    """Return the pass that short images tell; None if they tell none."""
    monkeypatch.setattr(long_inputs, "LONG", LONG)
    monkeypatch.setattr(long_inputs, "SHORT", 64)
    calls = []
    monkeypatch.setattr(long_inputs, "pass_to", lambda *arguments: calls.append(arguments))
    passed = pass_to_in_short(network.eval(), size, 2, needed)
    assert (passed is None) == bool(calls)
    monkeypatch.setattr(long_inputs, "pass_to", pass_to)
    return passed


def assert_equal(told, direct):
    assert told.size == direct.size
    assert told.operators == direct.operators
    assert told.network == direct.network
    assert [long_inputs._facts(step) for step in told.steps] == [long_inputs._facts(step) for step in direct.steps]
    for one, other in zip(told.steps, direct.steps, strict=True):
        assert len(one.outputs) == len(other.outputs)
        for reaches, expected in zip(one.outputs, other.outputs, strict=True):
            for a, b in zip(reaches, expected, strict=True):
                assert (a.dims, a.exact) == (b.dims, b.exact)
                np.testing.assert_array_equal(a.values, b.values)


@pytest.mark.parametrize("name", TOLD)
def test_short_images_tell_every_box_of_a_long_one(monkeypatch, name):
    make, size = TOLD[name]
    network = make()
    needed = ("1",) if name == "head of another kind" else ("",)
    told = told_in_short(monkeypatch, network, size, needed)
    assert told is not None
    direct = pass_to(network, size, 2, needed, None)
    if needed != ("",):
        told.steps, direct.steps = told.steps[:2], direct.steps[:2]
    assert_equal(told, direct)


@pytest.mark.parametrize("name", TOLD)
def test_fields_and_rows_of_layers_are_those_of_the_long_image(monkeypatch, name):
    make, size = TOLD[name]
    network = make()
    layer = "1" if name == "head of another kind" else None
    unit: Any = [None, (0,) * len(size)]
    direct: Any = erf.theoretical_receptive_field(network, size, layer, unit, channels=2)
    monkeypatch.setattr(long_inputs, "LONG", LONG)
    monkeypatch.setattr(long_inputs, "SHORT", 64)
    told: Any = erf.theoretical_receptive_field(network, size, layer, unit, channels=2)
    assert told == direct
    for one, other in zip(told, direct, strict=True):
        assert one.layers == other.layers
        assert one.calls == other.calls
        assert one.first_larger_than_input == other.first_larger_than_input


@pytest.mark.parametrize("name", NOT_TOLD)
def test_where_short_images_do_not_tell_the_long_one_is_followed(monkeypatch, name):
    make, size = NOT_TOLD[name]
    assert told_in_short(monkeypatch, make(), size) is None


def test_a_field_may_be_larger_than_the_short_images(monkeypatch):
    network = WaveNet()
    told = told_in_short(monkeypatch, network, (5000,))
    assert told is not None
    (reach,) = told.steps[-1].outputs[0]
    first, minus_last = reach.dense()[:2, 0, 0, 2500]
    assert (first, -minus_last) == (2500 - 2 * 255, 2500)


def test_short_images_are_not_looked_at_below_the_size_at_which_it_pays(monkeypatch):
    monkeypatch.setattr(long_inputs, "_pass_of_long", None)
    assert erf.theoretical_receptive_field(conv1d(3), (long_inputs.LONG - 1,), channels=2).size == (3,)
