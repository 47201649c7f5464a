import sys

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from erf import InvalidInput, influence
from erf.inits import Init
from erf.networks.conv_stack import Activation, ConvStack
from erf.stacks.stack_influence import stack_influence
from tests.oracles.one_device import OneDevice


def test_influence_never_mixes_devices():
    network = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Conv2d(4, 3, 3)).to("meta")
    images = torch.empty(2, 2, 9, 9, device="meta")
    for direction in (None, torch.ones(3), torch.ones(2, 3, dtype=torch.float64)):
        with OneDevice() as guard:
            g = influence(network, images, (2, 2), direction)
        assert (g.device.type, g.shape) == ("meta", (2, 2, 9, 9))
        assert "meta" in guard.seen


@pytest.mark.parametrize("init", [Init.he_normal, Init.equal])
@pytest.mark.parametrize("aggregation", ["random_sign", "sum", 1])
@pytest.mark.parametrize("activation", Activation)
def test_stack_influence_never_mixes_devices(activation, aggregation, init, monkeypatch):
    # There are no numbers on the meta device, finite or not.
    monkeypatch.setattr(sys.modules["erf.stacks.stack_influence"], "_require_finite", lambda *_: None)
    stack = ConvStack(3, 4, init=init, activation=activation)
    with OneDevice() as guard:
        (g,) = stack_influence(
            stack, range(3), aggregation=aggregation, device=torch.device("meta"), dtype=torch.float64
        )
    assert (g.device.type, g.shape) == ("meta", (3, 1, 7, 7))
    assert guard.seen == {"cpu", "meta"}


def test_the_guard_can_fail():
    image, weight = torch.empty(1, 1, 5, 5, device="meta"), torch.ones(1, 1, 3, 3)
    assert F.conv2d(image, weight).device.type == "meta"  # meta alone lets it pass
    with OneDevice(), pytest.raises(RuntimeError, match=r"convolution.* mixes devices: \['cpu', 'meta'\]"):
        F.conv2d(image, weight)


def test_the_guard_finds_a_tensor_that_forgot_its_device():
    class Forgetful(nn.Module):
        def forward(self, x):
            return F.conv2d(x, torch.ones(1, 1, 3, 3))

    images = torch.empty(1, 1, 9, 9, device="meta")
    assert influence(Forgetful(), images, (2, 2)).shape == images.shape
    with OneDevice(), pytest.raises(InvalidInput, match="mixes devices"):
        influence(Forgetful(), images, (2, 2))


def test_the_guard_looks_at_the_backward_pass_too():
    class ForgetfulBackward(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            return F.conv2d(g, torch.ones(1, 1, 1, 1))

    class Network(nn.Module):
        def forward(self, x):
            return ForgetfulBackward.apply(x)

    images = torch.empty(1, 1, 9, 9, device="meta")
    assert influence(Network(), images, (2, 2)).shape == images.shape
    with OneDevice(), pytest.raises(InvalidInput, match="mixes devices"):
        influence(Network(), images, (2, 2))
