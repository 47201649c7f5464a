"""Settings that are refused before anything is measured."""

import pytest

from erf import InvalidInput
from experiments.nonlinearities.experiment import Config
from experiments.stacks.paper_stacks import Kind


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"fewer_runs": 100}, "fewer_runs"),
        ({"groups": 1}, "groups"),
        ({"kinds": [Kind.uniform]}, "uniform"),
    ],
)
def test_a_value_that_is_not_allowed_is_named(settings, named):
    with pytest.raises(InvalidInput, match=named):
        Config(**settings)
