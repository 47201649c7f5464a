"""The maps of linear stacks, against closed forms, whole numbers and networks."""

import math
import time
from fractions import Fraction
from functools import reduce
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import convolve2d

from erf import ConvLayer, InvalidInput, Residual, theory
from erf.inits import Init, weight_variance
from erf.maps.statistic import Statistic
from erf.networks.conv_stack import ConvStack
from erf.stacks.stack_influence import stack_influence, stack_moments
from erf.theory import nfold_convolution
from tests.oracles.maps import marginal_moments
from tests.oracles.positive_network import gradient_map
from tests.oracles.whole_numbers import convolved, extended_binomials, shares

NORMALIZED = ["mean_square", "signed_mean"]


def relative_error(values, exact, floor=1e-12):
    seen = exact > floor * exact.max()
    assert seen.any()
    return np.abs(values[seen] / exact[seen] - 1).max()


@st.composite
def conv_layers(draw, axes, max_stride=3, odd=False):
    sides = st.sampled_from([1, 3]) if odd else st.integers(1, 3)
    kernel_size, stride, dilation = (
        tuple(draw(st.tuples(*[s] * axes))) for s in (sides, st.integers(1, max_stride), st.integers(1, 3))
    )
    profile = None
    if draw(st.booleans()):
        profile = np.random.default_rng(draw(st.integers(0, 99))).uniform(0.01, 1, kernel_size)
    return ConvLayer(kernel_size, stride, dilation, profile)


@st.composite
def residuals(draw, axes):
    branch = draw(st.lists(conv_layers(axes, max_stride=1, odd=True), min_size=1, max_size=2))
    return Residual(branch, gain=draw(st.floats(0, 3)))


@st.composite
def stacks(draw):
    axes = draw(st.integers(1, 2))
    return draw(st.lists(st.one_of(conv_layers(axes), residuals(axes)), min_size=1, max_size=3))


@pytest.mark.parametrize("statistic", NORMALIZED)
@pytest.mark.parametrize("kernel_size", [2, 3, 5])
@pytest.mark.parametrize("depth", [1, 2, 7, 40, 150])
def test_uniform_kernels_give_extended_binomial_coefficients(kernel_size, depth, statistic):
    imap = theory.influence_map([ConvLayer(kernel_size)] * depth, statistic)
    line = np.array([float(Fraction(c, kernel_size**depth)) for c in extended_binomials(kernel_size, depth)])
    assert imap.values.shape == (depth * (kernel_size - 1) + 1,) * 2
    assert relative_error(imap.values, np.outer(line, line)) < 1e-12
    assert imap.trf_box == ((0, line.size), (0, line.size))
    assert imap.center == ((line.size - 1) / 2,) * 2
    assert imap.samples == math.inf


def test_the_coefficients_of_kernel_size_2_are_pascals_triangle():
    assert extended_binomials(2, 4) == [1, 4, 6, 4, 1]
    values = theory.influence_map([ConvLayer(2)] * 4, "signed_mean").values
    np.testing.assert_array_equal(values[2] * 256, [6, 24, 36, 24, 6])


@pytest.mark.parametrize("kernel_size", [2, 3, 5])
@pytest.mark.parametrize("depth", [1, 10, 37])
def test_variance_of_uniform_kernels(kernel_size, depth):
    expected = depth * (kernel_size**2 - 1) / 12
    assert theory.variance([ConvLayer(kernel_size)] * depth) == pytest.approx((expected, expected), rel=1e-13)


@pytest.mark.parametrize("seed", [0, 1])
def test_profiles_that_do_not_factor_equal_the_convolution_in_whole_numbers(seed):
    rng = np.random.default_rng(seed)
    kernels = [rng.integers(0, 1000, (3, 3)) for _ in range(60)]
    assert all(np.linalg.matrix_rank(kernel) > 1 for kernel in kernels)
    exact = shares(convolved(kernels))
    values = theory.influence_map([ConvLayer(3, profile=kernel) for kernel in kernels]).values
    assert relative_error(values, exact) < 1e-9
    assert np.abs(values - exact).max() < 1e-12 * exact.max()


def test_profiles_that_factor_or_not_may_be_mixed():
    rng = np.random.default_rng(2)
    kernels = [rng.integers(1, 50, (3, 3)) if i % 3 else np.outer(rng.integers(1, 9, 3), [1, 2, 5]) for i in range(24)]
    exact = shares(convolved(kernels))
    values = theory.influence_map([ConvLayer(3, profile=kernel) for kernel in kernels]).values
    assert relative_error(values, exact) < 1e-12


def test_profiles_that_nearly_factor_are_not_taken_to():
    kernels = [10**6 * np.outer([1, 2, 1], [1, 1, 3]) for _ in range(8)]
    for kernel in kernels:
        kernel[0, 0] += 1
    values = theory.influence_map([ConvLayer(3, profile=kernel) for kernel in kernels]).values
    assert relative_error(values, shares(convolved(kernels))) < 1e-12


def test_what_is_cut_off_in_deep_stacks_is_far_below_the_promised_error(monkeypatch):
    rng = np.random.default_rng(3)
    kernels = [rng.integers(1, 100, (3, 3)) for _ in range(250)]
    layers = [ConvLayer(3, profile=kernel) for kernel in kernels]
    fast = theory.influence_map(layers).values
    monkeypatch.setattr(nfold_convolution, "NEGLIGIBLE", 0.0)
    full = theory.influence_map(layers).values
    assert (fast == 0).sum() > (full == 0).sum()
    assert relative_error(fast, full) < 1e-9


@settings(max_examples=60)
@given(stacks(), st.sampled_from(NORMALIZED))
def test_closed_form_variance_is_that_of_the_map(layers, statistic):
    _, variances = marginal_moments(theory.influence_map(layers, statistic).values)
    assert theory.variance(layers, statistic) == pytest.approx(variances, rel=1e-9, abs=1e-12)


@settings(max_examples=60)
@given(stacks(), st.sampled_from(NORMALIZED))
def test_the_map_is_the_gradient_of_a_network_with_these_kernels(layers, statistic):
    values = theory.influence_map(layers, statistic).values
    assert values.sum() == pytest.approx(1, abs=1e-12)
    expected = gradient_map(layers, values.shape, squared_gains=statistic == "mean_square")
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-12 * expected.max())


def test_strides_and_dilations_count_below_the_layer():
    """The first layer's stride spreads the second layer's taps, not its own."""
    layers = [ConvLayer((2,), stride=(3,)), ConvLayer((2,), dilation=(2,), stride=(5,))]
    values = theory.influence_map(layers, "signed_mean").values
    np.testing.assert_array_equal(np.flatnonzero(values), [0, 1, 6, 7])
    np.testing.assert_array_equal(values[[0, 1, 6, 7]], 0.25)


def test_a_linear_network_is_one_big_convolution():
    rng = np.random.default_rng(4)
    kernels = [rng.uniform(0, 1, shape) for shape in [(3, 3), (2, 5), (1, 4), (3, 2)]]
    values = theory.influence_map([ConvLayer(k.shape, profile=k) for k in kernels], "signed_mean").values
    expected = reduce(convolve2d, [kernel / kernel.sum() for kernel in kernels])
    np.testing.assert_allclose(values, expected, rtol=1e-12)


@pytest.mark.parametrize("axes", [1, 3])
def test_one_and_three_axes(axes):
    rng = np.random.default_rng(axes)
    kernels = [rng.integers(1, 9, (3, 2, 4)[:axes]) for _ in range(5)]
    layers = [ConvLayer(kernel.shape, profile=kernel) for kernel in kernels]
    imap = theory.influence_map(layers)
    np.testing.assert_allclose(imap.values, shares(convolved(kernels)), rtol=1e-12)
    assert len(imap.center) == len(imap.trf_box) == len(theory.variance(layers)) == axes


def test_no_overflow_and_no_second_at_depth_1000():
    seconds = []
    for _ in range(3):  # the others are the machine's other work
        begin = time.process_time()
        imap = theory.influence_map([ConvLayer(3)] * 1000, "signed_mean")
        seconds.append(time.process_time() - begin)
        if seconds[-1] < 1:
            break
    assert min(seconds) < 1
    assert imap.values.shape == (2001, 2001)
    assert np.isfinite(imap.values).all()
    assert imap.values.sum() == pytest.approx(1, abs=1e-9)
    line = np.array([float(Fraction(c, 3**1000)) for c in extended_binomials(3, 1000)])
    assert relative_error(imap.values, np.outer(line, line)) < 1e-9


@pytest.mark.slow
def test_a_kernel_that_does_not_factor_at_depth_1000():
    cross = [[1, 2, 1], [2, 1, 2], [1, 2, 1]]
    values = theory.influence_map([ConvLayer(3, profile=cross)] * 1000).values
    assert np.isfinite(values).all()
    assert values.sum() == pytest.approx(1, abs=1e-9)
    _, variances = marginal_moments(values)
    assert variances == pytest.approx(theory.variance([ConvLayer(3, profile=cross)] * 1000), rel=1e-9)


def test_rms_is_the_root_of_mean_square():
    layers = [ConvLayer(3, profile=np.arange(9).reshape(3, 3)), ConvLayer(2, stride=2)]
    rms = theory.influence_map(layers, "rms")
    np.testing.assert_allclose(rms.values**2, theory.influence_map(layers, "mean_square").values, rtol=1e-14)
    assert rms.statistic is Statistic.rms


def test_mean_abs_has_a_limit_but_no_exact_map():
    layers = [ConvLayer(3)] * 4
    with pytest.raises(InvalidInput, match="mean_abs_limit"):
        theory.influence_map(layers, "mean_abs")
    limit = theory.mean_abs_limit(layers)
    expected = np.sqrt(2 / np.pi) * theory.influence_map(layers, "rms").values
    np.testing.assert_allclose(limit.values, expected, rtol=1e-14)
    assert limit.statistic is Statistic.mean_abs


def test_wide_random_stacks_tend_to_the_mean_abs_limit():
    stack = ConvStack(depth=2, channels=256, init=Init.glorot_normal)
    g = torch.cat(list(stack_influence(stack, range(60))))[:, 0].double().numpy()
    measured, squares = np.abs(g).mean(0), np.square(g).mean(0)
    limit, rms = theory.mean_abs_limit(stack.theory()).values, theory.influence_map(stack.theory(), "rms").values
    ratio = (measured / np.sqrt(squares)).mean()
    assert ratio == pytest.approx((limit / rms).mean(), rel=0.02)


def test_gaussian_sigma():
    layers = [ConvLayer(3)] * 12  # a variance of 12 * 8 / 12
    assert theory.gaussian_sigma(layers, "mean_square") == pytest.approx((math.sqrt(8),) * 2)
    assert theory.gaussian_sigma(layers, "signed_mean") == pytest.approx((math.sqrt(8),) * 2)
    assert theory.gaussian_sigma(layers, "rms") == pytest.approx((4, 4))
    assert theory.gaussian_sigma(layers, "mean_abs") == pytest.approx((4, 4))


def test_a_residual_mixes_the_skip_and_the_branch_by_the_statistic():
    block = Residual([ConvLayer(3)], gain=2.0)
    square = np.full((3, 3), 4 / 5 / 9)
    square[1, 1] += 1 / 5
    np.testing.assert_allclose(theory.influence_map([block], "mean_square").values, square, rtol=1e-14)
    signed = np.full((3, 3), 2 / 3 / 9)
    signed[1, 1] += 1 / 3
    np.testing.assert_allclose(theory.influence_map([block], "signed_mean").values, signed, rtol=1e-14)


@pytest.mark.parametrize(
    ("init", "depth", "runs"), [(Init.he_normal, 15, 500), (Init.glorot_uniform, 5, 800), (Init.orthogonal, 3, 800)]
)
def test_mean_square_is_that_of_random_stacks(init, depth, runs):
    stack = ConvStack(depth, channels=16, input_channels=2, init=init)
    widths = [2] + [16] * depth
    gains = [weight_variance(init, i, o, 9) * 9 * o for i, o in pairwise(widths)]
    exact = math.prod(gains) * theory.influence_map(stack.theory()).values
    moments = stack_moments(stack, runs, Statistic.mean_square, seed=7)
    error = moments.std(0, ddof=1) / math.sqrt(runs)
    assert np.abs((moments.mean(0) - exact) / error).max() < 5
