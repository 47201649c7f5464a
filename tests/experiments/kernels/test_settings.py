"""Settings that are refused before anything is measured."""

import math

import pytest

from erf import InvalidInput
from erf.inits import Init
from erf.maps.statistic import Statistic
from experiments.kernels.experiment import Config
from experiments.kernels.profiles import Profile


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"strengths": [0.0, 1.1]}, "strengths"),
        ({"strengths": [0.0, math.nan]}, "strengths"),
        ({"strengths": [0.1, 1.0]}, "strengths"),
        ({"strengths": [0.0]}, "strengths"),
        ({"kernel_sizes": [1, 3]}, "kernel_sizes"),
        ({"profiles": []}, "profiles"),
        ({"profiles": [Profile.ring, Profile.ring]}, "profiles"),
        ({"depths": [2, 5]}, "depths"),
        ({"depths": [0, 5, 9]}, "depths"),
        ({"depth": 1}, "depth"),
        ({"kernel_size": 5}, "kernel_sizes"),
        ({"statistic": Statistic.mean_abs}, "statistic=mean_abs"),
        ({"init": Init.equal}, "init=equal"),
    ],
)
def test_a_value_that_is_not_allowed_is_named(settings, named):
    with pytest.raises(InvalidInput, match=named):
        Config(**settings)
