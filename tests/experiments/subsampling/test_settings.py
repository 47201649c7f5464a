"""Settings that are refused before anything is measured."""

import pytest

from erf import InvalidInput
from experiments.stacks.paper_stacks import Kind
from experiments.subsampling.variants import Config, Variant


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"runs": 1}, "runs"),
        ({"variants": [Variant.plain]}, "plain"),
        ({"variants": [Variant.dilation] * 2}, "variants"),
        ({"kind": Kind.uniform}, "kind=uniform"),
        ({"subsampled": 16}, "subsampled=16"),
        ({"subsampled": 10}, "early_strides has a theoretical field of 12287 pixels"),
        ({"dilations": []}, "dilations"),
        ({"dilations": [2, 0]}, "dilations"),
    ],
)
def test_a_value_that_is_not_allowed_is_named(settings, named):
    with pytest.raises(InvalidInput, match=named):
        Config(**settings)
