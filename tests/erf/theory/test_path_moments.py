"""The closed form of an expected map's sigma against the map itself, and what it refuses."""

import numpy as np
import pytest
from torch import nn

import erf
from tests.erf.theory.tiny_networks import Joined, Residual, blur, conv, network_of, scale

SHAPES = {
    "strides, groups and padding": [
        conv(2, 4, 3, stride=2, padding=1, groups=2),
        nn.ReLU(),
        conv(4, 2, (3, 2), dilation=2),
    ],
    "batch scale": [conv(2, 3), scale(1.0, 4.0, 0.2), nn.LeakyReLU(0.1), conv(3, 2, (2, 3))],
    "blur": [conv(2, 2), blur(), conv(2, 2, 3, stride=2), nn.ZeroPad2d(2), conv(2, 1)],
    "average pool": [conv(2, 2, 3), nn.AvgPool2d((2, 3)), conv(2, 2, 2)],
    "residual": [conv(2, 2), Residual(conv(2, 2, 3, padding=1)), conv(2, 2, (2, 1))],
    "channels joined": [conv(2, 4, 1), nn.ChannelShuffle(2), Joined(conv(4, 1, 2), skip=conv(4, 2, 2)), conv(3, 1, 2)],
    "transposed": [conv(2, 3), nn.ConvTranspose2d(3, 2, (2, 3), padding=(0, 1), bias=False)],
}


@pytest.mark.parametrize("weights", ["variance", "squared"])
@pytest.mark.parametrize("name", SHAPES)
def test_the_closed_form_is_the_standard_deviation_of_the_map(name, weights):
    network = network_of(SHAPES[name])
    moments = erf.map_moments(erf.theory.expected_map(network, 40, weights=weights))
    sigma = erf.theory.expected_sigma(network, 40, weights=weights)
    assert sigma == pytest.approx(np.sqrt(np.diag(moments.covariance)), rel=1e-9)


NO_CLOSED_FORM = {
    "convolution in '0' has no closed form": [nn.ConvTranspose2d(2, 2, 2, 2)],
    "upsample_bilinear2d in '1' has no closed form": [conv(2, 2), nn.Upsample(scale_factor=2, mode="bilinear")],
    "two fixed filters follow": [conv(2, 2), nn.AvgPool2d(2, 1), conv(2, 2), nn.AvgPool2d(2, 1)],
    "relu in '2'.* gates='half'|gates='half'.* relu in '2'": [conv(2, 2), Residual(conv(2, 2, 1)), nn.ReLU()],
    "max_pool2d_with_indices in '1' is taken to choose": [conv(2, 2), nn.MaxPool2d(2)],
    "silu in '1' has no expectation": [conv(2, 2), nn.SiLU()],
    "has no rows and columns": [conv(2, 2), nn.Flatten()],
    "all gradients at the image are 0": [conv(2, 2), scale(0.0, 0.0)],
}


@pytest.mark.parametrize("message", NO_CLOSED_FORM)
def test_what_has_no_closed_form_is_refused_by_name(message):
    with pytest.raises(erf.InvalidInput, match=message):
        erf.theory.expected_sigma(nn.Sequential(*NO_CLOSED_FORM[message]), 12, channels=2)


def test_half_gates_give_max_pools_the_width_of_an_average_pool():
    sizes = (
        [conv(2, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1), conv(2, 2, 3)],
        [conv(2, 2), nn.AvgPool2d(3, 2, 1), conv(2, 2, 3)],
    )
    largest, average = (erf.theory.expected_sigma(nn.Sequential(*each), 24, gates="half") for each in sizes)
    assert largest == pytest.approx(average, rel=1e-12)
    assert "2.2 times" in erf.theory.expected_map(nn.Sequential(*sizes[0]), 24, gates="half").findings[-1]
