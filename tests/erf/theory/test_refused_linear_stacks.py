"""Layers, stacks and statistics that have no exact map are refused."""

import math

import numpy as np
import pytest

from erf import ConvLayer, InvalidInput, Residual, theory


@pytest.mark.parametrize("statistic", ["mean_square", "signed_mean"])
@pytest.mark.parametrize("function", [theory.influence_map, theory.variance, theory.gaussian_sigma])
def test_stacks_that_are_none(function, statistic):
    with pytest.raises(InvalidInput, match="at least one layer"):
        function([], statistic)
    with pytest.raises(InvalidInput, match="same number of spatial axes"):
        function([ConvLayer(3), ConvLayer((3,))], statistic)


@pytest.mark.parametrize("statistic", ["rms", "mean_abs"])
def test_no_closed_form(statistic):
    with pytest.raises(InvalidInput, match=f"{statistic} map has no closed form"):
        theory.variance([ConvLayer(3)], statistic)


@pytest.mark.parametrize("function", [theory.influence_map, theory.variance, theory.gaussian_sigma])
def test_unknown_statistic(function):
    with pytest.raises(InvalidInput, match="statistic='median' is unknown; allowed: mean_abs, rms"):
        function([ConvLayer(3)], "median")


@pytest.mark.parametrize("name", ["kernel_size", "stride", "dilation"])
@pytest.mark.parametrize("value", [0, -1, (3, 0), (3, 3, 3)])
def test_layers_that_are_none(name, value):
    with pytest.raises(InvalidInput, match=name.replace("_", ".")):
        ConvLayer(**{"kernel_size": (3, 3), name: value, "profile": np.ones((3, 3))})


@pytest.mark.parametrize(
    "profile", [np.ones((2, 3)), np.zeros((3, 3)), -np.ones((3, 3)), np.full((3, 3), np.nan), np.full((3, 3), np.inf)]
)
def test_profiles_that_are_none(profile):
    with pytest.raises(InvalidInput, match="profile"):
        ConvLayer(3, profile=profile)


@pytest.mark.parametrize(
    ("branch", "message"),
    [
        ([], "at least one layer"),
        ([ConvLayer(3, stride=2)], "all of stride 1"),
        ([ConvLayer(2)], "odd TRF"),
        ([ConvLayer((3, 2))], "odd TRF"),
    ],
)
def test_residuals_that_are_none(branch, message):
    with pytest.raises(InvalidInput, match=message):
        Residual(branch)


@pytest.mark.parametrize("gain", [math.inf, math.nan])
def test_gains_that_are_none(gain):
    with pytest.raises(InvalidInput, match="gain"):
        Residual([ConvLayer(3)], gain=gain)


def test_a_negative_gain_has_no_map_of_positive_kernels():
    block = Residual([ConvLayer(3)], gain=-1.0)
    assert theory.influence_map([block], "mean_square").values.sum() == pytest.approx(1)
    for function in (theory.influence_map, theory.variance):
        with pytest.raises(InvalidInput, match="gain"):
            function([block], "signed_mean")
