"""Settings that are refused before anything is measured."""

import pytest

from erf import InvalidInput
from erf.maps.statistic import Statistic
from experiments.cifar10.experiment import Config


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"width": 0}, "width"),
        ({"label_smoothing": 1.0}, "label_smoothing"),
        ({"epochs": 0}, "epochs"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"momentum": -0.1}, "momentum"),
        ({"images": 1}, "images"),
        ({"statistic": Statistic.signed_mean}, "signed_mean"),
        ({"aggregation": "mean"}, "aggregation"),
        ({"device": "cuda:99"}, "device"),
    ],
)
def test_a_value_that_is_not_allowed_is_named(settings, named):
    with pytest.raises(InvalidInput, match=named):
        Config(**settings)
