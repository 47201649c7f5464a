"""A map measured on a crop is that of the whole image."""

from functools import partial
from weakref import WeakKeyDictionary

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torchvision.models import segmentation
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.convnext import CNBlockConfig
from torchvision.models.resnet import Bottleneck
from torchvision.models.vgg import make_layers

from erf import InvalidInput, effective_receptive_field, theoretical_receptive_field
from erf.maps import cropping, prepared
from tests.erf.hard_cases import Forward
from tests.erf.maps.whole_image_check import TOLERANCE, chain, check, images_of, made, pixels_run, places, same

pytestmark = pytest.mark.usefixtures("crop_small_images")


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
