"""Settings that are refused before anything is measured."""

import math

import pytest

from erf import InvalidInput
from erf.maps.statistic import Statistic
from experiments.dropout.experiment import Config


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"rates": [0.1, 0.2]}, "rates"),
        ({"rates": [0.0]}, "rates"),
        ({"rates": [0.0, 0.5, 0.2]}, "rates"),
        ({"rates": [0.0, 1.0]}, "rates"),
        ({"rates": [0.0, math.nan]}, "rates"),
        ({"runs": 19}, "runs"),
        ({"depth": 1}, "depth"),
        ({"narrow": [16]}, "narrow"),
        ({"narrow": [4, 1]}, "narrow"),
        ({"aggregation": 1}, "narrow"),
        ({"statistic": Statistic.rms}, "statistic=rms"),
        ({"bootstrap": 0}, "bootstrap"),
    ],
)
def test_a_value_that_is_not_allowed_is_named(settings, named):
    with pytest.raises(InvalidInput, match=named):
        Config(**settings)
