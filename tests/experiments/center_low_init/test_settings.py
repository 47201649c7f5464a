"""Settings that are refused before anything is measured."""

import math

import pytest

from erf import InvalidInput
from erf.inits import Init
from experiments.center_low_init.config import Config


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"strength": 1.1}, "strength=1.1"),
        ({"strength": math.nan}, "strength=nan"),
        ({"kernel_size": 4}, "kernel_size=4: allowed are odd numbers from 3"),
        ({"kernel_size": 1}, "kernel_size=1"),
        ({"init": Init.equal}, "init=equal"),
        ({"draw": -1}, "draw=-1"),
        ({"steps": 110}, "steps=110: allowed are multiples of evaluate_every=50"),
        ({"levels": []}, "levels"),
        ({"levels": [0.5, 0.4]}, "levels"),
        ({"levels": [0.5, 0.5]}, "levels"),
        ({"levels": [0.5, 1.0]}, "levels"),
        ({"learning_rate": math.inf}, "learning_rate=inf"),
        ({"images": 3000}, "images=3000"),
        ({"threads": 0}, "threads=0"),
        ({"device": "cuda:99"}, "device"),
    ],
)
def test_a_value_that_is_not_allowed_is_named(settings, named):
    with pytest.raises(InvalidInput, match=named):
        Config(**settings)
