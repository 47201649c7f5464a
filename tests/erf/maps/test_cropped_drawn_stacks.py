"""Any drawn stack of layers has the map of the whole image, in float32 as in float64."""

from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import Phase, event, given, settings
from hypothesis import strategies as st
from torch import nn

from erf import InvalidInput, effective_receptive_field, theoretical_receptive_field
from tests.erf.hard_cases import Forward
from tests.erf.maps.whole_image_check import check, images_of, made
from tests.oracles.whole_image import whole_image_map

pytestmark = pytest.mark.usefixtures("crop_small_images")


# What stops a crop is in them too: odd factors, padding by what is inside, what drops a border, gaps.
LAYERS = st.one_of(
    st.builds(
        lambda k, s, p, d: lambda i, o: nn.Conv2d(i, o, k, s, p, d),
        *[st.integers(low, high) for low, high in ((1, 4), (1, 3), (0, 3), (1, 2))],
    ),
    st.builds(
        lambda k, s, p: lambda i, o: nn.Sequential(nn.Conv2d(i, o, 1), nn.MaxPool2d(k, s, min(p, k // 2))),
        *[st.integers(low, high) for low, high in ((2, 3), (1, 3), (0, 1))],
    ),
    st.builds(
        lambda k, ceil: lambda i, o: nn.Sequential(nn.AvgPool2d(k, ceil_mode=ceil), nn.Conv2d(i, o, 1)),
        st.integers(2, 3),
        st.booleans(),
    ),
    st.builds(
        lambda k, s, p: lambda i, o: nn.ConvTranspose2d(i, o, k, s, min(p, k - 1)),
        *[st.integers(low, high) for low, high in ((1, 4), (1, 3), (0, 3))],
    ),
    st.builds(
        lambda factor, mode: lambda i, o: nn.Sequential(nn.Conv2d(i, o, 1), nn.Upsample(None, factor, mode)),
        st.sampled_from([2, 1.5, 0.5]),
        st.sampled_from(["nearest", "bilinear"]),
    ),
    st.builds(
        lambda pads, mode: lambda i, o: nn.Sequential(
            Forward(lambda x: F.pad(x, pads, mode)), nn.Conv2d(i, o, 3)
        ),
        st.lists(st.integers(0, 2), min_size=4, max_size=4),
        st.sampled_from(["constant", "constant", "reflect", "replicate", "circular"]),
    ),
    st.builds(
        lambda first, last, step: lambda i, o: nn.Sequential(
            Forward(lambda x: x[:, :, first : x.shape[2] - last : step]), nn.Conv2d(i, o, 1)
        ),
        *[st.integers(low, high) for low, high in ((0, 2), (0, 2), (1, 2))],
    ),
    st.just(lambda i, o: nn.Sequential(nn.Conv2d(i, 4 * o, 1), nn.PixelShuffle(2))),
    st.just(lambda i, o: nn.Sequential(nn.Conv2d(i, o, 1), nn.BatchNorm2d(o))),
)  # fmt: skip


class Drawn(nn.Module):
    """A chain of layers; an input of an earlier one of the same size is added where there is one."""

    def __init__(self, layers, skip):
        super().__init__()
        widths = [2, *(3 for _ in layers)]
        self.layers = nn.ModuleList(layer(*pair) for layer, pair in zip(layers, pairwise(widths), strict=True))
        self.skip = skip

    def forward(self, x):
        remembered = []
        for layer in self.layers:
            x = torch.tanh(layer(x))
            alike = [other for other in remembered if other.shape == x.shape]
            remembered.append(x)
            x = x + alike[-1] if self.skip and alike else x
        return x


@settings(max_examples=30, phases=[Phase.generate, Phase.shrink])
@given(st.lists(LAYERS, min_size=1, max_size=4), st.booleans(), st.integers(20, 33), st.integers(20, 33), st.data())
def test_any_stack_gives_the_map_of_the_whole_image(layers, skip, rows, columns, data):
    network = made(Drawn(layers, skip))
    try:
        grid = theoretical_receptive_field(network, (rows, columns), channels=2).grid
    except InvalidInput:  # too small an image, or no pixel reaches the unit
        return
    unit = tuple(data.draw(st.integers(0, n - 1)) for n in grid)
    (share,) = check(network, images_of(rows, columns, count=1), None, [unit])
    event("a crop" if share < 1 else "the whole image")


@contextmanager
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@settings(max_examples=20, phases=[Phase.generate, Phase.shrink])
@given(st.lists(LAYERS, min_size=1, max_size=4), st.booleans(), st.integers(20, 33), st.integers(1, 4))
def test_any_stack_gives_in_float32_nearly_the_map_of_float64(layers, skip, side, count):
    network, images = made(Drawn(layers, skip)), images_of(side, side, count=count).float()
    try:
        field = theoretical_receptive_field(network, (side, side), channels=2)
    except InvalidInput:  # too small an image, or no pixel reaches the unit
        return
    network.float()  # whose channels lie innermost in memory, and whose 1x1 convolutions take all images at once
    with one_thread():
        imap = effective_receptive_field(network, images)
    expected = whole_image_map(network.double(), images.double(), None, field.index)
    values = imap.values * (imap.samples / count)
    assert np.linalg.norm(values - expected) <= 1e-2 * np.linalg.norm(expected)
