"""Stacks that cannot be made are refused."""

import pytest

from erf import InvalidInput
from erf.networks.conv_stack import ConvStack


@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan")])
def test_bad_dropout_rates(rate):
    with pytest.raises(InvalidInput, match=r"dropout_rate=.*allowed are numbers from 0 to below 1"):
        ConvStack(2, dropout_rate=rate)


@pytest.mark.parametrize("profile", [((1.0,) * 3,) * 2, ((-1.0, 1.0, 1.0),) * 3, ((0.0,) * 3,) * 3])
def test_bad_profiles(profile):
    with pytest.raises(InvalidInput, match=r"a profile of kernel size \(3, 3\)"):
        ConvStack(2, profile=profile)


@pytest.mark.parametrize("name", ["depth", "channels", "input_channels", "kernel_size"])
def test_bad_stack(name):
    with pytest.raises(InvalidInput, match=f"{name}=0: allowed are whole numbers from 1"):
        ConvStack(**{"depth": 2, name: 0})
