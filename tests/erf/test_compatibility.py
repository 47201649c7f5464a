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

from erf import InvalidInput
from erf.compatibility import (
    AreaRatio,
    Tool,
    compatible_map,
    openerf_map,
    replknet_area_ratio,
    replknet_map,
    replknet_scores,
)
from erf.maps import cropping
from tests.oracles import replknet


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


class Block(nn.Module):
    """A basic block with torchvision's in-place sum and ReLU."""

    in_place = True

    def __init__(self, channels: int, wider: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, wider, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(wider)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(wider, wider, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(wider)
        self.shortcut = nn.Conv2d(channels, wider, 1, stride)

    def forward(self, x):
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        if not self.in_place:
            return (out + self.shortcut(x)).relu()
        out += self.shortcut(x)
        return self.relu(out)


class SmallResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.layer1 = Block(6, 8, 1)
        self.layer2 = Block(8, 10, 2)
        self.head = nn.Linear(10, 4)

    def forward_features(self, x):
        return self.layer2(self.layer1(self.stem(x)))

    def forward(self, x):
        return self.head(self.forward_features(x).mean((2, 3)))


def small_resnet(dtype=torch.float64):
    """A network whose batch norms are no identity."""
    network = SmallResNet().to(dtype)
    network(torch.randn(8, 3, 12, 12, dtype=dtype))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    return network.eval()


def some_images(*shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def difference(a, b):
    a, b = np.asarray(a), np.asarray(b)
    assert a.shape == b.shape
    assert b.max() > 0
    return np.abs(a - b).max() / np.abs(b).max()


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


@pytest.mark.parametrize("size", [(13, 13), (14, 14), (11, 16)])
@pytest.mark.parametrize("layer", ["stem", "layer1", "layer2.bn2"])
def test_replknet(layer, size):
    network, images = small_resnet(), some_images(3, 3, *size)
    block = network.layer2
    parts = {
        "stem": network.stem,
        "layer1": lambda x: network.layer1(network.stem(x)),
        "layer2.bn2": lambda x: block.bn2(
            block.conv2(block.relu(block.bn1(block.conv1(network.layer1(network.stem(x))))))
        ),
    }
    ours = replknet_map(network, images, layer)
    assert ours.dtype == np.float64
    assert difference(ours, replknet.contributions(parts[layer], images)) < 1e-10


def test_replknet_of_many_layers_and_of_the_output():
    network, images = small_resnet(), some_images(3, 3, 9, 10)
    layers = ["forward_features", "layer2", "stem", "layer1"]
    maps = replknet_map(network, images, layers)
    assert list(maps) == layers
    assert difference(maps["forward_features"], replknet.contributions(network.forward_features, images)) < 1e-10
    assert difference(maps["layer2"], maps["forward_features"]) < 1e-12
    assert difference(maps["stem"], replknet.contributions(network.stem, images)) < 1e-10
    output = replknet_map(network.stem, images)
    assert difference(output, maps["stem"]) < 1e-12
    assert difference(replknet_map(network.stem, images, [None])[None], output) < 1e-12


@pytest.mark.parametrize("measure", [openerf_map, replknet_map])
def test_batches_of_any_size_are_the_same_images(measure):
    network, images = small_resnet(), some_images(5, 3, 9, 10)
    at_once = measure(network, images, "layer2")
    assert difference(measure(network, images.split(2), "layer2"), at_once) < 1e-12
    assert difference(measure(network, (image[None] for image in images), "layer2"), at_once) < 1e-12


def test_an_image_without_influence_counts():
    network = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.ReLU()).double()
    nn.init.ones_(network[0].weight)
    images = torch.tensor([1.0, -1.0], dtype=torch.float64).view(2, 1, 1, 1).expand(2, 1, 3, 3)
    assert replknet_map(network, images)[1, 1] == 0.5


@pytest.mark.parametrize("tool", ["openerf", "replknet"])
def test_one_door_to_both(tool):
    network, images = small_resnet(), some_images(2, 3, 9, 10)
    direct = {"openerf": openerf_map, "replknet": replknet_map}[tool](network, images, "layer1")
    assert (compatible_map(network, images, "layer1", tool) == direct).all()
    assert (compatible_map(network, images, "layer1", Tool(tool)) == direct).all()


def test_later_layers_run_for_the_first_image_only():
    network, images = small_resnet(), some_images(3, 3, 9, 10)
    runs = []
    network.layer2.register_forward_hook(lambda *_: runs.append(1))
    replknet_map(network, images, ["layer1", "stem"])
    assert len(runs) == 1


class Noisy(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        x += 1
        return self.norm(self.conv(x)) + torch.rand(())


@pytest.mark.parametrize("measure", [openerf_map, replknet_map])
@pytest.mark.parametrize("layer", [["norm", "conv"], ["conv", "wrong"], [None, "norm"]])
def test_measuring_leaves_no_trace(measure, layer):
    network, images = Noisy().train(), some_images(2, 3, 6, 6).float()
    network.norm.eval()
    network.conv.bias.requires_grad_(False)
    network.conv.weight.grad = torch.ones_like(network.conv.weight)
    before, pixels, state = copy.deepcopy(network), images.clone(), torch.get_rng_state()
    if "wrong" in layer:
        with pytest.raises(InvalidInput):
            measure(network, images, layer)
    else:
        measure(network, images, layer)
    assert torch.equal(images, pixels)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(
        torch.equal(a, b) for a, b in zip(network.state_dict().values(), before.state_dict().values(), strict=True)
    )
    assert [m.training for m in network.modules()] == [m.training for m in before.modules()]
    assert [p.requires_grad for p in network.parameters()] == [p.requires_grad for p in before.parameters()]
    assert torch.equal(network.conv.weight.grad, torch.ones_like(network.conv.weight))
    assert network.norm.weight.grad is None
    assert not any(module._forward_hooks for module in network.modules())


class Odd(nn.Module):
    """Layers that cannot be measured."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.twice = nn.ReLU()
        self.never = nn.ReLU()
        self.cut = nn.Identity()
        self.constant = nn.Identity()
        self.pair = Pair()
        self.rows = nn.Flatten(2)
        self.flat = nn.Flatten()

    def forward(self, x):
        x = self.twice(self.twice(self.conv(x)))
        self.constant(torch.zeros(1, 1, 3, 3, dtype=x.dtype))
        self.cut(torch.zeros(1, 1, 3, 3, dtype=x.dtype).requires_grad_())
        self.rows(x)
        self.flat(x)
        return self.pair(x)


class Pair(nn.Module):
    def forward(self, x):
        return x, x


@pytest.mark.parametrize("measure", [openerf_map, replknet_map])
@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("cov", "layer 'cov' is not in Odd; nearest names: conv"),
        ("forward_features", "layer 'forward_features' is not in Odd"),
        ("twice", "layer 'twice' is called more than once: name a layer that runs once"),
        ("never", "layer 'never' does not run when the network does: name another"),
        ("cut", "layer 'cut' has no gradient with respect to the images"),
        ("constant", "layer 'constant' has no gradient with respect to the images"),
        ("pair", "layer 'pair' has 2 outputs: name a layer that has one"),
        (None, r"the network's output \(no layer is named\) has 2 outputs"),
        ("flat", r"layer 'flat' has shape \[1, 60\]"),
        ([], r"layer=\[\]: name at least one layer"),
    ],
)
def test_layers_that_cannot_be_measured(measure, layer, message):
    with pytest.raises(InvalidInput, match=f"^{message}"):
        measure(Odd().double(), some_images(1, 3, 4, 5), layer)


def test_tokens_are_no_map_for_replknet_and_must_be_a_square_for_openerf():
    network, images = Odd().double(), some_images(1, 3, 4, 5)
    with pytest.raises(InvalidInput, match=r"layer 'rows' has shape \[1, 3, 20\], not \[N, channels, rows, columns\]"):
        replknet_map(network, images, "rows")
    with pytest.raises(InvalidInput, match="layer 'rows' has 3 tokens after its prefix; OpenERF needs a square grid"):
        openerf_map(network, images, "rows")
    network.num_prefix_tokens = 3
    with pytest.raises(InvalidInput, match="layer 'rows' has 0 tokens after its prefix"):
        openerf_map(network, images, "rows")


@pytest.mark.parametrize("measure", [openerf_map, replknet_map])
@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([], "there is no image to measure on"),
        (some_images(2, 3, 8), r"images \[N, C, H, W\], not \[2, 3, 8\]"),
        (some_images(2, 3, 8, 8) / 0, "values that are not finite"),
        (some_images(1, 4, 8, 8), r"the network does not run on images \[1, 4, 8, 8\]: .*channels"),
        (
            [some_images(2, 3, 8, 8), some_images(1, 3, 8, 9)],
            r"one shape: after images of .* came \[3, 8, 9\]",
        ),
    ],
)
def test_images_that_cannot_be_measured(measure, images, message):
    with pytest.raises(InvalidInput, match=message):
        measure(small_resnet(), images, "layer1")


@pytest.mark.parametrize("measure", [openerf_map, replknet_map])
def test_a_gradient_that_is_not_finite_is_an_error_that_names_the_image(measure):
    class Root(nn.Module):
        def forward(self, x):
            return x.sqrt()

    images = some_images(3, 1, 5, 5).abs()
    images[2] = 0
    with pytest.raises(InvalidInput, match="the gradient of image 2 is not finite"):
        measure(Root(), images)


def test_an_unknown_tool():
    with pytest.raises(InvalidInput, match="tool='captum' is unknown; allowed: openerf, replknet"):
        compatible_map(small_resnet(), some_images(1, 3, 8, 8), "stem", "captum")


def test_scores():
    scores = replknet_scores(np.array([[0.0, 9.0], [99.0, 0.0]]))
    assert difference(scores, [[0, 0.5], [1, 0]]) < 1e-15


def nines(*pixels, shape):
    """Contributions of 9, whose logarithm is 1, at the pixels; 0 elsewhere."""
    contributions = np.zeros(shape)
    for pixel in pixels:
        contributions[pixel] = 9
    return contributions


@pytest.mark.parametrize(
    ("shape", "pixels", "mass", "expected"),
    [
        # The middle of 6 x 6 is pixel (3, 3); squares of side 3 and 5 are tried.
        ((6, 6), [(3, 3)], 0.99, AreaRatio(3, 9 / 36)),
        ((6, 6), [(3, 3), (1, 1)], 0.5, AreaRatio(5, 25 / 36)),  # half is not more than half
        ((6, 6), [(3, 3), (1, 1)], 0.499, AreaRatio(3, 9 / 36)),
        ((6, 6), [(3, 3), (0, 3)], 0.5, None),
        ((6, 6), [(3, 3), (5, 5)], 0.99, AreaRatio(5, 25 / 36)),
        ((6, 6), [(3, 3)], 1.0, None),
        # Of 7 x 7 the square of side 7, the image, is not tried.
        ((7, 7), [(3, 3), (1, 5)], 0.99, AreaRatio(5, 25 / 49)),
        ((7, 7), [(3, 3), (0, 0)], 0.99, None),
        ((6, 10), [(3, 5), (3, 7)], 0.99, AreaRatio(5, 25 / 60)),
        ((6, 10), [(3, 5), (3, 8)], 0.99, None),
        ((12, 4), [(6, 2), (5, 1)], 0.99, AreaRatio(3, 9 / 48)),
        ((12, 4), [(6, 2), (4, 0)], 0.99, AreaRatio(5, 25 / 48)),
        ((12, 4), [(6, 2), (3, 2)], 0.99, None),
        ((3, 3), [(1, 1)], 0.2, None),
    ],
)
def test_area_ratios_by_hand(shape, pixels, mass, expected):
    assert replknet_area_ratio(nines(*pixels, shape=shape), mass) == expected


@pytest.mark.parametrize("shape", [(31, 31), (32, 32), (16, 41)])
@pytest.mark.parametrize("scale", [1e-3, 1e4])
def test_area_ratios_of_random_maps(shape, scale):
    row, column = np.indices(shape)
    distance = np.hypot(row - shape[0] / 2, column - shape[1] / 2)
    contributions = scale * np.random.default_rng(0).random(shape) * np.exp(-distance / 3)
    for mass in np.linspace(0.02, 1, 50):
        ours = replknet_area_ratio(contributions, mass)
        expected = replknet.side_and_area_ratio(contributions, mass)
        assert (ours is None) == (expected is None)
        assert ours is None or (ours.side, ours.area_ratio) == (expected[0], pytest.approx(expected[1], rel=1e-12))


def test_the_ratio_depends_on_the_units():
    row, column = np.indices((40, 40))
    contributions = np.exp(-np.hypot(row - 20, column - 20) / 3)
    sides = [replknet_area_ratio(contributions * units, 0.5).side for units in (1e-4, 1, 1e4)]
    assert sides == sorted(set(sides))


@pytest.mark.parametrize("mass", [0, 1.01, -0.5, np.nan])
def test_a_mass_out_of_range(mass):
    with pytest.raises(InvalidInput, match=r"mass=.*: allowed are shares in \(0, 1\]"):
        replknet_area_ratio(np.ones((9, 9)), mass)


@pytest.mark.parametrize("contributions", [-np.ones((9, 9)), np.full((9, 9), np.nan), np.ones((1, 9, 9))])
def test_no_contributions(contributions):
    with pytest.raises(InvalidInput, match=r"^contributions.* finite (real numbers|and without negative values)$"):
        replknet_area_ratio(contributions, 0.5)


@pytest.mark.parametrize(("value", "kind"), [(0, "float64"), (1e-17, "float64"), (1e-8, "float32")])
def test_contributions_whose_logarithm_is_nothing(value, kind):
    with pytest.raises(InvalidInput, match=rf"^log10\(x \+ 1\) .* is 0 everywhere in {kind}: they have no area"):
        replknet_area_ratio(np.full((9, 9), value, kind), 0.5)


def test_saved_contributions_keep_the_precision_of_the_script():
    contributions = np.full((9, 9), 1e-8)
    contributions[3:6, 3:6] = 1e-6
    assert replknet_area_ratio(contributions, 0.93) == AreaRatio(5, 25 / 81)
    assert replknet_area_ratio(contributions.astype(np.float32), 0.93) == AreaRatio(3, 9 / 81)


@pytest.mark.parametrize("measure", [openerf_map, replknet_map])
def test_a_layer_is_measured_on_the_crop_of_its_trf_with_the_same_numbers(measure, monkeypatch):
    network, layers = small_resnet(), ["stem", "layer1", "layer2"]
    images = torch.randn(2, 3, 61, 70, dtype=torch.float64)
    monkeypatch.setattr(cropping, "OVERHEAD", 10**9)  # so that no crop is cheaper
    at_once = measure(network, images, layers)
    monkeypatch.setattr(cropping, "OVERHEAD", 0)
    sides = []
    network.stem.register_forward_pre_hook(
        lambda _, given: sides.append(given[0].shape[2:]) if not given[0].is_meta else None
    )
    with_less_memory = measure(network, images, layers)
    assert max(max(side) for side in sides) < 20
    for name in layers:
        assert np.abs(at_once[name]).max() > 0
        assert np.abs(with_less_memory[name] - at_once[name]).max() < 1e-12 * np.abs(at_once[name]).max()
