"""Settings that are refused before anything is measured."""

import pytest

from erf import InvalidInput
from experiments.camvid.experiment import Config


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"widths": [16, 32]}, "widths"),
        ({"widths": [16, 32, 64, 0]}, "widths"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_a_value_that_is_not_allowed_is_named(settings, named):
    with pytest.raises(InvalidInput, match=named):
        Config(**settings)
