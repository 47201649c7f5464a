"""Every form of a convolution's, a pool's and a padding's arguments: right numbers, or a line that names the module."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import erf
from tests.erf.theory.sign_patterns import mean_over_signs
from tests.erf.theory.test_expected_maps import Frozen
from tests.erf.theory.tiny_networks import Function, Residual, conv, image_of, network_of


def transposed(**changes):
    return nn.ConvTranspose2d(1, 1, (2, 3), bias=False, **changes)


def padded(*sides, **changes):
    return Function(lambda x: F.pad(x, sides, **changes))


def blur(*taps, dilation=1):
    kernel = torch.tensor(taps).outer(torch.tensor(taps))[None, None]
    return Function(lambda x: F.conv2d(x, kernel.to(x), dilation=dilation))


FORMS = {
    "padding valid": [conv(kernel=(2, 3), padding="valid")],
    "padding same": [conv(kernel=(1, 3), padding="same")],
    "padding same on one side": [conv(kernel=(2, 3), padding="same")],
    "padding same, dilated": [conv(kernel=(2, 3), padding="same", dilation=(2, 1))],
    "numbers of one": [conv(kernel=2, stride=2, padding=1, dilation=2)],
    "numbers of each axis": [conv(kernel=(2, 3), stride=(1, 2), padding=(0, 2), dilation=(2, 1))],
    "sequences": [conv(kernel=[2, 3], stride=[1, 2], padding=[0, 2])],
    **{f"{mode}, same": [conv(kernel=(2, 3), padding="same", padding_mode=mode)] for mode in ("reflect", "replicate")},
    **{f"{mode}, of each": [conv(padding=(1, 0), padding_mode=mode)] for mode in ("reflect", "replicate")},
    "groups": [conv(2, 4, 1, groups=2), conv(4, 2, 1, groups=2)],
    "groups of none": [conv(2, 4, (1, 2), groups=2)],
    "transposed, strides": [transposed(stride=(2, 1), padding=(0, 1))],
    "transposed, output padding": [transposed(stride=2, output_padding=(1, 0))],
    "transposed, dilated": [transposed(stride=2, dilation=2, output_padding=1)],
    "transposed, groups": [conv(2, 2, 1), nn.ConvTranspose2d(2, 4, (1, 2), 2, groups=2, bias=False)],
    "average pool": [nn.AvgPool2d((2, 3)), conv(kernel=1)],
    "average pool, cut": [nn.AvgPool2d(3, 2, 1, ceil_mode=True), conv()],
    "average pool, cut, border left out": [nn.AvgPool2d((2, 3), 2, 1, True, False), conv()],
    "average pool, another divisor": [nn.AvgPool2d(2, (1, 2), divisor_override=3), conv()],
    "adaptive pool": [nn.AdaptiveAvgPool2d((4, None)), conv()],
    "adaptive pool to one": [conv(), nn.AdaptiveAvgPool2d(1)],
    "zeros on one side": [conv(), nn.ZeroPad2d((1, 0, 0, 2)), conv()],
    "zeros taken away": [conv(), nn.ZeroPad2d((-1, 2, 0, -1)), conv()],
    "constants": [conv(), nn.ConstantPad2d((0, 1, 2, 0), 3.0), conv()],
    "F.pad of columns alone": [conv(), padded(2, 1), conv()],
    "F.pad, reflect": [conv(), padded(1, 2, 0, 1, mode="reflect"), conv(kernel=(2, 1))],
    "F.pad, replicate": [conv(), padded(0, 0, 3, 0, mode="replicate"), conv(kernel=(2, 1))],
    "F.pad of channels": [conv(), padded(0, 0, 0, 0, 1, 2), conv(4, 1)],
    "zeros beside the channels": [conv(), Function(lambda x: torch.cat([x.new_zeros(x.shape), x], 1)), conv(2, 1)],
    "flipped channels": [conv(1, 2), Function(lambda x: x.flip(1)), conv(2, 1)],
    "rolled channels": [conv(1, 3), Function(lambda x: x.roll(1, 1)), conv(3, 1)],
    "rolled columns": [conv(), Function(lambda x: x.roll(2, 3)), conv()],
    "nearest": [conv(), nn.Upsample(scale_factor=2), conv()],
    "nearest to a size": [conv(), nn.Upsample(size=(9, 6)), conv()],
    "blur with holes": [conv(), blur(1.0, 0, 2), conv()],
    "dilated blur": [conv(), blur(1.0, 2, dilation=2), conv()],
    "shifted branch": [conv(), Residual(padded(1, 0, mode="constant"), conv(kernel=(1, 2)))],
}  # fmt: skip
UNITS = {"transposed, dilated": (4, 4), "transposed, groups": (4, 4)}  # to others no path leads


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("name", FORMS)
def test_maps_are_the_mean_over_all_patterns_of_signs(name):
    network = network_of(FORMS[name])
    image = image_of(network)
    unit = UNITS.get(name) or tuple(side // 2 for side in network(image).shape[2:])
    imap = erf.theory.expected_map(network, image.shape[2:], unit=unit, weights="squared", channels=image.shape[1])
    exact = mean_over_signs(network, image, unit).detach().numpy()
    np.testing.assert_allclose(imap.values, exact, rtol=0, atol=1e-12 * exact.max())


NO_CLOSED_FORM = {
    "adaptive pool to one": "mean in '1' has no closed form",
    "nearest": "upsample_nearest2d in '1' has no closed form",
    "nearest to a size": "upsample_nearest2d in '1' has no closed form",
    **{f"transposed, {form}": "has no closed form" for form in ("strides", "output padding", "dilated", "groups")},
}


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("name", FORMS)
def test_sigmas_are_those_of_the_maps_where_no_border_cuts_these(name):
    network = network_of(FORMS[name])
    channels = image_of(network).shape[1]
    for weights in ("variance", "squared"):
        if name in NO_CLOSED_FORM:
            with pytest.raises(erf.InvalidInput, match=NO_CLOSED_FORM[name]):
                erf.theory.expected_sigma(network, 32, weights=weights, channels=channels)
            continue
        sigma = erf.theory.expected_sigma(network, 32, weights=weights, channels=channels)
        values = erf.theory.expected_map(network, 32, weights=weights, channels=channels).values
        assert sigma == pytest.approx(deviations(values), rel=1e-9, abs=1e-9)


def deviations(values):
    """Return the standard deviation of a map's marginals."""
    lines = [values.sum(axis) / values.sum() for axis in (1, 0)]
    places = [np.arange(len(line)) - np.arange(len(line)) @ line for line in lines]
    return [np.sqrt(line @ place**2) for line, place in zip(lines, places, strict=True)]


MAX_POOLS = {
    "cut": nn.MaxPool2d(2, ceil_mode=True),
    "dilated": nn.MaxPool2d((2, 1), 1, (1, 0), dilation=(3, 1)),
    "of each axis": nn.MaxPool2d((1, 3), (2, 1), (0, 1)),
}


@pytest.mark.parametrize("name", MAX_POOLS)
def test_max_pools_are_those_of_the_images(name):
    network = network_of([nn.AvgPool2d((2, 1), 1), conv(1, 2), MAX_POOLS[name], conv(2, 1, 1), nn.AvgPool2d((2, 1), 1)])
    image = image_of(network)
    frozen = nn.Sequential(*[Frozen(module) if module is MAX_POOLS[name] else module for module in network])
    unit = tuple(side // 2 for side in frozen(image).shape[2:])
    imap = erf.theory.expected_map(network, image.shape[2:], weights="squared", images=image)
    exact = mean_over_signs(frozen, image, unit).detach().numpy()
    np.testing.assert_allclose(imap.values, exact, rtol=0, atol=1e-12 * exact.max())


REFUSED = {
    "'1' (Conv2d) reads memory into which": [conv(padding=1, padding_mode="circular")],
    "'1' (CircularPad2d) reads memory into which": [nn.CircularPad2d(1), conv()],
    "constant_pad_nd in '1' (Function): no rule is known for padding channels and": [padded(0, 1, 0, 0, 0, 1)],
    "constant_pad_nd in '1' (Function): no rule is known for what changes the dim": [padded(*[0] * 6, 0, 1)],
    "adaptive_max_pool2d in '1' (AdaptiveMaxPool2d): no rule": [nn.AdaptiveMaxPool2d(2)],
    "fractional_max_pool2d in '1' (FractionalMaxPool2d): no rule": [nn.FractionalMaxPool2d(2, output_size=3)],
    "in '1' (LPPool2d): no rule": [nn.LPPool2d(2, 2)],
    "pixel_shuffle in '1' (PixelShuffle): no rule": [nn.PixelShuffle(1)],
}


@pytest.mark.parametrize("message", REFUSED)
def test_forms_without_a_rule_are_refused_by_the_name_and_kind_of_their_module(message):
    network = network_of([conv(), *REFUSED[message]])
    for expected in (erf.theory.expected_map, erf.theory.expected_sigma):
        with pytest.raises(erf.InvalidInput) as refusal:
            expected(network, 8, channels=1)
        assert message in str(refusal.value)
        assert "\n" not in str(refusal.value)
