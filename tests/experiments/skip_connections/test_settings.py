"""Settings that are refused before anything is measured."""

import pytest

from erf import InvalidInput
from experiments.skip_connections.experiment import Config


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"designs": []}, "designs"),
        ({"gains": []}, "gains"),
        ({"gains": [0.0, 1.0]}, "gains"),
        ({"gains": [2.0, 1.0]}, "gains"),
        ({"gains": [1.0, float("inf")]}, "gains"),
        ({"gains": [float("nan")]}, "gains"),
        ({"depth": 14}, "depth=14.*branch_depth=2"),
        ({"depth": 1}, "depth=1"),
        ({"branch_depth": 0}, "branch_depth"),
        ({"calibration": 1}, "calibration"),
        ({"kernel_size": 4}, "kernel_size=4"),
    ],
)
def test_a_value_that_is_not_allowed_is_named(settings, named):
    with pytest.raises(InvalidInput, match=named):
        Config(**settings)
