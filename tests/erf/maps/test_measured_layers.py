"""Maps of a network's layers: in every layout of their output, several in one pass, and those that are refused."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.autograd.functional import jacobian
from torchvision import models

from erf import InvalidInput, effective_receptive_field, influence
from erf.maps.aggregation import output_direction
from tests.erf.maps.jacobians import difference, jacobians, small_network, some_images

pytestmark = pytest.mark.usefixtures("seeded")


def test_a_later_in_place_operation_does_not_change_a_layer():
    convolutions = [nn.Conv2d(1, 3, 3), nn.Conv2d(3, 2, 3)]
    network = nn.Sequential(convolutions[0], nn.ReLU(inplace=True), convolutions[1]).double()
    images = some_images(3, 1, 8, 8)
    alone = effective_receptive_field(nn.Sequential(convolutions[0]), images)
    first, last = effective_receptive_field(network, images, layer=["0", "2"]).values()
    np.testing.assert_array_equal(first.values, alone.values)
    plain = nn.Sequential(convolutions[0], nn.ReLU(), convolutions[1])
    np.testing.assert_array_equal(last.values, effective_receptive_field(plain, images).values)


def test_lists_of_layers_and_units_take_one_forward_pass():
    network, images = small_network(), some_images(4, 2, 8, 8)
    calls = []
    handle = network.register_forward_pre_hook(lambda _, given: calls.append(1) if not given[0].is_meta else None)
    units = [(1, 1), (2, 3)]
    by_layer = effective_receptive_field(network, images, layer=["2", "0"], unit=units, batch_size=2)
    assert len(calls) == 2
    handle.remove()
    assert list(by_layer) == ["2", "0"]
    for name, maps in by_layer.items():
        for unit, imap in zip(units, maps, strict=True):
            alone = effective_receptive_field(network[: int(name) + 1], images, unit=unit)
            assert difference(imap.values, alone.values) < 1e-12
            assert imap.trf_box == alone.trf_box
    assert list(effective_receptive_field(network, images, layer=["0"])) == ["0"]
    assert len(effective_receptive_field(network, images, unit=[(0, 0)])) == 1


def test_a_layer_that_is_called_twice_is_refused():
    """Which of the two its name means is not said."""
    convolution = nn.Conv2d(2, 2, 3).double()
    network = nn.Sequential(convolution, nn.Tanh(), convolution)
    images = some_images(2, 2, 9, 9)
    expected = np.abs(jacobians(network, images, (2, 2)).sum(1).numpy()).mean((0, 1))
    assert difference(effective_receptive_field(network, images, aggregation="sum").values, expected) < 1e-12
    with pytest.raises(InvalidInput, match="layer '0' runs 2 times"):
        effective_receptive_field(network, images, layer="0")


class ChannelsLast(nn.Module):
    def forward(self, x):
        return x.permute(0, 2, 3, 1)


class BatchLast(nn.Module):
    def forward(self, x):
        return x.permute(2, 3, 1, 0)


class Tokens(nn.Module):
    """Rows and columns one after the other, with prefix tokens before and after them."""

    def __init__(self, channels, before=0, after=0):
        super().__init__()
        self.before, self.after = (nn.Parameter(torch.randn(1, n, channels)) for n in (before, after))

    def forward(self, x):
        count = len(x)
        own = x.flatten(2).transpose(1, 2)
        return torch.cat([self.before.expand(count, -1, -1), own, self.after.expand(count, -1, -1)], 1)


class SelfAttention(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.norm, self.attention = nn.LayerNorm(channels), nn.MultiheadAttention(channels, 2, batch_first=True)

    def forward(self, x):
        normed = self.norm(x)
        return x + self.attention(normed, normed, normed)[0]


def patches():
    return nn.Conv2d(2, 4, (2, 3), stride=(2, 3))


@pytest.mark.parametrize("unit", [(0, 0), (3, 1), (2, 2), None])
@pytest.mark.parametrize(
    ("last", "at"),
    [
        (ChannelsLast(), lambda y, row, column: y[:, row, column]),
        (Tokens(4), lambda y, row, column: y[:, 3 * row + column]),
        (Tokens(4, 2, 1), lambda y, row, column: y[:, 2 + 3 * row + column]),
        (nn.Sequential(Tokens(4, 1), SelfAttention(4)), lambda y, row, column: y[:, 1 + 3 * row + column]),
        (nn.Unflatten(1, (2, 2)), lambda y, row, column: y[:, :, :, row, column].flatten(1)),
    ],
    ids=["channels last", "tokens", "prefix tokens", "attention", "channels in two dimensions"],
)  # fmt: skip
def test_units_are_found_in_every_layout(last, at, unit):
    network, images = nn.Sequential(patches(), copy.deepcopy(last)).double(), some_images(2, 2, 8, 9)
    leaf = images.clone().requires_grad_()
    at_unit = at(network(leaf), *(unit or (2, 1)))
    signs = torch.stack([output_direction("random_sign", 4, 0, sample) for sample in range(2)])
    (g,) = torch.autograd.grad((at_unit * signs).sum(), leaf)
    imap = effective_receptive_field(network, images, layer="1", unit=unit)
    assert difference(imap.values, g.abs().mean((0, 1))) < 1e-12
    row, column = unit or (2, 1)
    assert imap.center == (2 * row + 0.5, 3 * column + 1)


def test_swin_and_vit_layers_are_measured():
    swin = models.swin_transformer.SwinTransformer([4, 4], 8, [1, 1], [2, 2], [4, 4]).double()
    images = some_images(2, 3, 32, 48)
    imap = effective_receptive_field(swin, images, layer="features.1", aggregation=3)
    leaf = images.clone().requires_grad_()
    (g,) = torch.autograd.grad(swin.eval().features[:2](leaf)[:, 4, 6, 3].sum(), leaf)
    assert difference(imap.values, g.abs().mean((0, 1))) < 1e-12
    vit = models.VisionTransformer(32, 8, 1, 2, 16, 32).double().eval()
    imap = effective_receptive_field(vit, images[..., :32], layer="encoder.layers", aggregation=3)
    leaf = images[..., :32].clone().requires_grad_()
    tokens = torch.cat([vit.class_token.expand(2, -1, -1), vit._process_input(leaf)], 1) + vit.encoder.pos_embedding
    (g,) = torch.autograd.grad(vit.encoder.layers(tokens)[:, 1 + 4 * 2 + 2, 3].sum(), leaf)
    assert difference(imap.values, g.abs().mean((0, 1))) < 1e-12
    assert imap.center == (19.5, 19.5)


def test_images_must_be_the_first_dimension_of_a_layer():
    network = nn.Sequential(nn.Conv2d(2, 4, 3), BatchLast())
    with pytest.raises(InvalidInput, match=r"shape \[6, 7, 4, 1\]: its first dimension must be the images"):
        effective_receptive_field(network, torch.rand(1, 2, 8, 9))


class Named(nn.Module):
    def forward(self, x):
        return {"out": x, "aux": None}


class TakeOut(nn.Module):
    def forward(self, outputs):
        return outputs["out"].mul_(0)


@pytest.mark.parametrize("after", [[], [TakeOut()]])
def test_a_tensor_by_itself_in_a_dict_is_measured(after):
    network, images = nn.Sequential(small_network(), Named(), *after), some_images(2, 2, 8, 8)
    expected = effective_receptive_field(network[0], images)
    np.testing.assert_array_equal(effective_receptive_field(network, images, layer="1").values, expected.values)
    if not after:
        np.testing.assert_array_equal(effective_receptive_field(network, images).values, expected.values)


def test_several_outputs_are_refused():
    class Two(nn.Module):
        def forward(self, x):
            return x, x + 1

    network = nn.Sequential(small_network(), Two())
    with pytest.raises(InvalidInput, match=r"output \(no layer is named\) has 2 outputs: name a layer that has one"):
        effective_receptive_field(network, some_images(1, 2, 8, 8))


@pytest.mark.parametrize("layer", ["1", "2", "3", None])
def test_a_layer_without_rows_and_columns_has_one_unit(layer):
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)]
    network, images = nn.Sequential(nn.Conv2d(2, 4, 3), *head).double(), some_images(3, 2, 8, 8)
    imap = effective_receptive_field(network, images, layer, aggregation=1)
    part = network if layer is None else network[: int(layer) + 1]
    expected = torch.stack([jacobian(lambda x: part(x[None]).flatten()[1], image) for image in images])
    assert difference(imap.values, expected.abs().mean((0, 1))) < 1e-12
    assert (imap.center, imap.trf_box) == ((3.5, 3.5), ((0, 8), (0, 8)))
    one = torch.eye(4 if layer in ("1", "2") else 3)[1]
    assert difference(influence(network, images, direction=one, layer=layer), expected) < 1e-12


def test_the_map_of_a_residual_block_lies_in_its_theoretical_field():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.branch = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(), nn.Conv2d(3, 3, 3, padding=1))

        def forward(self, x):
            return x + self.branch(x)

    network = nn.Sequential(nn.Conv2d(1, 3, 3, stride=2, padding=1), Block(), nn.MaxPool2d(2)).double()
    imap = effective_receptive_field(network, some_images(6, 1, 40, 40), layer="2")
    inside = imap.values[imap.on_trf()]
    assert imap.trf_size == (13, 13)
    assert inside.sum() == imap.values.sum() > 0
    assert imap.center == tuple((low + high - 1) / 2 for low, high in imap.trf_box)
