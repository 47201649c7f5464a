import itertools
import math

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from erf import InvalidInput
from erf.inits import Init, center_low_, center_low_profile, fill_, fill_layers_, weight_variance
from erf.seeds import generator

RANDOM = [init for init in Init if init is not Init.equal]
CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


@pytest.mark.parametrize("init", RANDOM)
@pytest.mark.parametrize("shape", [(64, 32, 3, 3), (64, 4, 3, 3), (50, 60, 5)])
def test_the_variance_of_every_random_init(init, shape):
    weight = fill_(torch.empty(shape), init, generator(0)).double()
    variance = weight_variance(init, shape[1], shape[0], math.prod(shape[2:]))
    assert float(weight.mean()) == pytest.approx(0, abs=5 * math.sqrt(variance / weight.numel()))
    # A normal square has a relative standard deviation of sqrt(2).
    assert float((weight**2).mean()) == pytest.approx(variance, rel=5 * math.sqrt(2 / weight.numel()))


@pytest.mark.parametrize(
    ("init", "variance"),
    [
        (Init.he_normal, 2 / 36),
        (Init.he_uniform, 2 / 36),
        (Init.glorot_normal, 2 / (36 + 72)),
        (Init.glorot_uniform, 2 / (36 + 72)),
        (Init.orthogonal, 1 / 36),
        (Init.torch_default, 1 / 108),
    ],
)
def test_variances_by_hand(init, variance):
    assert weight_variance(init, 4, 8, 9) == pytest.approx(variance, rel=1e-15)


@pytest.mark.parametrize("shape", [(16, 1, 3, 3), (16, 16, 3, 3), (48, 3, 1, 1), (5, 7, 1, 1), (3, 4, 5), (1, 1, 2)])
@pytest.mark.parametrize("layers", [0, 1, 5])
@pytest.mark.parametrize("init", Init)
def test_layers_are_filled_as_one_by_one_to_the_bit(init, layers, shape):
    together, one_by_one = generator(3), generator(3)
    filled = fill_layers_(torch.empty(layers, *shape), init, together)
    expected = [fill_(torch.empty(shape), init, one_by_one) for _ in range(layers)]
    assert len(filled) == layers
    assert all(torch.equal(a, b) for a, b in zip(filled, expected, strict=True))
    assert torch.equal(together.get_state(), one_by_one.get_state())


def test_uniform_inits_are_bounded():
    for init in (Init.he_uniform, Init.glorot_uniform, Init.torch_default):
        weight = fill_(torch.empty(64, 32, 3, 3), init, generator(0))
        bound = math.sqrt(3 * weight_variance(init, 32, 64, 9))
        assert 0.99 * bound < float(weight.abs().max()) <= bound * (1 + 1e-6)


def test_orthogonal_rows():
    rows = fill_(torch.empty(6, 3, 3, 3), Init.orthogonal, generator(0)).flatten(1).double()
    torch.testing.assert_close(rows @ rows.T, torch.eye(6).double(), rtol=0, atol=1e-5)


def test_the_default_is_that_of_torch():
    torch.manual_seed(5)
    ours = fill_(torch.empty(6, 3, 3, 3), Init.torch_default)
    torch.manual_seed(5)
    assert torch.equal(ours, nn.Conv2d(3, 6, 3, bias=False).weight.data)


def test_equal_weights():
    weight = fill_(torch.empty(6, 3, 2, 2), Init.equal)
    assert torch.equal(weight, torch.full((6, 3, 2, 2), 1 / 12))
    with pytest.raises(InvalidInput, match="init=equal is not random"):
        weight_variance(Init.equal, 3, 6, 4)


@pytest.mark.parametrize("init", RANDOM)
def test_draws_depend_on_the_generator_only(init):
    first, again, other = (fill_(torch.empty(4, 3, 3, 3), init, generator(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


KERNELS = [(3,), (5,), (3, 3), (5, 5), (4, 4), (3, 7), (1, 3), (3, 3, 3), (2, 3, 5)]


@pytest.mark.parametrize("kernel_size", KERNELS)
@pytest.mark.parametrize("strength", [0, 0.1, 0.5, 0.9, 0.999999, 1])
def test_the_profile_by_hand(kernel_size, strength):
    profile = center_low_profile(kernel_size, strength).numpy()
    sides = [np.linspace(-1, 1, k) if k > 1 else np.zeros(1) for k in kernel_size]
    squares = np.zeros(kernel_size)
    for place in itertools.product(*map(range, kernel_size)):
        corner = all(i in (0, k - 1) for i, k in zip(place, kernel_size, strict=True))
        if strength == 1:
            squares[place] = corner
        else:
            distance = sum(float(s[i]) ** 2 - (len(s) > 1) for s, i in zip(sides, place, strict=True))
            squares[place] = math.exp(strength / (1 - strength) * distance)
    np.testing.assert_allclose(profile**2, squares / squares.mean(), rtol=1e-9, atol=1e-300)
    assert (profile**2).mean() == pytest.approx(1, rel=1e-14)


def test_only_the_corners_are_left_at_strength_1():
    torch.testing.assert_close(
        center_low_profile((3, 3), 1), torch.tensor([[1.5, 0, 1.5], [0, 0, 0], [1.5, 0, 1.5]]).double()
    )
    assert int((center_low_profile((5, 4, 3), 1) > 0).sum()) == 8


@pytest.mark.parametrize("kernel_size", [(3,), (5, 5), (3, 4, 3)])
def test_the_profiles_variance_rises_with_strength_to_its_limit(kernel_size):
    places = np.stack(np.meshgrid(*(np.arange(k) - (k - 1) / 2 for k in kernel_size), indexing="ij"))
    spreads = []
    for strength in np.linspace(0, 1, 21):
        squares = center_low_profile(kernel_size, float(strength)).numpy() ** 2
        spreads.append(float((squares * (places**2).sum(0)).sum() / squares.sum()))
    assert (np.diff(spreads) > 0).all()
    assert spreads[0] == pytest.approx(sum((k**2 - 1) / 12 for k in kernel_size))
    assert spreads[-1] == pytest.approx(sum((k - 1) ** 2 / 4 for k in kernel_size))


@pytest.mark.parametrize("kernel_size", [(1,), (1, 1), (1, 1, 1), (2, 2)])
@pytest.mark.parametrize("strength", [0, 0.3, 1])
def test_kernels_without_a_center_are_unchanged(kernel_size, strength):
    assert torch.equal(center_low_profile(kernel_size, strength), torch.ones(kernel_size, dtype=torch.float64))


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_every_convolution_of_a_module_is_scaled(axes):
    convolution = CONVOLUTIONS[axes]
    torch.manual_seed(0)
    network = nn.Sequential(convolution(2, 3, 3), nn.ReLU(), nn.Sequential(convolution(3, 3, 5), convolution(3, 2, 1)))
    linear = nn.Linear(3, 3)
    network.add_module("head", linear)
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    assert center_low_(network, 0.5) is network
    after = dict(network.named_parameters())
    for name, side in [("0", 3), ("2.0", 5), ("2.1", 1)]:
        profile = center_low_profile((side,) * axes, 0.5)
        expected = before[f"{name}.weight"] * profile.float()
        torch.testing.assert_close(after[f"{name}.weight"].data, expected, rtol=1e-6, atol=0)
        assert torch.equal(after[f"{name}.bias"], before[f"{name}.bias"])
    assert torch.equal(linear.weight, before["head.weight"])
    assert all(p.requires_grad and p.grad is None for p in network.parameters())


LAYERS = {
    "plain": nn.Conv2d(12, 600, 3),
    "one axis": nn.Conv1d(12, 1200, 5),
    "three axes": nn.Conv3d(6, 200, 3),
    "rectangular": nn.Conv2d(12, 400, (3, 5)),
    "along one axis": nn.Conv2d(12, 800, (1, 7)),
    "even": nn.Conv2d(12, 400, 4, stride=2),
    "dilated": nn.Conv2d(12, 600, 3, dilation=4, padding="same"),
    "grouped": nn.Conv2d(24, 600, 3, groups=2),
    "depthwise": nn.Conv2d(2400, 2400, 5, groups=2400),
    "reflected": nn.Conv2d(12, 600, 3, padding=1, padding_mode="reflect"),
    "transposed": nn.ConvTranspose2d(400, 12, 3),
    "transposed, strided": nn.ConvTranspose2d(300, 12, 4, stride=2),
    "transposed, grouped": nn.ConvTranspose1d(600, 12, 6, stride=2, groups=2),
    "transposed, three axes": nn.ConvTranspose3d(60, 6, (3, 4, 5), stride=(1, 2, 2)),
}


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize("init", RANDOM)
@pytest.mark.parametrize("strength", [0.4, 1])
def test_the_expected_variance_of_a_filter_is_kept_after_every_init(layer, init, strength):
    fill_(layer.weight.data, init, generator(3))
    before = layer.weight.detach().double().square()
    after = center_low_(layer, strength).weight.detach().double().square()
    profile = after.mean((0, 1)) / before.mean((0, 1))
    assert profile.max() > 1.1 * profile.min()  # it is changed at all
    # At strength 1 the 2 ** axes corners carry everything; a normal square has a relative standard deviation of root 2.
    corners = after[:, :, *([0] * (after.ndim - 2))].numel() * 2 ** (after.ndim - 2)
    assert float(after.mean()) == pytest.approx(float(before.mean()), rel=5 * math.sqrt(2 / corners))


@pytest.mark.parametrize(("kernel_size", "stride", "dilation"), [(4, 2, 1), (6, 2, 1), (7, 3, 1), (5, 2, 3), (5, 4, 2)])
@pytest.mark.parametrize("strength", [0.3, 1])
def test_a_transposed_convolution_keeps_the_variance_of_every_output(kernel_size, stride, dilation, strength):
    """Filled with m, the sum of squares that meet in an output is as without it, away from the border."""
    layer = nn.ConvTranspose1d(1, 1, kernel_size, stride=stride, dilation=dilation, bias=False, dtype=torch.float64)
    nn.init.ones_(layer.weight)
    plain = layer(torch.ones(1, 1, 20, dtype=torch.float64)).detach()
    layer.weight.data = center_low_(layer, strength).weight.detach().square()
    inside = slice(kernel_size * dilation, -kernel_size * dilation)
    scaled = layer(torch.ones(1, 1, 20, dtype=torch.float64)).detach()
    torch.testing.assert_close(scaled[..., inside], plain[..., inside], rtol=1e-12, atol=0)
    assert not torch.equal(scaled, plain)


def test_a_transposed_kernel_of_which_one_tap_meets_an_output_is_unchanged():
    layer = nn.ConvTranspose2d(3, 4, 2, stride=2)
    before = layer.weight.detach().clone()
    assert torch.equal(center_low_(layer, 0.7).weight, before)


@pytest.mark.parametrize("name", ["resnet18", "shufflenet_v2_x0_5", "mobilenet_v3_small"])
def test_every_convolution_of_a_published_network_is_scaled_and_nothing_else(name):
    network = torchvision.models.get_model(name)
    convolutions = {f"{at}.weight": m for at, m in network.named_modules() if isinstance(m, nn.Conv2d)}
    before = {at: p.detach().clone() for at, p in network.named_parameters()}
    center_low_(network, 0.5)
    for at, after in network.named_parameters():
        side = convolutions[at].kernel_size if at in convolutions else (1, 1)
        expected = before[at] * center_low_profile(side, 0.5).float() if at in convolutions else before[at]
        assert torch.equal(after, before[at]) == (side == (1, 1))
        torch.testing.assert_close(after.data, expected, rtol=1e-6, atol=0)


def test_a_shared_weight_is_scaled_once():
    network = nn.Sequential(nn.Conv2d(3, 3, 3), nn.Conv2d(3, 3, 3))
    network[1].weight = network[0].weight
    before = network[0].weight.detach().clone()
    center_low_(network, 0.5)
    torch.testing.assert_close(network[0].weight.data, before * center_low_profile((3, 3), 0.5).float())


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_type_of_a_weight_is_kept(dtype):
    assert center_low_(nn.Conv2d(2, 2, 3, dtype=dtype), 0.5).weight.dtype == dtype


def test_weights_computed_from_others_are_refused_by_name_and_nothing_is_changed():
    normed = nn.utils.parametrizations.weight_norm(nn.Conv2d(2, 2, 3))
    for second, message in [(normed, r"'1': its weight is computed"), (nn.LazyConv2d(2, 3), r"'1' is lazy")]:
        network = nn.Sequential(nn.Conv2d(2, 2, 3), second)
        before = network[0].weight.detach().clone()
        with pytest.raises(InvalidInput, match=message):
            center_low_(network, 0.5)
        assert torch.equal(network[0].weight, before)


def test_strength_0_changes_nothing():
    network = nn.Conv2d(3, 4, 5)
    before = network.weight.detach().clone()
    assert torch.equal(center_low_(network, 0).weight, before)


@pytest.mark.parametrize("strength", [-0.1, 1.1, math.nan, math.inf])
def test_bad_strengths(strength):
    network = nn.Conv2d(1, 1, 3)
    before = network.weight.detach().clone()
    with pytest.raises(InvalidInput, match="allowed are numbers from 0 to 1"):
        center_low_(network, strength)
    assert torch.equal(network.weight, before)
