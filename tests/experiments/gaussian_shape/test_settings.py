"""Settings that are refused before anything is measured."""

import pytest

from erf import InvalidInput
from experiments.gaussian_shape.experiment import Config


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"group_total": 10}, "group_total"),
        ({"group_runs": [20, 10]}, "group_runs"),
    ],
)
def test_a_value_that_is_not_allowed_is_named(settings, named):
    with pytest.raises(InvalidInput, match=named):
        Config(**settings)
