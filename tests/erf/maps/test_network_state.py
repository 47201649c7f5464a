"""Measuring leaves the network, the images and the process as they were."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from erf import InvalidInput, effective_receptive_field, influence
from tests.erf.maps.jacobians import some_images

pytestmark = pytest.mark.usefixtures("seeded")


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


def test_eval_mode_is_used_and_as_is_keeps_the_modes():
    network = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3)).double().train()
    images = some_images(2, 1, 9, 9)
    inside = effective_receptive_field(network, images).values
    assert np.count_nonzero(inside) == 9
    frozen = copy.deepcopy(network).eval()
    np.testing.assert_array_equal(effective_receptive_field(frozen, images, mode="as_is").values, inside)
    assert np.count_nonzero(effective_receptive_field(network, images, mode="as_is").values) == 81
