"""OpenERF's maps, against the package itself."""

from __future__ import annotations

import copy

import numpy as np
import openerf
import openerf.erf
import pytest
import torch
from openerf.data import build_timm_eval_transform
from PIL import Image
from timm.models.swin_transformer import SwinTransformer
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from erf.compatibility import openerf_map
from tests.erf.small_resnet import difference, small_resnet, some_images

pytestmark = pytest.mark.usefixtures("seeded")


class Float64Torch:
    """torch, for a module that would round to float32."""

    float32 = torch.float64

    def __getattr__(self, name):
        return getattr(torch, name)


@pytest.fixture
def openerf_in_float64(monkeypatch):
    """OpenERF's own computation on given float64 images: only its reading of files and its float32 are replaced."""

    def measure(network, images, layer):
        monkeypatch.setattr(openerf.erf, "torch", Float64Torch())
        monkeypatch.setattr(openerf.erf, "build_timm_eval_transform", lambda model: (None, {}))
        monkeypatch.setattr(openerf.erf, "FlatImageDataset", lambda **_: [(image, "name") for image in images])
        in_float64 = copy.deepcopy(network)
        result = openerf.compute_erf(in_float64, target_layer=layer, device="cpu", show_progress=False)
        assert result.num_images == len(images)
        return result.erf_map

    return measure


@pytest.mark.parametrize("size", [(13, 13), (14, 14), (11, 16)])
@pytest.mark.parametrize("layer", ["stem", "layer1", "layer1.conv1", "layer2", "forward_features"])
def test_openerf(layer, size, openerf_in_float64):
    network, images = small_resnet(), some_images(3, 3, *size)
    ours = openerf_map(network, images, layer)
    assert ours.dtype == np.float64
    assert difference(ours, openerf_in_float64(network, images, layer)) < 1e-10
    assert abs(ours.sum() - 1) < 1e-12


def test_openerf_of_many_layers_under_the_right_names(openerf_in_float64):
    network, images = small_resnet(), some_images(2, 3, 9, 10)
    layers = ["layer2", "forward_features", "stem", "layer1"]
    maps = openerf_map(network, images, layers)
    assert list(maps) == layers
    for layer in layers:
        assert difference(maps[layer], openerf_in_float64(network, images, layer)) < 1e-10


def test_openerf_measures_the_block_where_an_in_place_sum_follows(openerf_in_float64):
    network, images = small_resnet(), some_images(2, 3, 9, 10)
    of_openerf = openerf_in_float64(network, images, "layer2.bn2")
    maps = openerf_map(network, images, ["layer2.bn2", "layer2"])
    assert difference(maps["layer2"], of_openerf) < 1e-10
    assert difference(maps["layer2.bn2"], of_openerf) > 0.1

    network.layer2.in_place = False
    assert difference(maps["layer2.bn2"], openerf_in_float64(network, images, "layer2.bn2")) < 1e-10


@pytest.mark.parametrize("size", [24, 32])
@pytest.mark.parametrize("layer", ["norm", "blocks.0", "forward_features"])
@pytest.mark.parametrize(
    "prefix", [{}, {"class_token": False, "global_pool": "avg", "fc_norm": False}, {"reg_tokens": 2}], ids=str
)
def test_openerf_of_tokens(prefix, layer, size, openerf_in_float64):
    network = VisionTransformer(
        img_size=size, patch_size=8, embed_dim=12, depth=2, num_heads=2, num_classes=3, **prefix
    ).double()
    nn.init.normal_(network.norm.weight)  # else the mean over channels cancels
    images = some_images(2, 3, size, size)
    assert difference(openerf_map(network, images, layer), openerf_in_float64(network, images, layer)) < 1e-10


class Tokens(nn.Module):
    """A transformer that says how many prefix tokens it has by what it holds only."""

    def __init__(self, **prefix: object) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 5, 4, 4)
        self.wide = nn.Conv2d(5, 5, 3, padding=1)
        for name, value in prefix.items():
            setattr(self, name, value)
        self.prefix = sum(value if isinstance(value, int) else value is not None for value in prefix.values())

    def forward(self, x):
        tokens = self.wide(self.patches(x)).tanh().flatten(2).mT
        return torch.cat([tokens.mean(1, keepdim=True)] * self.prefix + [tokens], 1)


@pytest.mark.parametrize(
    "prefix",
    [{}, {"cls_token": "one", "dist_token": None}, {"cls_token": "one", "dist_token": "one", "num_reg_tokens": 3}],
)
def test_openerf_of_tokens_whose_prefix_is_inferred(prefix, openerf_in_float64):
    network, images = nn.Sequential(Tokens(**prefix).double()), some_images(2, 3, 16, 16)
    for name, value in prefix.items():
        setattr(network, name, value)
    assert difference(openerf_map(network, images, "0"), openerf_in_float64(network, images, "0")) < 1e-10


@pytest.mark.parametrize("layer", ["forward_features", "norm", "layers.0"])
def test_openerf_of_channels_last(layer, openerf_in_float64):
    network = SwinTransformer(
        img_size=48, patch_size=4, embed_dim=24, depths=(1, 1), num_heads=(2, 2), window_size=3, num_classes=3
    ).double()
    nn.init.normal_(network.norm.weight)
    images = some_images(2, 3, 48, 48)
    assert difference(openerf_map(network, images, layer), openerf_in_float64(network, images, layer)) < 1e-10


class Patches(nn.Module):
    """A network with a patch_embed whose forward_features are maps, channels first or last."""

    def __init__(self, channels: int, channels_last: bool, output_fmt: str | None = None) -> None:
        super().__init__()
        self.patch_embed = nn.Conv2d(3, channels, 5, 2, 2)
        self.channels_last = channels_last
        self.output_fmt = output_fmt

    def forward_features(self, x):
        x = self.patch_embed(x).tanh()
        return x.movedim(1, 3) if self.channels_last else x


@pytest.mark.parametrize(
    ("arguments", "size"),
    [
        ((4, False), (12, 12)),
        ((4, False), (14, 14)),
        ((4, False), (8, 18)),  # 4 x 9 tokens, taken for 6 x 6
        ((4, True, "NHWC"), (14, 14)),
        ((17, True), (14, 14)),
        ((16, True), (8, 8)),  # [4, 4, 16], taken for 4 channels of 4 x 16 tokens
        ((20, True), (32, 8)),
        ((20, True), (34, 10)),  # [17, 5, 20], taken for 17 channels of 5 x 20 tokens
    ],
    ids=str,
)
def test_openerf_of_patches(arguments, size, openerf_in_float64):
    network, images = Patches(*arguments).double(), some_images(2, 3, *size)
    of_openerf = openerf_in_float64(network, images, "forward_features")
    assert difference(openerf_map(network, images, "forward_features"), of_openerf) < 1e-10


def test_openerf_from_pictures(tmp_path):
    """The package as it is installed: its files, its transform, its float32."""
    network = small_resnet(torch.float32)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 40, 50, 3), dtype=np.uint8)
    for index, picture in enumerate(pixels):
        Image.fromarray(picture).save(tmp_path / f"{index}.png")
    of_openerf = openerf.compute_erf(
        network, image_dir=tmp_path, target_layer="layer2", device="cpu", show_progress=False
    )
    transform, _ = build_timm_eval_transform(network)
    batches = [transform(Image.fromarray(picture))[None] for picture in pixels]
    assert difference(openerf_map(network, batches, "layer2"), of_openerf.erf_map) < 1e-5


def test_openerf_of_dead_units(openerf_in_float64):
    network, images = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).double(), some_images(2, 3, 6, 6)
    nn.init.constant_(network[0].bias, -100)
    assert not openerf_in_float64(network, images, "1").any()
    assert not openerf_map(network, images, "1").any()
