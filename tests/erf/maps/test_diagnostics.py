import pytest
import torch
from torch import nn
from torchvision import models
from torchvision.ops import SqueezeExcitation

from erf import effective_receptive_field
from erf.maps.diagnostics import CANCELLING

pytestmark = pytest.mark.usefixtures("seeded")

INFINITE = "the TRF is infinite, the ERF may be small"


def noise(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


class Block(nn.Module):
    def __init__(self, scale=1.0, gain=1.0):
        super().__init__()
        self.branch = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3))
        self.layer_scale = nn.Parameter(torch.full((3, 1, 1), scale))
        nn.init.constant_(self.branch[1].weight, gain)

    def forward(self, x):
        return x + self.layer_scale * self.branch(x)


def said(network, **arguments):
    return effective_receptive_field(network, noise(2, 3, 16, 16), **arguments).diagnostics


def test_a_sound_network_has_nothing_to_report():
    assert said(nn.Sequential(Block(), Block())) == ()


def test_branches_of_weight_0_are_named():
    network = nn.Sequential(Block(), Block(gain=0), Block(gain=0), Block(gain=0), Block(scale=0.0))
    (sentence,) = said(network)
    assert sentence == (
        "zero weights: 1.branch.1.weight, 2.branch.1.weight and 2 more are all 0, "
        "so what they scale adds nothing to this map"
    )
    (sentence,) = said(network, layer="1")
    assert sentence.startswith("zero weights: 1.branch.1.weight is all 0")
    assert said(network, layer="1.branch.0") == ()


def test_factors_near_0_are_named():
    (sentence,) = said(nn.Sequential(Block(scale=1e-6)))
    assert sentence == "weights near zero: 0.layer_scale is at most 0.0001, so what they scale adds little to this map"


def test_every_channel_counts():
    block = Block(gain=0)
    with torch.no_grad():
        block.branch[1].weight[2], block.layer_scale[0] = 1, 0
    assert said(block) == ()


def test_tokens_that_start_at_0_are_no_branches():
    network = models.VisionTransformer(16, 8, 1, 2, 16, 32)
    assert not network.class_token.any()
    assert said(network, layer="conv_proj") == ()


def test_what_spans_the_image_is_named():
    squeezing = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), SqueezeExcitation(8, 4))
    assert said(squeezing) == (f"module '1.avgpool' spans the image along axes 0 and 1: {INFINITE}",)


def test_only_the_axes_that_are_spanned_are_named():
    class Rows(nn.Module):
        def forward(self, x):
            return x - x.mean(2, keepdim=True)

    class Columns(nn.Module):
        def forward(self, x):
            return x.cumsum(3)

    assert said(nn.Sequential(Rows(), Columns())) == (
        f"module '0' spans the image along axis 0: {INFINITE}",
        f"module '1' spans the image along axis 1: {INFINITE}",
    )


@pytest.mark.parametrize("norm", [nn.LayerNorm(8), nn.Identity()])
def test_channels_that_cancel_in_their_sum_are_reported(norm):
    class Normed(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution, self.norm = nn.Conv2d(3, 8, 3, padding=1), norm

        def forward(self, x):
            return self.norm(self.convolution(x).permute(0, 2, 3, 1))

    assert (CANCELLING in said(Normed(), aggregation="sum")) == isinstance(norm, nn.LayerNorm)
    assert said(Normed(), aggregation="random_sign") == ()


def test_a_dead_unit_is_no_cancelling():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    nn.init.constant_(network[0].bias, -1e6)
    assert said(network, aggregation="sum") == (
        "the unit is dead: no pixel of any of the 2 samples has an influence on it",
    )


def test_train_mode_norms_are_named_where_modes_are_left_alone():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    assert said(network) == ()
    assert said(network, mode="as_is") == (f"module '1' spans the image along axes 0 and 1: {INFINITE}",)
