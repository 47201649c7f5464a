"""Settings that are refused before anything is measured."""

import pytest

from erf import InvalidInput
from experiments.exact_theory.experiment import Config


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"runs": 1}, "runs"),
        ({"bootstrap": 0}, "bootstrap"),
    ],
)
def test_a_value_that_is_not_allowed_is_named(settings, named):
    with pytest.raises(InvalidInput, match=named):
        Config(**settings)
