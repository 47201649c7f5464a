"""Settings that are refused before anything is measured."""

import pytest

from erf import InvalidInput
from erf.networks.attention_stack import Block
from experiments.attention.experiment import Config
from experiments.stacks.paper_stacks import Kind


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"below": [2, 11]}, "below"),
        ({"below": [0]}, "below"),
        ({"side": 22}, "side=22: allowed are even numbers from 24"),
        ({"side": 47}, "side=47"),
        ({"kernel_size": 2}, "kernel_size=2"),
        ({"kind": Kind.uniform}, "kind=uniform"),
        ({"blocks": [Block.none, Block.none]}, "blocks"),
        ({"runs": 1}, "runs=1"),
        ({"bootstrap": 0}, "bootstrap=0"),
    ],
)
def test_a_value_that_is_not_allowed_is_named(settings, named):
    with pytest.raises(InvalidInput, match=named):
        Config(**settings)
