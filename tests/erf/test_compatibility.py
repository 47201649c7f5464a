"""Other tools' maps in the library: RepLKNet's, what both tools share, and what is refused."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from erf import InvalidInput
from erf.compatibility import Tool, compatible_map, openerf_map, replknet_map
from erf.maps import cropping
from tests.erf.small_resnet import difference, small_resnet, some_images
from tests.oracles import replknet

pytestmark = pytest.mark.usefixtures("seeded")


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
