import numpy as np
import pytest
import torch
from openerf.erf import (
    _compute_positive_input_gradients_from_forward_features,
    _compute_positive_input_gradients_from_layer,
    _normalize_erf_map,
)
from torch import nn
from torchvision import models

from erf import InvalidInput
from erf.compatibility import (
    AreaRatio,
    compatible_map,
    openerf_map,
    replknet_area_ratio,
    replknet_map,
    replknet_scores,
)
from tests.oracles import replknet


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


class Block(nn.Module):
    """A residual block that adds and rectifies in place."""

    def __init__(self, inputs, channels, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, channels, 3, stride, 1), nn.BatchNorm2d(channels)
        self.conv2, self.bn2 = nn.Conv2d(channels, channels, 3, 1, 1), nn.BatchNorm2d(channels)
        self.shortcut = nn.Conv2d(inputs, channels, 1, stride)

    def forward(self, x):
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu_()))
        y += self.shortcut(x)
        return y.relu_()


def residual_network():
    return nn.Sequential(
        Block(3, 6, 2), Block(6, 8, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)
    ).double()


def some_images(*shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def difference(a, b):
    return np.abs(a - b).max() / np.abs(b).max()


def by_openerf(network, images, layer):
    """Return OpenERF's map of each image's own scores; its own loop differs only in adding them up in float32."""
    network.eval()
    each = []
    for image in images:
        leaf = image[None].clone().requires_grad_()
        if layer == "forward_features":
            each.append(_compute_positive_input_gradients_from_forward_features(network, leaf, layer))
        else:
            module = network.get_submodule(layer)
            each.append(_compute_positive_input_gradients_from_layer(network, leaf, module, layer))
    return _normalize_erf_map(torch.stack(each).sum(0).numpy())


@pytest.mark.parametrize("size", [(16, 16), (17, 22), (30, 21)])
def test_openerf_s_numbers(size):
    network, images = residual_network(), some_images(3, 3, *size)
    for layer in ("0", "0.conv1", "1", "1.conv2"):
        assert difference(openerf_map(network, images, layer), by_openerf(network, images, layer)) < 1e-10
    maps = openerf_map(network, images, ["1", "0"])
    for layer, found in maps.items():
        assert difference(found, by_openerf(network, images, layer)) < 1e-10
    assert list(maps) == ["1", "0"]


def test_of_a_layer_that_is_changed_in_place_later_its_own_output_counts():
    network, images = residual_network(), some_images(2, 3, 16, 16)
    assert difference(by_openerf(network, images, "1.bn2"), by_openerf(network, images, "1")) == 0
    own = openerf_map(network, images, "1.bn2")
    assert difference(own, by_openerf(network, images, "1.bn2")) > 0.01
    branch = nn.Sequential(network[0], network[1].conv1, network[1].bn1, nn.ReLU(), network[1].conv2, network[1].bn2)
    assert difference(own, by_openerf(branch, images, "5")) < 1e-10


@pytest.mark.parametrize(("prefix", "size"), [(0, 16), (1, 16), (1, 20), (2, 24)])
def test_openerf_s_numbers_for_tokens(prefix, size):
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.num_prefix_tokens = prefix
            self.patches, self.token = nn.Conv2d(3, 8, 4, 4), nn.Parameter(torch.randn(1, prefix, 8))
            self.block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True, norm_first=True)

        def forward_features(self, x):
            return self.block(torch.cat([self.token.expand(len(x), -1, -1), self.patches(x).flatten(2).mT], 1))

        def forward(self, x):
            return self.forward_features(x).mean(1)

    network, images = Tokens().double(), some_images(2, 3, size, size)
    for layer in ("block", "forward_features"):
        assert difference(openerf_map(network, images, layer), by_openerf(network, images, layer)) < 1e-10
    with pytest.raises(InvalidInput, match="has 12 tokens after its prefix; OpenERF needs a square grid"):
        openerf_map(network, some_images(1, 3, 12, 16), "block")


def test_a_map_without_influence_stays_zero():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).double()
    nn.init.constant_(network[0].bias, -1e3)
    assert not openerf_map(network, some_images(2, 3, 8, 8)).any()
    assert not by_openerf(network, some_images(2, 3, 8, 8), "1").any()


@pytest.mark.parametrize("size", [(16, 16), (17, 22), (30, 21)])
def test_replknet_s_numbers(size):
    network, images = residual_network().eval(), some_images(3, 3, *size)
    for depth, layer in ((1, "0"), (2, "1")):
        expected = replknet.contributions(network[:depth], images)
        assert difference(replknet_map(network, images, layer), expected) < 1e-10
        assert difference(replknet_map(network, images.split(2), [layer])[layer], expected) < 1e-10
    expected = replknet.contributions(network[0].conv1, images)
    assert difference(replknet_map(network, images, "0.conv1"), expected) < 1e-10


def test_replknet_s_numbers_for_a_network_of_torchvision():
    network, images = models.resnet18(num_classes=3).double().eval(), some_images(1, 3, 64, 64)
    nn.init.zeros_(network.fc.weight)

    def features(x):
        stem = network.maxpool(network.relu(network.bn1(network.conv1(x))))
        return network.layer4(network.layer3(network.layer2(network.layer1(stem))))

    expected = replknet.contributions(features, images)
    assert difference(replknet_map(network, images, "layer4"), expected) < 1e-10
    for mass in (0.2, 0.3, 0.5, 0.99):
        found = replknet_area_ratio(expected, mass)
        assert (found and (found.side, pytest.approx(found.area_ratio))) == replknet.side_and_area_ratio(expected, mass)


def test_area_ratios_by_hand():
    one = np.zeros((8, 8))
    one[4, 4] = 9.0
    assert replknet_area_ratio(one, 0.99) == AreaRatio(3, 9 / 64)
    assert replknet_area_ratio(np.ones((8, 8)), 0.2) == AreaRatio(5, 25 / 64)
    assert replknet_area_ratio(np.ones((8, 8)), 0.99) is None
    assert replknet_area_ratio(one, 1.0) is None
    assert replknet_scores(np.array([[0.0, 9.0], [99.0, 0.0]])) == pytest.approx(np.array([[0, 0.5], [1, 0]]))


@pytest.mark.parametrize("mass", [0.2, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("size", [(8, 8), (9, 12), (31, 31)])
def test_area_ratios_are_the_published_procedure_s(size, mass):
    contributions = np.random.default_rng(0).exponential(3, size)
    found = replknet_area_ratio(contributions, mass)
    assert (found and (found.side, pytest.approx(found.area_ratio))) == replknet.side_and_area_ratio(
        contributions, mass
    )


def test_a_tool_is_named():
    network, images = residual_network(), some_images(2, 3, 16, 16)
    np.testing.assert_array_equal(compatible_map(network, images, "0", "openerf"), openerf_map(network, images, "0"))
    np.testing.assert_array_equal(compatible_map(network, images, "0", "replknet"), replknet_map(network, images, "0"))
    with pytest.raises(InvalidInput, match="tool='captum' is unknown; allowed: openerf, replknet"):
        compatible_map(network, images, "0", "captum")


def test_measuring_leaves_no_trace():
    network, images = residual_network().train(), some_images(2, 3, 16, 16)
    network[0].bn2.eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    kept, state = images.clone(), torch.get_rng_state()
    for tool in ("openerf", "replknet"):
        compatible_map(network, images, ["1"], tool)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(images, kept)
    assert network[0].bn1.training
    assert not network[0].bn2.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())
    assert not any(module._forward_hooks for module in network.modules())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layer": "2.x"}, "layer '2.x' is not in Sequential; nearest names"),
        ({"layer": "3"}, r"layer '3' has shape \[1, 8\]"),
        ({"images": some_images(3, 9, 9)}, r"these tools measure images \[N, C, H, W\]"),
        ({"images": some_images(1, 2, 9, 9)}, "the network does not run on an image"),
        ({"images": some_images(0, 3, 9, 9)}, "there is no image to measure on"),
        ({"images": some_images(1, 3, 9, 9) / 0}, "the images have values that are not finite"),
    ],
)
@pytest.mark.parametrize("tool", ["openerf", "replknet"])
def test_bad_input_is_named(tool, arguments, message):
    with pytest.raises(InvalidInput, match=message):
        compatible_map(residual_network(), **({"images": some_images(1, 3, 9, 9), "tool": tool} | arguments))


def test_a_gradient_that_is_not_finite_names_its_image():
    class Root(nn.Module):
        def forward(self, x):
            return x.sqrt().mean((2, 3), keepdim=True)

    images = some_images(2, 1, 4, 4).abs()
    images[1, 0, 0, 0] = 0
    with pytest.raises(InvalidInput, match="the gradient of image 1 is not finite"):
        replknet_map(Root(), images)


def test_a_layer_that_runs_twice_has_no_one_output():
    relu = nn.ReLU()
    network = nn.Sequential(nn.Conv2d(3, 4, 3), relu, nn.Conv2d(4, 4, 3), relu).double()
    with pytest.raises(InvalidInput, match="layer '1' is called more than once"):
        replknet_map(network, some_images(1, 3, 9, 9), "1")
