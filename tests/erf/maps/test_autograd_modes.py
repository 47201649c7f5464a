"""Measuring works whatever autograd is told around it, and says so where the network itself cuts the gradient off."""

import copy
from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

import erf
from erf.compatibility import openerf_map, replknet_map

MODES = {"no_grad": torch.no_grad, "inference_mode": torch.inference_mode}


def some_images():
    return torch.randn(3, 3, 12, 11, generator=torch.Generator().manual_seed(1))


def build():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Tanh(), nn.BatchNorm2d(4), nn.Conv2d(4, 5, 3))


MEASURES = {
    "map": lambda network, images: erf.effective_receptive_field(network, images).values,
    "as is": lambda network, images: erf.effective_receptive_field(network, images, mode="as_is").values,
    "sum": lambda network, images: erf.effective_receptive_field(network, images, ["0", "3"], aggregation="sum"),
    "influence": lambda network, images: erf.influence(network, images, (2, 3)),
    "openerf": openerf_map,
    "replknet": replknet_map,
    "field": lambda network, images: erf.theoretical_receptive_field(network, tuple(images.shape[2:])).box,
}


def numbers(result):
    if isinstance(result, dict):
        return np.stack([imap.values for imap in result.values()])
    return np.asarray(result)


# Each mode at each of three times: by itself and at all of them, and, slow, any mixture.
TIMES = [
    pytest.param(*modes, marks=[pytest.mark.slow] * (modes.count(None) < 2 and len({*modes}) > 1))
    for modes in product([None, *MODES], repeat=3)
]


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(("measured", "images_made", "network_made"), TIMES)
def test_the_numbers_are_the_same_in_every_mode(measured, images_made, network_made, measure):
    within = {**MODES, None: torch.enable_grad}
    with within[images_made]():
        images = some_images()
    with within[network_made]():
        network = build().train(measure == "as is")
    state = copy.deepcopy(network.state_dict())
    with within[measured]():
        values = numbers(MEASURES[measure](network, images))
    np.testing.assert_array_equal(values, numbers(MEASURES[measure](build().train(measure == "as is"), some_images())))
    assert values.any()
    assert images.is_inference() == (images_made == "inference_mode")
    for name, tensor in [*network.named_parameters(), *network.named_buffers()]:
        assert tensor.is_inference() == (network_made == "inference_mode")
        assert tensor.equal(state[name])
        assert tensor.requires_grad == isinstance(tensor, nn.Parameter)


def test_parameters_made_in_inference_mode_stay_shared():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.norm, self.other = nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3), nn.Conv2d(3, 3, 3)
            self.other.weight = self.one.weight

        def forward(self, x):
            return self.other(self.norm(self.one(x)).tanh())

    with torch.inference_mode():
        network = Twice().eval()
    plain = copy.deepcopy(network)
    for module in plain.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            setattr(module, name, nn.Parameter(parameter.clone()))
    values, expected = (erf.effective_receptive_field(n, some_images()).values for n in (network, plain))
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-6 * expected.max())
    assert network.other.weight is network.one.weight


class Cut(nn.Module):
    """Two convolutions, between which the gradient is cut off."""

    def __init__(self, how):
        super().__init__()
        self.stem, self.head, self.how = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 3), how

    def forward(self, x):
        return self.head(self.how(self.stem, x))


def under(mode):
    def run(stem, x):
        with mode():
            return stem(x)

    return run


CUTS = {
    "no_grad": under(torch.no_grad),
    "inference_mode": under(torch.inference_mode),
    "detach": lambda stem, x: stem(x).detach(),
    "data": lambda stem, x: stem(x).data,
    "a parameter of its own": lambda stem, x: stem(x).detach() * torch.ones(1, requires_grad=True),
    "whole numbers": lambda stem, x: stem(x).long().float(),
}


@pytest.mark.parametrize("measure", ["map", "sum", "influence", "openerf", "replknet"])
@pytest.mark.parametrize("cut", CUTS)
def test_a_network_that_cuts_the_gradient_off_is_told_why_it_has_no_map(cut, measure):
    network = nn.Sequential(Cut(CUTS[cut]))
    measures = MEASURES | {"sum": lambda n, x: erf.effective_receptive_field(n, x, "0", aggregation="sum")}
    with pytest.raises(
        erf.InvalidInput, match=r"has no gradient with respect to the images: .*torch\.no_grad"
    ) as error:
        measures[measure](network, some_images())
    assert "\n" not in str(error.value)
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_the_layers_below_the_cut_are_measured():
    network = Cut(CUTS["detach"])
    assert erf.effective_receptive_field(network, some_images(), "stem").trf_size == (3, 3)


def test_what_is_left_of_a_gradient_is_measured():
    class Stopped(nn.Module):
        def __init__(self):
            super().__init__()
            self.near, self.far = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 5, padding=2)

        def forward(self, x):
            return self.near(x) + self.far(x).detach()

    imap = erf.effective_receptive_field(Stopped(), some_images())
    assert np.count_nonzero(imap.values) == 1
    assert imap.trf_size == (5, 5)


def test_an_inference_tensor_that_is_no_parameter_is_named():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(3, 4, 3)
            with torch.inference_mode():
                self.scale = torch.ones(1)

        def forward(self, x):
            return self.stem(x) * self.scale

    for measure in ("map", "influence", "openerf"):
        with pytest.raises(erf.InvalidInput, match=r"does not run on .* Inference tensors cannot be saved"):
            MEASURES[measure](Scaled(), some_images())
