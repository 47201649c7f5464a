import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from erf import InvalidInput
from erf.inits import Init, center_low_, center_low_profile, fill_, weight_variance
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
def test_kernels_without_a_centre_are_unchanged(kernel_size, strength):
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


def test_strength_0_changes_nothing():
    network = nn.Conv2d(3, 4, 5)
    before = network.weight.detach().clone()
    assert torch.equal(center_low_(network, 0).weight, before)


@pytest.mark.parametrize("strength", [0.4, 1])
def test_the_expected_variance_of_a_filter_is_kept(strength):
    network = nn.Conv2d(16, 500, 3)
    fill_(network.weight.data, Init.he_normal, generator(3))
    before = float(network.weight.detach().double().square().mean())
    after = float(center_low_(network, strength).weight.detach().double().square().mean())
    assert after == pytest.approx(before, rel=5 * math.sqrt(2 / (16 * 500 * 4)))


@pytest.mark.parametrize("strength", [-0.1, 1.1, math.nan, math.inf])
def test_bad_strengths(strength):
    network = nn.Conv2d(1, 1, 3)
    before = network.weight.detach().clone()
    with pytest.raises(InvalidInput, match="allowed are numbers from 0 to 1"):
        center_low_(network, strength)
    assert torch.equal(network.weight, before)
