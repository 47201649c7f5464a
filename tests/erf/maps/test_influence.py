import copy
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.autograd.functional import jacobian
from torch.utils.data import DataLoader, TensorDataset
from torchvision import models

from erf import InvalidInput, effective_receptive_field, influence
from erf.data.noise import Noise, NoiseImages
from erf.data.pictures import Pictures
from erf.maps.aggregation import output_direction
from erf.maps.statistic import Statistic
from erf.seeds import INPUTS, generator


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def small_network():
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.Tanh(), nn.Conv2d(4, 3, 3, stride=2, padding=1), nn.Softplus()
    ).double()


def some_images(*shape, dtype=torch.float64):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(1))


def jacobians(network, images, unit):
    """Return d y[n, k, unit] / d x[n] for each image and output channel: [N, K, C, H, W]."""
    return torch.stack([jacobian(lambda x: network(x[None])[0][(slice(None), *unit)], image) for image in images])


def difference(a, b):
    return np.abs(np.asarray(a) - np.asarray(b)).max() / np.abs(np.asarray(b)).max()


@pytest.mark.parametrize("unit", [(0, 0), (2, 1), (3, 3)])
def test_influence_is_the_jacobian(unit):
    network, images = small_network(), some_images(3, 2, 7, 8)
    rows = jacobians(network, images, unit)
    assert difference(influence(network, images, unit), rows.sum(1)) < 1e-12
    shared = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    expected = torch.einsum("k,nkchw->nchw", shared, rows)
    assert difference(influence(network, images, unit, shared), expected) < 1e-12
    own = some_images(3, 3)
    expected = torch.einsum("nk,nkchw->nchw", own, rows)
    assert difference(influence(network, images, unit, own), expected) < 1e-12


@pytest.mark.parametrize("unit", [(4, 0), (0, 4), (-1, 0), (0,), (0, 0, 0)])
def test_influence_of_a_unit_outside(unit):
    with pytest.raises(InvalidInput, match="outside the grid of the network's output"):
        influence(small_network(), some_images(1, 2, 7, 8), unit)


def test_a_constant_output_has_no_influence():
    class Constant(nn.Module):
        def forward(self, x):
            return torch.ones(len(x), 2, 3, 3) + 0 * x[:, :1, :1, :1].round()

    assert not influence(Constant(), some_images(2, 1, 5, 5), (1, 1)).any()


STATISTICS = {
    "mean_abs": lambda g: np.abs(g).mean((0, 1)),
    "rms": lambda g: np.sqrt((g**2).mean((0, 1))),
    "mean_square": lambda g: (g**2).mean((0, 1)),
    "signed_mean": lambda g: g.mean((0, 1)),
}


@pytest.mark.parametrize("aggregation", ["random_sign", "sum", 0, 2])
@pytest.mark.parametrize("statistic", STATISTICS)
def test_statistics_and_aggregations_by_hand(statistic, aggregation):
    if (statistic, aggregation) == ("signed_mean", "random_sign"):
        return
    network, images = small_network(), some_images(5, 2, 8, 8)
    rows = jacobians(network, images, (2, 2)).numpy()
    if aggregation == "random_sign":
        weights = np.stack([output_direction("random_sign", 3, 4, sample).numpy() for sample in range(7, 12)])
    else:
        weights = np.ones((5, 3)) if aggregation == "sum" else np.tile(np.eye(3)[aggregation], (5, 1))
    expected = STATISTICS[statistic](np.einsum("nk,nkchw->nchw", weights, rows))
    imap = effective_receptive_field(
        network, images, statistic=statistic, aggregation=aggregation, seed=4, first_sample=7, batch_size=2
    )
    assert difference(imap.values, expected) < 1e-12
    assert imap.values.dtype == np.float64
    assert (imap.statistic, imap.aggregation) == (Statistic(statistic), aggregation)
    assert (imap.samples, imap.skipped, imap.origin) == (5, 0, (0, 0))


def test_the_unit_in_the_middle_is_measured():
    network, images = small_network(), some_images(2, 2, 9, 8)
    imap = effective_receptive_field(network, images)
    named = effective_receptive_field(network, images, unit=(2, 2))
    np.testing.assert_array_equal(imap.values, named.values)
    assert imap.center == (4, 4)
    assert imap.trf_box == ((2, 7), (2, 7))


def test_normalize_divides_each_image_by_its_sum():
    network, images = small_network(), some_images(4, 2, 8, 8)
    g = jacobians(network, images, (2, 2)).sum(1).numpy()
    moments = np.abs(g).mean(1)
    expected = (moments / moments.sum((1, 2), keepdims=True)).mean(0)
    imap = effective_receptive_field(network, images, aggregation="sum", normalize=True, batch_size=3)
    assert difference(imap.values, expected) < 1e-12
    assert imap.normalized
    assert imap.values.sum() == pytest.approx(1, abs=1e-12)


def test_normalize_is_refused_where_positive_and_negative_cancel():
    network = nn.Conv2d(1, 1, (1, 2), bias=False).double()
    network.weight.data = torch.tensor([[[[1.0, -1.0]]]], dtype=torch.float64)
    with pytest.raises(InvalidInput, match="normal"):
        effective_receptive_field(
            network, some_images(1, 1, 1, 4), statistic="signed_mean", aggregation="sum", normalize=True
        )


def test_a_neighbouring_units_map_is_this_one_moved_by_jump():
    network = nn.Sequential(nn.Conv2d(1, 4, 3, (2, 3)), nn.Conv2d(4, 4, 3, padding=1), nn.AvgPool2d((2, 1))).double()
    images = some_images(2, 1, 40, 40)
    here, below, beside = effective_receptive_field(network, images, unit=[(4, 5), (5, 5), (4, 6)])
    assert here.values.any()
    np.testing.assert_allclose(below.values[4:], here.values[:-4], rtol=0, atol=1e-15)
    np.testing.assert_allclose(beside.values[:, 3:], here.values[:, :-3], rtol=0, atol=1e-15)
    assert below.center == (here.center[0] + 4, here.center[1])
    assert beside.trf_box[1] == (here.trf_box[1][0] + 3, here.trf_box[1][1] + 3)


def test_what_is_outside_the_trf_is_zero_and_its_edges_are_not():
    network = nn.Sequential(nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.Conv2d(4, 4, 3, dilation=2, padding=2)).double()
    imap = effective_receptive_field(network, some_images(2, 1, 40, 40))
    window = imap.on_trf()
    inside = imap.values[window]
    assert np.count_nonzero(imap.values) == np.count_nonzero(inside)
    for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]):
        assert edge.any()


@pytest.mark.parametrize("axes", [1, 3])
def test_one_and_three_axes(axes):
    convolution = {1: nn.Conv1d, 3: nn.Conv3d}[axes]
    network = nn.Sequential(convolution(2, 3, 3), nn.Tanh(), convolution(3, 2, 2, stride=2)).double()
    images = some_images(3, 2, *[8] * axes)
    unit = (1,) * axes
    expected = np.abs(jacobians(network, images, unit).sum(1).numpy()).mean((0, 1))
    imap = effective_receptive_field(network, images, unit=unit, aggregation="sum")
    assert difference(imap.values, expected) < 1e-12
    assert imap.trf_box == ((2, 6),) * axes


@pytest.mark.parametrize("statistic", STATISTICS)
@pytest.mark.parametrize("normalize", [False, True])
def test_neither_batches_nor_shards_change_the_result(statistic, normalize):
    aggregation = "sum" if statistic == "signed_mean" else "random_sign"
    network, images = small_network(), some_images(7, 2, 8, 8)
    measure = partial(
        effective_receptive_field, network, statistic=statistic, aggregation=aggregation, normalize=normalize, seed=2
    )
    at_once = measure(images, batch_size=7)
    others = [measure(images, batch_size=size) for size in (1, 3)]
    others.append(measure(iter([images[:2], images[2:3], images[3:]])))
    others.append(measure(images[:3]).merge(measure(images[3:], first_sample=3)))
    others.append(measure(images[5:], first_sample=5).merge(measure(images[:5])))
    for other in others:
        assert difference(other.values, at_once.values) < 1e-12
        assert other.samples == at_once.samples == 7


def test_random_signs_depend_on_the_image_s_index():
    network, images = small_network(), some_images(1, 2, 8, 8).expand(6, -1, -1, -1)
    values = effective_receptive_field(network, images).values
    assert difference(effective_receptive_field(network, images, first_sample=40).values, values) > 1e-3
    assert difference(effective_receptive_field(network, images, seed=1).values, values) > 1e-3


def test_random_signs_do_not_cancel():
    """Two channels that are each other's negative: their sum has no gradient, with random signs half of the images."""
    network = nn.Conv2d(1, 2, 3, bias=False).double()
    network.weight.data[1] = -network.weight.data[0]
    images = some_images(200, 1, 3, 3)
    assert effective_receptive_field(network, images, aggregation="sum").skipped == 200
    imap = effective_receptive_field(network, images, statistic="mean_square")
    assert 70 < imap.skipped < 130
    np.testing.assert_allclose(imap.values, 4 * network.weight.data[0, 0].numpy() ** 2, rtol=1e-12)


def state_of(network, images):
    return {
        "parameters": {name: p.detach().clone() for name, p in network.named_parameters()},
        "requires_grad": {name: p.requires_grad for name, p in network.named_parameters()},
        "grad": {name: None if p.grad is None else p.grad.clone() for name, p in network.named_parameters()},
        "buffers": {name: b.clone() for name, b in network.named_buffers()},
        "modes": [m.training for m in network.modules()],
        "hooks": [
            (len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks)) for m in network.modules()
        ],
        "random": torch.get_rng_state(),
        "numpy": np.random.get_state()[1].tolist(),  # noqa: NPY002
        "images": images.detach().clone(),
        "flags": (images.requires_grad, images.grad, images._version),
        "autograd": (torch.is_grad_enabled(), torch.backends.cudnn.allow_tf32),
    }


def assert_same(a, b):
    torch.testing.assert_close(a, b, rtol=0, atol=0) if isinstance(a, torch.Tensor) else _assert_same_tree(a, b)


def _assert_same_tree(a, b):
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key])
    else:
        assert a == b


@pytest.fixture
def worn_network():
    """A network in the middle of training: mixed modes, a frozen parameter, gradients, dropout, batch statistics."""
    network = nn.Sequential(
        nn.ReLU(inplace=True), nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.3), nn.Conv2d(4, 3, 3)
    )
    network(torch.randn(2, 2, 9, 9)).sum().backward()
    network[1].weight.requires_grad_(False)
    network[4].bias.grad = None
    network[3].eval()
    network[3].train()
    network[0].eval()
    return network


@pytest.mark.parametrize("measure", ["eval", "as_is", "influence"])
def test_measuring_leaves_no_trace(worn_network, measure):
    images = torch.randn(4, 2, 9, 9, requires_grad=True)
    before = state_of(worn_network, images)
    if measure == "influence":
        influence(worn_network, images, (1, 1))
    else:
        layer = ["2", "4"]
        effective_receptive_field(worn_network, images, layer=layer, mode=measure, batch_size=2)
    assert_same(state_of(worn_network, images), before)


def test_a_failed_measurement_leaves_no_trace(worn_network):
    images = torch.randn(4, 2, 9, 9)
    before = state_of(worn_network, images)
    bad = [images, torch.full((1, 2, 9, 9), torch.nan)]
    with pytest.raises(InvalidInput, match="the images have values that are not finite"):
        effective_receptive_field(worn_network, bad, mode="as_is")
    with pytest.raises(InvalidInput, match="outside"):
        effective_receptive_field(worn_network, images, unit=(99, 0))
    assert_same(state_of(worn_network, images), before)


def test_the_state_check_can_fail(worn_network):
    images = torch.randn(4, 2, 9, 9)
    before = state_of(worn_network, images)
    worn_network(images)
    after = state_of(worn_network, images)
    for key in ("buffers", "random"):
        with pytest.raises(AssertionError):
            assert_same(after[key], before[key])


def test_measuring_works_without_grad_mode():
    network, images = small_network(), some_images(2, 2, 8, 8)
    expected = effective_receptive_field(network, images).values
    with torch.no_grad():
        np.testing.assert_array_equal(effective_receptive_field(network, images).values, expected)
        assert influence(network, images, (1, 1)).any()


def test_eval_mode_is_used_and_as_is_keeps_the_modes():
    network = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3)).double().train()
    images = some_images(2, 1, 9, 9)
    inside = effective_receptive_field(network, images).values
    assert np.count_nonzero(inside) == 9
    frozen = copy.deepcopy(network).eval()
    np.testing.assert_array_equal(effective_receptive_field(frozen, images, mode="as_is").values, inside)
    assert np.count_nonzero(effective_receptive_field(network, images, mode="as_is").values) == 81


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


def test_images_without_influence_are_left_out_and_counted():
    network = nn.Sequential(nn.ReLU(), nn.Conv2d(1, 2, 3)).double()
    images = some_images(5, 1, 5, 5).abs()
    images[1] = images[4] = -1
    imap = effective_receptive_field(network, images, batch_size=2)
    assert (imap.samples, imap.skipped) == (3, 2)
    others = [effective_receptive_field(network, images[i : i + 1], first_sample=i).values for i in (0, 2, 3)]
    np.testing.assert_allclose(imap.values, np.mean(others, 0), rtol=1e-12)
    nothing = effective_receptive_field(network, images[[1, 4]])
    assert (nothing.samples, nothing.skipped) == (0, 2)
    assert not nothing.values.any()


def test_gradients_that_are_not_finite_name_the_image():
    class Root(nn.ReLU):
        def forward(self, x):
            return x.sqrt()

    network = nn.Sequential(Root(), nn.Conv2d(1, 2, 3))
    images = torch.rand(4, 1, 5, 5) + 1
    images[2, 0, 2, 2] = 0
    with pytest.raises(InvalidInput, match=r"the gradient of image 2 of its batch is not finite.*float32"):
        effective_receptive_field(network, images)


def test_images_take_the_network_s_precision():
    network, images = small_network(), some_images(2, 2, 8, 8)
    rounded = effective_receptive_field(network, images.float()).values
    np.testing.assert_array_equal(rounded, effective_receptive_field(network, images.float().double()).values)


def test_float32_is_close_to_float64():
    network = nn.Sequential(nn.Conv2d(1, 8, 3), nn.Conv2d(8, 8, 3))
    images = torch.randn(3, 1, 9, 9)
    single = effective_receptive_field(network, images).values
    assert difference(single, effective_receptive_field(network.double(), images).values) < 1e-5


class Viewing(nn.Module):
    """Its view needs rows and columns behind the channels."""

    def forward(self, x):
        return x.view(len(x), -1).view(x.shape)


@pytest.mark.parametrize("viewing", [False, True])
def test_the_memory_layout_does_not_matter(viewing):
    layouts = []
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.MaxPool2d(2), *[Viewing()] * viewing, nn.Conv2d(8, 8, 3))
    handle = network[-1].register_forward_pre_hook(
        lambda _, given: layouts.append(given[0].is_contiguous(memory_format=torch.channels_last))
    )
    images = torch.randn(3, 3, 16, 18)
    for given in (images, images.contiguous(memory_format=torch.channels_last)):
        before = given.stride()
        single = effective_receptive_field(network.float(), given).values
        assert layouts[-1] is not viewing
        assert difference(single, effective_receptive_field(network.double(), given).values) < 1e-5
        assert layouts[-1] is False
        assert (given.stride(), given.requires_grad) == (before, False)
        coarse = effective_receptive_field(network.bfloat16(), given).values
        assert layouts[-1] is not viewing
        assert difference(coarse, single) < 0.05
    handle.remove()


BAD_ARGUMENTS = [
    ({"statistic": "median"}, "statistic='median' is unknown; allowed: mean_abs"),
    ({"aggregation": "mean"}, "aggregation='mean' is unknown; allowed: random_sign"),
    ({"aggregation": 3}, "aggregation=3: the output has channels 0 to 2"),
    ({"aggregation": -1}, "channels 0 to 2"),
    ({"statistic": "signed_mean"}, "signed_mean of randomly signed channels is 0 on average"),
    ({"mode": "train"}, "mode='train' is unknown; allowed: eval, as_is"),
    ({"layer": "4"}, "layer '4' is not in Sequential; nearest names: 0, 1, 2, 3"),
    ({"layer": ["0", "conv"]}, "layer 'conv' is not in Sequential"),
    ({"unit": (4, 0)}, r"unit \(4, 0\) is outside the grid of the network's output .* \(4, 4\)"),
    ({"unit": [(0, 0), (0,)]}, "outside the grid"),
    ({"batch_size": 0}, "batch_size=0"),
    ({"images": torch.zeros(2, 8)}, r"must have shape \[N, C, H, W\], not \[2, 8\]"),
    ({"images": torch.full((2, 2, 8, 8), torch.inf)}, "not finite"),
    ({"images": []}, "no image"),
    ({"images": torch.zeros(0, 2, 8, 8)}, "no image"),
    ({"images": "photos/"}, r"tensor or an iterable of batches, not str; .* erf\.data\.Pictures"),
    ({"images": Path("photos")}, "not PosixPath; those of a folder"),
    ({"images": None}, "not NoneType"),
    ({"images": TensorDataset(torch.zeros(1, 2, 8, 8))}, "not TensorDataset"),
    (
        {"images": [{"image": torch.zeros(1, 2, 8, 8)}]},
        "a batch of images is a tensor, or .* one first, not dict",
    ),
    ({"images": np.zeros((1, 2, 8, 8))}, "not ndarray; those of a folder are"),
    ({"images": [([], torch.zeros(1))]}, "not a tuple that begins with list"),
    ({"images": [()]}, "with one first, not tuple"),
    ({"images": [["x"]]}, "not a list that begins with str"),
    (
        {"images": torch.zeros(2, 3, 8, 8)},
        r"does not run on an input \[N, 3, 8, 8\] \(its first layer takes 2 channels, not 3: channels=2\)",
    ),
    (
        {"images": [torch.zeros(1, 2, 8, 8), torch.zeros(1, 2, 8, 12)]},
        r"all images must have one shape: after images of \[2, 8, 8\] came \[2, 8, 12\]",
    ),
    ({"images": [torch.zeros(1, 2, 8, 8), torch.zeros(1, 1, 8, 8)]}, r"after images of \[2, 8, 8\] came \[1, 8, 8\]"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_ARGUMENTS)
def test_bad_input(arguments, message):
    with pytest.raises(InvalidInput, match=message):
        effective_receptive_field(small_network(), **{"images": some_images(2, 2, 8, 8), **arguments})


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


class Bag:
    """Iterable, and nothing else."""

    def __init__(self, *batches):
        self.batches = batches

    def __iter__(self):
        return iter(self.batches)


def test_batches_with_labels_give_the_map_of_the_images():
    network, images = small_network(), some_images(5, 2, 8, 8)
    expected = effective_receptive_field(network, images, batch_size=2).values
    labelled = DataLoader(TensorDataset(images, torch.arange(5)), batch_size=2)
    first, second = images[:2], images[2:]
    for given in (
        labelled,
        DataLoader(TensorDataset(images), batch_size=2),
        Bag((first, None), (second, None)),
        Bag([first, {}], [second]),
        iter([first, second]),
    ):
        np.testing.assert_array_equal(effective_receptive_field(network, given, batch_size=2).values, expected)


def test_pictures_of_a_folder(tmp_path):
    rng = np.random.default_rng(0)
    for name in "cab":
        Image.fromarray(rng.integers(0, 256, (20, 26, 3), dtype=np.uint8)).save(tmp_path / f"{name}.png")
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Conv2d(4, 2, 3)).double()
    pictures = Pictures(tmp_path, (12, 14), batch_size=2)
    imap = effective_receptive_field(network, pictures, batch_size=2)
    assert imap.samples == 3
    assert imap.values.shape == (12, 14)
    expected = effective_receptive_field(network, torch.cat(list(pictures)), batch_size=2)
    np.testing.assert_array_equal(imap.values, expected.values)


def test_noise_images():
    network = small_network()
    expected = torch.stack([Noise.uniform.draw((2, 8, 8), generator(3, i, INPUTS)) for i in range(5)])
    plain = effective_receptive_field(network, expected, seed=3, batch_size=2)
    for batch_size in (1, 2, 4):
        noise = NoiseImages("uniform", (2, 8, 8), 5, seed=3, batch_size=batch_size)
        imap = effective_receptive_field(network, noise, seed=3, batch_size=2)
        assert difference(imap.values, plain.values) < 1e-12
        assert imap.samples == 5


def test_what_the_first_layer_takes_is_said_only_where_it_explains_the_failure():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(3, 1, 1))

        def forward(self, x):
            return x * self.scale

    with pytest.raises(InvalidInput, match=r"does not run on an input \[N, 2, 8, 8\]: "):
        effective_receptive_field(nn.Sequential(Scaled(), nn.Conv2d(3, 2, 3)), torch.zeros(1, 2, 8, 8))
    torchs = r"does not run on an input \[N, 2, 4, 4\]: .*(Kernel|Output) size"
    ours = r"its output on an image of \[4, 4\] pixels is empty"  # torch 2.6 runs it on the meta device
    with pytest.raises(InvalidInput, match=f"{torchs}|{ours}"):
        effective_receptive_field(nn.Conv2d(2, 3, 5), torch.zeros(1, 2, 4, 4))
