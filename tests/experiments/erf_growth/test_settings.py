"""Settings that are refused before anything is measured."""

import pytest

from erf import InvalidInput
from experiments.erf_growth.experiment import Config


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"depths": [5, 5]}, "depths"),
        ({"depths": [0, 5]}, "depths"),
        ({"kinds": []}, "kinds"),
        ({"runs": 0}, "runs"),
        ({"runs": 1}, "runs=1 .*2 or more"),
        ({"bootstrap": 0}, "bootstrap=0"),
        ({"kernel_size": 0}, "kernel_size"),
        ({"device": "cuda:99"}, "device"),
        ({"aggregation": 16}, "aggregation"),
        ({"aggregation": "mean"}, "aggregation"),
    ],
)
def test_a_value_that_is_not_allowed_is_named(settings, named):
    with pytest.raises(InvalidInput, match=named):
        Config(**settings)
