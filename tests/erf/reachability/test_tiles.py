"""Tiles with their halo give what the whole image gives, and with less they do not."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from erf import Halo, halo
from erf.errors import InvalidInput


class Skipped(nn.Module):
    """Down, up, and a skip around both."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(3, 3, 4, stride=4), nn.ConvTranspose2d(3, 3, 4, stride=4)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.up(self.down(x))


NETWORKS = {
    "convolutions": lambda: nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 5, padding=2)),
    "strides": lambda: nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3, padding=1)),
    "looks back": lambda: nn.Sequential(nn.ZeroPad2d((0, 0, 4, 0)), nn.Conv2d(3, 4, (5, 1))),
    "upsampled": lambda: nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(3, 4, 3, padding=1), nn.Upsample(scale_factor=4)),
    "skip": Skipped,
}


def whole_numbers(make) -> nn.Module:
    """With weights whose sums are exact, in whatever order."""
    torch.manual_seed(0)
    network = make().double().eval().requires_grad_(False)
    for parameter in network.parameters():
        parameter.copy_(torch.randint(1, 5, parameter.shape))
    return network


def in_tiles(network: nn.Module, image: Tensor, tile: int, needed: Halo, untiled: Tensor) -> Tensor:
    output = torch.full_like(untiled, torch.nan)
    rates = [units / pixels for units, pixels in zip(needed.units, needed.alignment, strict=True)]
    for top in range(0, image.shape[2], tile):
        for left in range(0, image.shape[3], tile):
            corner = top, left
            starts = [max(first - before, 0) for first, before in zip(corner, needed.before, strict=True)]
            ends = [first + tile + after for first, after in zip(corner, needed.after, strict=True)]
            part = network(image[:, :, starts[0] : ends[0], starts[1] : ends[1]])
            cut, place = [], []
            for first, start, rate in zip(corner, starts, rates, strict=True):
                cut.append(slice(round((first - start) * rate), round((first - start + tile) * rate)))
                place.append(slice(round(first * rate), round((first + tile) * rate)))
            output[:, :, place[0], place[1]] = part[:, :, cut[0], cut[1]]
    return output


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_tiles_equal_the_whole_image_bit_by_bit_and_with_less_they_do_not(make) -> None:
    network = whole_numbers(make)
    needed = halo(network)
    image = torch.randint(1, 10, (1, 3, 64, 48), dtype=torch.float64)
    untiled = network(image)
    assert torch.equal(in_tiles(network, image, 16, needed, untiled), untiled)
    for side in ("before", "after"):
        for axis in range(2):
            pixels = list(getattr(needed, side))
            if pixels[axis] == 0:
                continue
            pixels[axis] -= needed.alignment[axis]
            less = Halo(**(vars(needed) | {side: tuple(pixels)}))
            assert not torch.equal(in_tiles(network, image, 16, less, untiled), untiled)


def test_a_network_that_looks_back_needs_nothing_after() -> None:
    needed = halo(NETWORKS["looks back"]())
    assert (needed.before, needed.after, needed.smallest_input) == ((4, 0), (0, 0), (5, 1))


REFUSED = {
    "spans": (nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4)), "an operator spans the image"),
    "mirrors": (nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReflectionPad2d(1)), "a tile does not give what the image gives"),
    "runs on nothing": (nn.Conv2d(3, 4, 99), "the network does not run on an input"),
}


@pytest.mark.parametrize(("network", "message"), REFUSED.values(), ids=REFUSED)
def test_where_no_tile_gives_what_the_image_gives_halo_says_so(network: nn.Module, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        halo(network)


class ChannelAttention(nn.Module):
    """Its first convolution is along the channels."""

    def __init__(self, dims: int) -> None:
        super().__init__()
        kind = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
        self.mixing, self.conv = kind[dims % 3](1, 1, 1), kind[dims - 1](3, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return y + self.mixing.weight.mean()


@pytest.mark.parametrize("dims", [1, 2])
def test_halo_takes_the_axes_on_which_the_network_runs(dims: int) -> None:
    needed = halo(ChannelAttention(dims), channels=3)
    assert needed.before == needed.after == (1,) * dims
