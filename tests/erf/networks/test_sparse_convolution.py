import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import deform_conv2d

import erf
from erf import InvalidInput, theoretical_receptive_field
from erf.maps.statistic import Statistic
from erf.metrics.gaussian_fit import map_moments
from erf.networks.conv_stack import ConvStack
from erf.networks.sparse_convolution import Connections, SparseConv2d, SparseStack
from erf.seeds import generator
from erf.stacks.stack_influence import stack_moments

NINE = torch.cartesian_prod(torch.arange(-1.0, 2), torch.arange(-1.0, 2))


@given(st.integers(0, 2**32), st.sampled_from([3, 5, 7]))
@settings(max_examples=20)
def test_it_is_a_deformable_convolution_of_constant_offsets(seed, area):
    draw = generator(seed)
    positions = (torch.rand(9, 2, generator=draw) * 2 - 1) * (area // 2)
    layer = SparseConv2d(2, 3, positions, area, padding=area // 2, generator=draw).double()
    x = torch.randn(2, 2, 7, 6, generator=draw, dtype=torch.float64)
    offsets = (positions - NINE).double().reshape(1, 18, 1, 1).expand(2, 18, 7, 6)
    expected = deform_conv2d(x, offsets, layer.weight.view(3, 2, 3, 3), padding=1)
    assert torch.allclose(layer(x), expected, rtol=0, atol=1e-6)  # positions are float32


def test_a_gradient_reaches_each_weight_and_nothing_else_of_the_kernel():
    layer = SparseConv2d(1, 1, NINE * 2, 5)
    layer(torch.ones(1, 1, 5, 5)).backward()
    assert layer.weight.grad is not None
    assert torch.equal(layer.weight.grad, torch.ones(1, 1, 9))
    assert [name for name, _ in layer.named_parameters()] == ["weight"]
    assert torch.count_nonzero(layer.kernel()) == 9


def test_its_field_is_the_whole_area():
    field = theoretical_receptive_field(SparseConv2d(1, 1, NINE * 2, 7, padding=3), (9, 9), channels=1)
    assert field.size == (7, 7)


@pytest.mark.parametrize("stack", [SparseStack(4, 16), SparseStack(4, 16, kernel_size=5)])
def test_a_grid_draws_the_weights_of_a_dilated_convolution(stack):
    plain = ConvStack(4, 16).draw_weights(generator(3))
    step = (stack.kernel_size - 1) // 2
    for sparse, dense in zip(stack.draw_weights(generator(3)), plain, strict=True):
        assert torch.equal(sparse[:, :, ::step, ::step], dense)
        assert torch.count_nonzero(sparse) == torch.count_nonzero(dense)


@pytest.mark.parametrize("connections", [Connections.scattered, Connections.deformable])
def test_positions_fill_the_area_and_differ_between_layers_and_runs(connections):
    stack = SparseStack(2, 4, kernel_size=7, connections=connections)
    drawn = [layer.taps for run in range(200) for layer in stack.draw_layers(generator(0, run))]
    assert not torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert (torch.stack(drawn).sum((0, 1)) > 0).all()
    for taps in drawn:
        assert taps.shape == (9, 7, 7)
        assert torch.allclose(taps.sum((1, 2)), torch.ones(9))
        assert connections is Connections.deformable or torch.equal(taps.sum(0).unique(), torch.tensor([0.0, 1.0]))


# In an area of 3 there is no place to choose, as in the stacks whose maps are compared elsewhere. Whole positions are
# compared below, at those of one draw.
SPARSE = [
    pytest.param(side, c, marks=() if (side, c) == (5, Connections.deformable) else pytest.mark.slow)
    for side in (5, 3)
    for c in Connections
]


@pytest.mark.parametrize(("side", "connections"), SPARSE)
def test_the_measured_mean_square_map_is_the_exact_one(side, connections):
    # Averaged over eight inputs, few runs are enough.
    stack = SparseStack(2, 8, 8, kernel_size=side, connections=connections)
    # Positions drawn for each run make g^2 skewed: of a thousand runs the standard error is often too small.
    runs = stack_moments(stack, 2000, Statistic.mean_square, seed=1, aggregation=0)
    exact = stack.exact_map().values
    # Where positions are drawn for each run, few runs reach the corners at all, and their standard error says nothing.
    seen = exact > 0.01 * exact.max()
    assert deviation(runs, exact)[seen].max() < 5


def deviation(runs, exact):
    """Return how many standard errors each pixel is away from theory of the measured total."""
    total = runs.sum((1, 2)).mean()
    error = runs.std(0, ddof=1) / len(runs) ** 0.5
    return np.abs(runs.mean(0) - exact * total) / np.where(error, error, np.inf)


class Fixed(SparseStack):
    """Positions of one draw for all runs."""

    def draw_layers(self, generator):
        layers = super().draw_layers(generator)
        for layer, fixed in zip(layers, super().draw_layers(torch.Generator().manual_seed(7)), strict=True):
            layer.taps = fixed.taps
        return layers


def test_at_fixed_positions_each_pixel_is_what_their_profiles_say():
    stack = Fixed(4, 16, 8, kernel_size=5, connections=Connections.scattered)
    runs = stack_moments(stack, 150, Statistic.mean_square, seed=1, aggregation=0)
    exact = stack.exact_map_of(stack.draw_layers(generator(0))).values
    assert deviation(runs, exact).max() < 5
    assert ((runs.mean(0) > 0) == (exact > 0)).all()
    assert deviation(runs, exact.T).max() > 5


def test_positions_between_pixels_have_no_profile():
    stack = SparseStack(2, 4, kernel_size=5, connections=Connections.deformable)
    with pytest.raises(InvalidInput, match="between pixels"):
        stack.exact_map_of(stack.draw_layers(generator(0)))


@pytest.mark.parametrize("depth", [1, 5, 12])
def test_the_exact_map_is_that_of_whole_pixels_where_there_are_no_fractions(depth):
    cases = {
        SparseStack(depth, connections=Connections.deformable): [erf.ConvLayer(3)],
        SparseStack(depth, kernel_size=7): [erf.ConvLayer(3, dilation=3)],
        SparseStack(depth, kernel_size=7, connections=Connections.scattered): [erf.ConvLayer(7)],
    }
    for stack, layer in cases.items():
        exact, expected = stack.exact_map(), erf.theory.influence_map(layer * depth)
        assert np.abs(exact.values - expected.values).max() < 1e-14 * expected.values.max()
        assert (exact.center, exact.trf_box) == (expected.center, expected.trf_box)
        np.testing.assert_allclose(map_moments(exact).sigma, erf.theory.gaussian_sigma(layer * depth, "mean_square"))
        variance = np.square(map_moments(exact).sigma)
        assert variance == pytest.approx(erf.theory.variance(layer * depth), rel=1e-9)


@pytest.mark.parametrize("side", [5, 7])
def test_deformable_positions_share_pixels_as_integrals_say(side):
    stack = SparseStack(1, kernel_size=side, connections=Connections.deformable)
    steps = 4000
    moves = (np.arange(steps) + 0.5) / steps * (side - 3) - (side - 3) / 2
    positions = (np.array([-1, 0, 1])[:, None] + moves).ravel()
    shares = np.clip(1 - np.abs(positions[:, None] - (np.arange(side) - side // 2)), 0, None)
    line = (shares**2).mean(0)
    expected = np.outer(line, line) / line.sum() ** 2
    assert np.abs(stack.exact_map().values - expected).max() < 1e-6


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"side": 5}, "side=5"),
        ({"side": 2}, "side=2"),
        ({"kernel_size": 4}, "area"),
        ({"kernel_size": 9, "side": 7}, "evenly"),
    ],
)
def test_what_does_not_fit_is_named(settings, named):
    with pytest.raises(InvalidInput, match=named):
        SparseStack(3, **settings)


def test_positions_outside_the_area_are_refused():
    with pytest.raises(InvalidInput, match="area=3"):
        SparseConv2d(1, 1, NINE * 2, 3)
    with pytest.raises(InvalidInput, match="area=4"):
        SparseConv2d(1, 1, NINE, 4)
