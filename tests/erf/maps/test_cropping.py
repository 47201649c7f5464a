"""A map measured on a crop is that of the whole image; where it would not be, the whole image is measured."""

from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from math import prod
from weakref import WeakKeyDictionary

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision
from hypothesis import Phase, event, given, settings
from hypothesis import strategies as st
from torch import nn
from torchvision.models import segmentation
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.convnext import CNBlockConfig
from torchvision.models.resnet import Bottleneck
from torchvision.models.vgg import make_layers

from erf import InvalidInput, effective_receptive_field, theoretical_receptive_field
from erf.maps import cropping, prepared
from tests.erf.hard_cases import PLANE, Forward
from tests.oracles.whole_image import whole_image_map

TOLERANCE = 1e-12


@pytest.fixture(autouse=True)
def _crop_small_images(monkeypatch):
    monkeypatch.setattr(cropping, "OVERHEAD", 0)


def images_of(*size, channels=2, count=2):
    return torch.randn(count, channels, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def made(network):
    """Return a network in float64 whose every parameter and running statistic is drawn."""
    random = torch.Generator().manual_seed(5)
    network = network.double()
    for name, tensor in (*network.named_parameters(), *network.named_buffers()):
        if tensor.is_floating_point():
            scale = 1.0 if tensor.ndim < 2 else (2 / tensor[0].numel()) ** 0.5
            drawn = torch.randn(tensor.shape, generator=random, dtype=torch.float64) * scale
            tensor.data = drawn.abs() + 0.5 if "running_var" in name else drawn
    return network.eval()


@contextmanager
def pixels_run(network):
    """Note how many pixels of one image each forward pass with data sees."""
    seen = []
    hook = network.register_forward_pre_hook(
        lambda _, given: None if given[0].is_meta else seen.append(prod(given[0].shape[2:]))
    )
    yield seen
    hook.remove()


def check(network, images, layer, units, mode="eval"):
    """Compare the maps of the units with plain gradients; return the share of the image that each one took."""
    size, shares = images.shape[2:], []
    fields = theoretical_receptive_field(network, size, layer, unit=units, channels=images.shape[1], mode=mode)
    for unit, field in zip(units, fields, strict=True):
        expected = whole_image_map(network, images, layer, field.index)
        with pixels_run(network) as seen:
            imap = effective_receptive_field(network, images, layer, unit, mode=mode)
        peak = expected.max() or 1
        assert imap.values.shape == size
        assert np.abs(imap.values * (imap.samples / len(images)) - expected).max() <= TOLERANCE * peak
        assert (imap.trf_box, imap.center, imap.origin) == (field.box, field.center, (0,) * len(size))
        shares.append(max(seen) / prod(size))
    return shares


def places(grid):
    """Return units in the middle, at corners, on an edge and next to one."""
    middle, last = [n // 2 for n in grid], [n - 1 for n in grid]
    return [tuple(place) for place in (middle, [0] * len(grid), last, [0, *middle[1:]], [*last[:-1], min(1, last[-1])])]


# Small networks of the real families' own blocks.
def resnet():
    network = torchvision.models.ResNet(Bottleneck, [1, 1, 1, 1], 2, width_per_group=8)
    return nn.Sequential(*list(network.children())[:6])


def densenet():
    return torchvision.models.DenseNet(4, (3, 3), 8, num_classes=2).features


def mobilenet():
    return torchvision.models.MobileNetV2(2, width_mult=0.25).features[:6]


def vgg():
    return make_layers([8, "M", 8, "M", 16, 16, "M"], batch_norm=True)


def convnext():
    return torchvision.models.ConvNeXt([CNBlockConfig(8, 16, 1), CNBlockConfig(16, None, 1)], num_classes=2).features


def shufflenet():
    network = torchvision.models.ShuffleNetV2([2, 1, 1], [4, 8, 8, 8, 8], 2)
    return nn.Sequential(network.conv1, network.maxpool, network.stage2)


def dilated_backbone():
    dilated = torchvision.models.ResNet(
        Bottleneck, [1, 1, 1, 1], 2, width_per_group=8, replace_stride_with_dilation=[False, True, True]
    )
    return IntermediateLayerGetter(dilated, {"layer3": "out"})


class UNet(nn.Module):
    """Two levels down and up again, joined by concatenation."""

    def __init__(self, up, join=lambda a, b: torch.cat([a, b], 1)):
        super().__init__()
        self.first = nn.Conv2d(2, 4, 3, padding=1)
        self.second = nn.Sequential(nn.Conv2d(4, 6, 3, padding=1), nn.BatchNorm2d(6), nn.Tanh())
        self.third = nn.Conv2d(6, 8, 3, padding=1)
        self.up, self.join = nn.ModuleList([up(8, 6), up(6, 4)]), join
        self.fourth, self.fifth = nn.Conv2d(12, 6, 3, padding=1), nn.Conv2d(8, 3, 3, padding=1)

    def forward(self, x):
        a = torch.tanh(self.first(x))
        b = self.second(F.max_pool2d(a, 2))
        c = torch.tanh(self.third(F.avg_pool2d(b, 2)))
        d = torch.tanh(self.fourth(self.join(self.up[0](c), b)))
        return self.fifth(self.join(self.up[1](d), a))


def upsampled(mode):
    return lambda i, o: nn.Sequential(nn.Upsample(scale_factor=2, mode=mode), nn.Conv2d(i, o, 1))


def to_the_skips_size(low, skip):
    return torch.cat([F.interpolate(low, skip.shape[2:], mode="bilinear"), skip], 1)


def padded_to_the_skips_size(low, skip):
    return torch.cat([F.pad(low, (0, skip.shape[3] - low.shape[3], 0, skip.shape[2] - low.shape[2])), skip], 1)


def chain(*layers):
    return lambda: nn.Sequential(*layers)


def same(inputs=2, outputs=2, **options):
    return nn.Conv2d(inputs, outputs, 3, padding=1, **options)


# name: network, layer, image (channels and size), the largest share of it that the middle unit may take
CROPPED = {
    "ResNet": (resnet, "5", (3, 96, 80), 0.36),
    "ResNet, within a block": (resnet, "5.0.downsample.0", (3, 64, 64), 0.3),
    "VGG": (vgg, None, (3, 72, 64), 0.4),
    "MobileNetV2": (mobilenet, "4", (3, 64, 64), 0.3),
    "ConvNeXt": (convnext, "1", (3, 80, 64), 0.3),
    "DenseNet": (densenet, "denseblock1", (3, 64, 64), 0.4),
    "ShuffleNet": (shufflenet, "2", (3, 80, 80), 0.4),
    "FCN's dilated backbone": (dilated_backbone, "layer3", (3, 96, 80), 0.4),
    "U-Net, transposed": (lambda: UNet(lambda i, o: nn.ConvTranspose2d(i, o, 2, 2)), None, (2, 64, 72), 0.3),
    "U-Net, nearest": (lambda: UNet(upsampled("nearest")), None, (2, 64, 72), 0.3),
    "U-Net, bilinear": (lambda: UNet(upsampled("bilinear")), None, (2, 64, 72), 0.3),
    "U-Net, to the skip's size": (
        lambda: UNet(lambda i, o: nn.Conv2d(i, o, 1), to_the_skips_size), None, (2, 64, 64), 0.4
    ),
    "U-Net, padded": (
        lambda: UNet(lambda i, o: nn.ConvTranspose2d(i, o, 2, 2), padded_to_the_skips_size), None, (2, 64, 64), 0.3
    ),
    "strided": (chain(same(stride=2), nn.Tanh(), same(stride=3), nn.Tanh(), same()), None, (2, 60, 60), 0.3),
    "dilated": (chain(same(), nn.Tanh(), nn.Conv2d(2, 3, 3, dilation=3, padding=3)), None, (2, 40, 30), 0.1),
    "even kernels": (chain(nn.Conv2d(2, 2, 2), nn.Tanh(), nn.Conv2d(2, 2, 4, 2, 1)), None, (2, 30, 30), 0.1),
    "transposed": (
        chain(same(stride=2), nn.Tanh(), nn.ConvTranspose2d(2, 3, 3, 2, 1, 1), nn.Tanh(), same(3)),
        None, (2, 40, 40), 0.1,
    ),
    "anisotropic": (chain(nn.Conv2d(2, 2, (1, 5), (2, 1)), nn.Tanh(), nn.Conv2d(2, 2, (3, 1))), None, (2, 30, 30), 0.1),
    "pixel shuffle": (chain(same(2, 8), nn.PixelShuffle(2), nn.Tanh(), same()), None, (2, 24, 24), 0.1),
    "pixel unshuffle": (chain(nn.PixelUnshuffle(4), nn.Tanh(), same(32)), None, (2, 48, 48), 0.1),
    "tokens": (
        lambda: Forward(lambda x, a, b: b(torch.tanh(a(x)).flatten(2).transpose(1, 2)), same(2, 4), nn.Linear(4, 3)),
        None, (2, 24, 20), 0.05,
    ),
    "global in one axis": (
        lambda: Forward(lambda x, a, b: b(torch.tanh(a(x)).softmax(2)), same(), same()), None, (2, 12, 40), 0.2
    ),
}  # fmt: skip


# Their operators are those of the others.
SLOW = {"VGG", "MobileNetV2", "ConvNeXt", "DenseNet", "FCN's dilated backbone", "U-Net, nearest"}


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in CROPPED])
def test_a_crop_gives_the_map_of_the_whole_image(name):
    factory, layer, (channels, *size), most = CROPPED[name]
    network = made(factory())
    grid = theoretical_receptive_field(network, size, layer, channels=channels).grid
    shares = check(network, images_of(*size, channels=channels), layer, places(grid))
    assert shares[0] <= most
    assert all(share < 1 for share in shares)


AXES = {
    "1-D": (lambda: nn.Sequential(nn.Conv1d(2, 4, 5, 2, 1), nn.Tanh(), nn.MaxPool1d(2), nn.Conv1d(4, 2, 3)), (97,)),
    "1-D up": (lambda: nn.Sequential(nn.ConvTranspose1d(2, 2, 4, 3), nn.Tanh(), nn.Conv1d(2, 2, 3)), (60,)),
    "3-D": (
        lambda: nn.Sequential(
            nn.Conv3d(2, 2, (3, 1, 2), (1, 2, 1), (1, 0, 1)), nn.Tanh(), nn.MaxPool3d(2, 1), nn.AvgPool3d(2)
        ),
        (14, 13, 12),
    ),
    "3-D up": (
        lambda: nn.Sequential(nn.Upsample(scale_factor=2, mode="trilinear"), nn.ConvTranspose3d(2, 2, 3, 2)),
        (9, 9, 9),
    ),
}


@pytest.mark.parametrize("name", AXES)
def test_one_and_three_axes(name):
    factory, size = AXES[name]
    network = made(factory())
    shares = check(network, images_of(*size), None, places(theoretical_receptive_field(network, size, channels=2).grid))
    assert shares[0] < 0.5


class Conditioned(nn.Module):
    """A 3 x 3 convolution of an image to which something was done that depends on its size."""

    def __init__(self, change, *shape):
        super().__init__()
        self.change, self.convolution = change, nn.LazyConv2d(3, 3, padding=1)
        self.table = nn.Parameter(torch.zeros(shape)) if shape else None
        self.plain = torch.linspace(1, 2, 32)[:, None].double()

    def forward(self, x):
        return self.convolution(torch.tanh(self.change(x) if self.table is None else self.change(x, self.table)))


def conditioned(change, *shape):
    def factory():
        network = Conditioned(change, *shape)
        network(torch.zeros(1, 2, 32, 32))
        return network

    return factory


def coordinates(x):
    rows = torch.linspace(-1, 1, x.shape[2], dtype=x.dtype, device=x.device)
    return torch.cat([x, rows[None, None, :, None].expand(len(x), 1, *x.shape[2:])], 1)


def masked(x):
    mask = torch.zeros(x.shape[2:], dtype=x.dtype, device=x.device)
    mask[4:] = 1
    return x * mask


def dropping_then_padding(x, conv):
    """A window at the border of a crop would see padding where the image goes on."""
    return F.pad(torch.tanh(conv(x[:, :, 2:, 2:])), (2, 2, 2, 2))


def dropping_the_end_then_padding(x, conv):
    """The same at the other end."""
    return F.pad(torch.tanh(conv(x[:, :, :-2, :-2])), (2, 2, 2, 2))


def changed_in_place(x, conv):
    """What is returned is the same tensor; more was done to it where the image is small."""
    y = conv(x)
    return y if x.shape[2] > 30 else torch.tanh_(y)


def biased_gaps(x, up, conv):
    """No pixel reaches the gaps of the transposed convolution, but they are not 0 as padding is."""
    return conv(torch.tanh(up(x)))


WHOLE = {
    "global pooling": lambda: Forward(lambda x, a: a(x) * torch.sigmoid(x.mean((2, 3), keepdim=True)), same()),
    "group norm": chain(same(), nn.GroupNorm(1, 2), same()),
    "attention": PLANE["attention"],
    "adaptive pooling": chain(same(), nn.AdaptiveAvgPool2d(8), same()),
    "adaptive pooling that keeps the size": chain(same(), nn.AdaptiveAvgPool2d(32), same()),
    "interpolation to a fixed size": chain(same(), nn.Upsample((48, 48), mode="bilinear"), same()),
    "interpolation by an odd factor": chain(same(), nn.Upsample(scale_factor=1.5, mode="bilinear"), same()),
    "aligned corners": chain(same(), nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True), same()),
    "coordinate channels": conditioned(coordinates),
    "position embedding": conditioned(lambda x, table: x + table, 1, 2, 32, 32),
    "interpolated position embedding": conditioned(
        lambda x, table: x + F.interpolate(table, x.shape[2:], mode="bilinear"), 1, 2, 8, 8
    ),
    "position embedding cut to size": conditioned(lambda x, table: x + table[: x.shape[2], : x.shape[3]], 40, 40),
    "rows chosen by the size": conditioned(lambda x, table: x + table[x.shape[2] // 8], 9, 1, 1),
    "mask": conditioned(masked),
    "scale that is the size": conditioned(lambda x: x * (x.shape[2] / 32)),
    "tensor that is the size": conditioned(lambda x: x * torch.tensor(x.shape[2] / 32, dtype=x.dtype)),
    "branch on the size": conditioned(lambda x: x if x.shape[2] > 30 else -x),
    "end chosen by the size": lambda: Forward(lambda x, a: torch.tanh(a(x)) if x.shape[2] > 30 else a(x), same()),
    "start chosen by the size": lambda: Forward(lambda x, a: a(x) if x.shape[2] > 30 else torch.tanh(a(x)), same()),
    "output chosen by the size": lambda: Forward(
        lambda x, a, b: (a(x), b(x))[x.shape[2] > 30], same(), same()
    ),
    "end changed in place by the size": lambda: Forward(changed_in_place, same()),
    "constant changed in place by the size": conditioned(
        lambda x, table: x + table.clone().mul_(x.shape[2] / 32), 1, 1, 1
    ),
    "repeated as often as there are rows": conditioned(
        lambda x: x[:, :, None].expand(-1, -1, x.shape[2], -1, -1).sum(2) / 32
    ),
    "rows counted from the end": lambda: Forward(
        lambda x, a: a(x[:, :, -6:])[:, :, :1], nn.Conv2d(2, 2, (9, 3), padding=(4, 1))
    ),
    "fixed view": conditioned(lambda x: x.view(len(x), 2, 8, 4, 8, 4).flip(2).reshape(x.shape)),
    "fixed slice": conditioned(lambda x: F.pad(x[:, :, 4:28, 4:28], (4, 4, 4, 4))),
    "roll": PLANE["roll"],
    "flip": PLANE["flip"],
    "shifted windows": PLANE["shifted windows"],
    "circular": PLANE["circular"],
    "circular by hand": PLANE["circular by hand"],
    "reflection": PLANE["reflection"],
    "replication": PLANE["replication"],
    "picked rows": chain(Forward(lambda x: x[:, :, torch.arange(0, 32, 2)]), same()),
    "write to a view": PLANE["write to a view"],
    "dropping, then padding": lambda: Forward(dropping_then_padding, same()),
    "dropping the end, then padding": lambda: Forward(dropping_the_end_then_padding, same()),
    "transposed convolution that drops its border": chain(nn.ConvTranspose2d(2, 2, 4, 2, 3), nn.Tanh(), same()),
    "biased gaps": lambda: Forward(biased_gaps, nn.ConvTranspose2d(2, 2, 1, 3), same()),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_the_whole_image_is_measured_where_a_crop_would_differ(name):
    network = made(WHOLE[name]())
    field = theoretical_receptive_field(network, (32, 32), channels=2)
    shares = check(network, images_of(32, 32), None, places(field.grid))
    assert shares[0] == 1


def test_shifted_window_attention_is_measured_on_the_whole_image():
    network = torchvision.models.SwinTransformer([4, 4], 8, [2, 2], [2, 2], [4, 4], num_classes=2).double().eval()
    assert check(network, images_of(64, 64, channels=3, count=1), "features.1", [(8, 9)]) == [1]


def test_train_mode_is_measured_on_the_whole_image():
    images = images_of(32, 32)
    norm = made(nn.Sequential(same(), nn.BatchNorm2d(2), same())).train()
    with pixels_run(norm) as seen:
        effective_receptive_field(norm, images, mode="as_is")
    assert set(seen) == {32 * 32}
    assert check(norm.eval(), images, None, [(16, 16)], mode="as_is")[0] < 0.1
    drawn = nn.Sequential(same(), nn.Dropout(0.5), same()).double().train()
    with pixels_run(drawn) as seen:
        effective_receptive_field(drawn, images, mode="as_is")
    assert set(seen) == {32 * 32}


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize(
    ("statistic", "aggregation"),
    [("mean_abs", "random_sign"), ("rms", "sum"), ("mean_square", 1), ("signed_mean", 0), ("mean_abs", "sum")],
)
def test_every_choice_gives_the_same_as_on_the_whole_image(monkeypatch, statistic, aggregation, normalize):
    network = made(nn.Sequential(same(2, 3, stride=2), nn.ReLU(), same(3, 3), nn.ReLU()))
    images = images_of(40, 36, count=7)
    units, layers = [(10, 9), (0, 0), (19, 4)], ["0", "3"]
    choices = {"statistic": statistic, "aggregation": aggregation, "normalize": normalize, "seed": 4}
    measure = partial(effective_receptive_field, network, layer=layers, unit=units, batch_size=3, **choices)
    with pixels_run(network) as seen:
        cropped = measure(images)
    assert max(seen) < 40 * 36 / 4
    halves = measure(images[:4]), measure(images[4:], first_sample=4)
    monkeypatch.setattr(cropping, "OVERHEAD", 10**9)
    monkeypatch.setattr(prepared, "_remembered", WeakKeyDictionary())
    with pixels_run(network) as seen:
        expected = measure(images)
    assert seen == [40 * 36] * 3 + ([40 * 36] * 2 if aggregation == "sum" else [])
    for name in layers:
        for k, of_image in enumerate(expected[name]):
            for imap in (cropped[name][k], halves[0][name][k].merge(halves[1][name][k])):
                np.testing.assert_allclose(
                    imap.values, of_image.values, rtol=0, atol=TOLERANCE * np.abs(of_image.values).max()
                )
                assert (imap.samples, imap.skipped, imap.diagnostics) == (
                    of_image.samples,
                    of_image.skipped,
                    of_image.diagnostics,
                )
                assert (imap.trf_box, imap.center, imap.statistic) == (
                    of_image.trf_box,
                    of_image.center,
                    of_image.statistic,
                )


def test_units_share_a_pass_where_that_is_cheaper():
    network = made(nn.Sequential(same(), nn.Tanh(), same(), nn.Tanh(), same()))
    together = [(20, 20), (20, 21), (21, 20), (21, 21)]
    _, crops = cropping.crops(network, (60, 60), 2, ["0", "2", "4"], [*together, (50, 5)])
    sharing = [sorted({probe.field.unit for probe in crop.probes.values()}) for crop in crops]
    assert len(crops) < 15
    assert all(units == [(50, 5)] or set(units) <= set(together) for units in sharing)
    assert sorted(number for crop in crops for number in crop.probes) == list(range(15))
    global_too = nn.Sequential(same(), nn.GroupNorm(1, 2), same()).double()
    assert [crop.box for crop in cropping.crops(global_too, (20, 20), 2, ["0", "2"], [None])[1]] == [
        ((9, 12), (9, 12)), ((0, 20), (0, 20))
    ]  # fmt: skip
    _, (crop,) = cropping.crops(global_too, (20, 20), 2, ["1", "2"], [None])
    assert crop.box == ((0, 20), (0, 20))


def test_nothing_runs_after_the_last_layer():
    class Refusing(nn.Module):
        def forward(self, x):
            assert x.is_meta
            return x

    network = nn.Sequential(same(), nn.Tanh(), same(), Refusing()).double()
    effective_receptive_field(network, images_of(20, 20), layer=["0", "2"])
    with pytest.raises(InvalidInput, match="does not run"):
        effective_receptive_field(network, images_of(20, 20))


def test_small_images_are_not_worth_a_crop(monkeypatch):
    monkeypatch.undo()
    network, images = made(nn.Sequential(same(), nn.Tanh(), same())), images_of(64, 64)
    assert check(network, images, None, [(20, 20)]) == [1]
    assert check(network, images_of(64, 66), None, [(20, 20)])[0] < 0.01


# What the networks above are made like, at the size of photographs.
REAL = {
    "resnet50": ["layer1", "layer2"],
    "vgg16": ["features.15", "features.22"],
    "mobilenet_v3_large": ["features.3"],
    "convnext_tiny": ["features.1", "features.3"],
    "densenet121": ["features.denseblock1"],
    "googlenet": ["inception3a"],
    "inception_v3": ["Mixed_5b"],
    "regnet_y_400mf": ["stem"],
    "efficientnet_b0": ["features.0"],
    "fcn_resnet50": ["backbone.layer1", "backbone.layer2"],
    "deeplabv3_resnet50": ["backbone.layer2"],
    "lraspp_mobilenet_v3_large": ["backbone.3"],
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_torchvisions_networks_are_cropped(name):
    torch.manual_seed(0)
    options = {"weights_backbone": None} if hasattr(segmentation, name) else {}
    options |= {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    network = torchvision.models.get_model(name, weights=None, **options).double().eval()
    images = images_of(256, 224, channels=3, count=1)
    for layer in REAL[name]:
        grid = theoretical_receptive_field(network, (256, 224), layer).grid
        shares = check(network, images, layer, places(grid)[:4])
        assert shares[0] < 1


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
