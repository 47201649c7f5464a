"""Expected maps against all patterns of signs, exact theory of stacks, fresh draws of weights, and the TRF."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.func import vmap
from torch.nn import functional as F

import erf
from erf import ConvLayer
from tests.erf.theory.sign_patterns import mean_over_signs, squares
from tests.erf.theory.tiny_networks import (
    CASES,
    SIDE,
    Residual,
    conv,
    image_of,
    network_of,
    scale,
)

DRAWN = settings(derandomize=True, deadline=None, max_examples=25)


def assert_equal(values, exact):
    assert exact.max() > 0
    np.testing.assert_allclose(values, exact, rtol=0, atol=1e-12 * exact.max())


@pytest.mark.parametrize("name", CASES)
def test_an_expected_map_is_the_mean_over_all_patterns_of_signs(name):
    network = network_of(CASES[name])
    image = image_of(network)
    grid = network(image).shape[2:]
    units = [tuple(side // 2 for side in grid), tuple(0 for _ in grid)]
    for unit in units:
        imap = erf.theory.expected_map(network, SIDE, unit=unit or None, weights="squared", channels=image.shape[1])
        assert_equal(imap.values, mean_over_signs(network, image, unit).detach().numpy())
        assert imap.findings == ()


class Frozen(nn.Module):
    """A ReLU or max pool as it acted on one image, whatever it gets."""

    def __init__(self, module):
        super().__init__()
        self.module, self.choices = module, None

    def forward(self, x):
        is_pool = isinstance(self.module, nn.MaxPool2d)
        if self.choices is None:
            m = self.module
            window = (m.kernel_size, m.stride, m.padding, m.dilation, m.ceil_mode) if is_pool else ()
            self.choices = F.max_pool2d(x, *window, return_indices=True)[1] if is_pool else x > 0
        if is_pool:
            return x.flatten(2).gather(2, self.choices.flatten(2)).reshape(self.choices.shape)
        return x * self.choices


MEASURED = {
    "ReLU after a sum": [conv(), Residual(conv(1, 1, (1, 3), padding=(0, 1))), nn.ReLU(), conv()],
    "ReLU between average pools": [nn.AvgPool2d(2, 1), conv(), nn.ReLU(), conv(), nn.AvgPool2d(2, 1)],
    "max pool": [conv(), nn.MaxPool2d(2), conv()],
    "overlapping max pools": [nn.MaxPool2d(3, 1, 1), conv(), nn.MaxPool2d(3, 2), nn.ReLU(), conv()],
    "max pool between average pools": [nn.AvgPool2d(2, 1), conv(), nn.MaxPool2d(2, 1), conv(), nn.AvgPool2d(2, 1)],
    "strides between average pools": [
        nn.AvgPool2d(3, 1, 1),
        conv(1, 2, (2, 1)),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
        conv(2, 1),
        nn.AvgPool2d(2, 1),
    ],
}


@pytest.mark.parametrize("name", MEASURED)
def test_measured_gates_and_choices_are_those_of_the_images(name):
    """The mean over signs is taken with the gates and choices held as they are on each image."""
    network = network_of(MEASURED[name])
    images = [image_of(network, seed) for seed in (1, 2)]
    exact = []
    for image in images:
        frozen = nn.Sequential(*[Frozen(m) if isinstance(m, nn.ReLU | nn.MaxPool2d) else m for m in network])
        unit = tuple(side // 2 for side in frozen(image).shape[2:])
        exact.append(mean_over_signs(frozen, image, unit).detach().numpy())
    imap = erf.theory.expected_map(network, SIDE, weights="squared", images=torch.cat(images))
    assert_equal(imap.values, np.mean(exact, axis=0))
    assert "on 2 images," in imap.findings[0]


@pytest.mark.parametrize("function", [nn.SiLU(), nn.GELU(), nn.Tanh(), nn.ReLU6(), nn.ELU(inplace=True)])
def test_the_slopes_of_other_functions_are_those_of_the_images(function):
    network = network_of([conv(), function, conv(kernel=(1, 1))])
    image = 3 * image_of(network)
    hidden = network[:1](image).detach().requires_grad_()
    slopes = torch.autograd.grad(function(hidden.clone()).sum(), hidden)[0][0, 0].numpy()
    first, last = (module.weight.detach().square().flatten().numpy() for module in (network[0], network[2]))
    units = [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)]
    maps = erf.theory.expected_map(network, SIDE, unit=units, weights="squared", images=image)
    assert min(slopes[unit] for unit in units) < 0.5
    for unit, imap in zip(units, maps, strict=True):
        exact = np.zeros((SIDE, SIDE))
        exact[unit[0], unit[1] : unit[1] + 2] = first * last * slopes[unit] ** 2
        np.testing.assert_allclose(imap.values, exact, rtol=1e-9, atol=0)


@pytest.mark.parametrize(("bias", "measured"), [(0.0, False), (0.5, True)])
def test_a_shift_of_batch_norm_before_a_gate_is_measured(bias, measured):
    norm = scale(1.0)
    norm.bias.data.fill_(bias)
    imap = erf.theory.expected_map(network_of([conv(), norm, nn.ReLU(), conv()]), SIDE)
    assert [text.startswith("nonlinearities act as on 2 image") for text in imap.findings] == [True] * measured


@pytest.mark.parametrize("pool", [nn.AvgPool2d(2), nn.AvgPool2d(3, 1), nn.Upsample(scale_factor=2, mode="bilinear")])
def test_gates_below_a_fixed_filter_are_found_to_be_an_approximation(pool):
    """They depend on the weights of their own layer, by which the gradients that the filter correlates meet again."""
    network = network_of([conv(1, 2), nn.ReLU(), pool, conv(2, 1)])
    imap = erf.theory.expected_map(network, SIDE, weights="squared")
    image = image_of(network)
    unit = tuple(side // 2 for side in network(image).shape[2:])
    difference = np.abs(imap.values - mean_over_signs(network, image, unit).detach().numpy()).max()
    assert difference > 0.01 * imap.values.max()
    assert "relu in '1' lies below a fixed filter" in imap.findings[0]


@st.composite
def stacks(draw, axes=2):
    """Draw the layers of a linear stack, each with the network that it is the theory of."""
    layers, modules = [], []
    for _ in range(draw(st.integers(1, 3))):
        kernel = tuple(draw(st.integers(1, 3)) for _ in range(axes))
        stride, dilation = (tuple(draw(st.integers(1, 2)) for _ in range(axes)) for _ in range(2))
        profile = np.random.default_rng(draw(st.integers(0, 99))).uniform(0.1, 1, kernel)
        layers.append(ConvLayer(kernel, stride, dilation, profile))
        modules.append(conv(1, 1, kernel, stride=stride, dilation=dilation).double())
        modules[-1].weight.data = torch.from_numpy(profile).sqrt()[None, None]
    if draw(st.booleans()):
        gain = draw(st.floats(0.1, 2))
        branch = conv(1, 1, (3,) * axes, padding=1).double()
        branch.weight.data = torch.full_like(branch.weight, gain / 3 ** (axes / 2))
        layers.append(erf.Residual([ConvLayer((3,) * axes)], gain))
        modules.append(Residual(branch))
    return layers, nn.Sequential(*modules)


@DRAWN
@given(stacks())
def test_an_expected_map_of_a_stack_is_that_of_the_theory_of_stacks(drawn):
    layers, network = drawn
    exact = erf.theory.influence_map(layers)
    imap = erf.theory.expected_map(network, 60, weights="squared", channels=1)
    assert_equal(imap.values[imap.on_trf()] / imap.values.sum(), exact.values)
    assert imap.values.sum() == pytest.approx(imap.values[imap.on_trf()].sum(), rel=1e-14)
    sigma = erf.theory.expected_sigma(network, 60, weights="squared", channels=1)
    assert sigma == pytest.approx(np.sqrt(erf.theory.variance(layers)), rel=1e-9)


@st.composite
def wide_networks(draw):
    """Draw what makes an exact network of 16 channels: a function that makes it anew, with fresh weights."""
    kinds = ["convolution", "stride", "residual", "ReLU", "transposed"]
    chosen = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=3))
    pool = draw(st.sampled_from([None, nn.AvgPool2d(2), nn.AvgPool2d(3, 1, 1), nn.ReflectionPad2d(1)]))

    def make():
        made = [nn.Conv2d(2, 16, 3, padding=1, bias=False)]
        for kind in chosen:
            made += {
                "convolution": [nn.Conv2d(16, 16, 3, bias=False, padding=2, dilation=2)],
                "stride": [nn.Conv2d(16, 16, 2, stride=2, bias=False)],
                "residual": [Residual(nn.Conv2d(16, 16, 3, padding=1, bias=False)), nn.Conv2d(16, 16, 1, bias=False)],
                "ReLU": [nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1, bias=False)],
                "transposed": [nn.ConvTranspose2d(16, 16, 3, 2, 1, bias=False)],
            }[kind]
        return nn.Sequential(*made[:1], *([pool] if pool else []), *made[1:]).double()

    return make


@pytest.mark.slow
@settings(DRAWN, max_examples=4)
@given(wide_networks())
def test_an_expected_map_is_the_mean_over_fresh_weights(make):
    """Within 5 standard errors at every pixel, of networks in which all rules are exact."""
    torch.manual_seed(0)
    network, image = make(), torch.randn(1, 2, 12, 12).double()
    deviations = {name: 1 / math.sqrt(w[0].numel()) for name, w in network.named_parameters()}
    for name, weight in network.named_parameters():
        weight.data = torch.full_like(weight, deviations[name])
    imap = erf.theory.expected_map(network, 12)
    assert imap.findings == ()
    unit = tuple(side // 2 for side in network(image).shape[2:])
    draws = {name: deviations[name] * torch.randn(400, *w.shape).double() for name, w in network.named_parameters()}
    samples = vmap(lambda weights: squares(network, weights, image, unit))(draws)
    mean, error = samples.mean(0).detach().numpy(), samples.std(0).detach().numpy() / 20
    reached = imap.values > 0
    assert (error[~reached] == 0).all()
    assert (np.abs(mean - imap.values)[reached] < 5 * error[reached]).all()


@DRAWN
@given(stacks(), st.booleans())
def test_what_is_expected_to_be_reached_is_the_theoretical_field(drawn, pooled):
    network = nn.Sequential(nn.AvgPool2d(2, 1), drawn[1], nn.AvgPool2d(3, 1)) if pooled else drawn[1]
    imap = erf.theory.expected_map(network, 60, channels=1)
    field = erf.theoretical_receptive_field(network, 60, channels=1)
    ends = [(int(np.flatnonzero(line)[0]), int(np.flatnonzero(line)[-1]) + 1) for line in map(imap.values.any, (1, 0))]
    assert tuple(ends) == field.box == imap.trf_box
    assert imap.center == field.center


def test_weights_of_one_variance_are_their_mean_square():
    torch.manual_seed(0)
    network = nn.Sequential(conv(2, 6, (3, 3), groups=2), nn.ReLU(), conv(6, 4, (2, 2), stride=2)).double()
    equal = nn.Sequential(conv(2, 6, (3, 3), groups=2), nn.ReLU(), conv(6, 4, (2, 2), stride=2)).double()
    for weight, mean in zip(equal.parameters(), network.parameters(), strict=True):
        weight.data = mean.square().mean().sqrt().expand(weight.shape).clone()
    maps = [
        erf.theory.expected_map(each, 12, weights=kind).values for each in (network, equal) for kind in ("variance",)
    ]
    assert_equal(maps[0], maps[1])
    assert_equal(erf.theory.expected_map(equal, 12, weights="squared").values, maps[0])


@pytest.mark.parametrize("axes", [1, 3])
def test_one_and_three_axes_work_alike(axes):
    kinds = {1: (nn.Conv1d, nn.AvgPool1d, nn.MaxPool1d), 3: (nn.Conv3d, nn.AvgPool3d, nn.MaxPool3d)}
    convolution, average, largest = kinds[axes]
    network = nn.Sequential(average(2, 1), convolution(1, 3, 3), largest(2), convolution(3, 2, 2), average(2, 1))
    imap = erf.theory.expected_map(network, (12,) * axes)
    line = imap.values if axes == 1 else imap.values.sum((1, 2))
    assert imap.values.shape == (12,) * axes
    assert (line > 0).nonzero()[0].tolist() == list(range(*imap.trf_box[0]))


def test_layers_and_units_are_answered_as_everywhere():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3))
    maps = erf.theory.expected_map(network, 9, ["0", network[2]], [(1, 1), (2, 3)])
    assert list(maps) == ["0", "2"]
    for layer, each in maps.items():
        for unit, imap in zip([(1, 1), (2, 3)], each, strict=True):
            np.testing.assert_array_equal(imap.values, erf.theory.expected_map(network, 9, layer, unit).values)
    assert set(erf.theory.expected_sigma(network, 9, ["0", "2"])) == {"0", "2"}


def test_measuring_leaves_no_trace():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Dropout()).train()
    before, state = {k: v.clone() for k, v in network.state_dict().items()}, torch.random.get_rng_state()
    images = torch.randn(2, 3, 9, 9, generator=torch.Generator().manual_seed(0))
    copy = images.clone()
    with torch.inference_mode():
        erf.theory.expected_map(network, 9, gates="measured", images=images)
    assert network.training
    assert torch.equal(images, copy)
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
