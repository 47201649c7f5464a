"""Settings that are refused before anything is measured."""

import pytest

from erf import InvalidInput
from erf.maps.statistic import Statistic
from experiments.sparse_connections.experiment import Config, Layout


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"area": 4}, "area=4: allowed with kernel_size=3 are 5, 7, 9"),
        ({"area": 3}, "area=3"),
        ({"kernel_size": 4}, "kernel_size=4"),
        ({"layouts": [Layout.dilated]}, "adjacent is missing"),
        ({"layouts": []}, "layouts"),
        ({"statistic": Statistic.mean_abs}, "statistic=mean_abs"),
        ({"depths": [1, 5]}, "depths"),
        ({"networks": 1}, "networks=1"),
        ({"runs": 1}, "runs=1"),
    ],
)
def test_a_value_that_is_not_allowed_is_named(settings, named):
    with pytest.raises(InvalidInput, match=named):
        Config(**settings)
