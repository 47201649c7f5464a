"""Residual stacks against theory, at small size."""

import numpy as np
import pytest

from experiments.harness.experiment import load
from experiments.skip_connections.experiment import Design, branch_distribution, residual_stack
from tests.experiments.smallest import smallest_run


def test_it_measures_the_predicted_mixture():
    settings = {"runs": 150, "channels": 16, "designs": [Design.linear, Design.pre_activation]}
    result = smallest_run(load("skip_connections"), **settings)
    for point in result.points:
        assert point.size == pytest.approx(point.predicted_size, rel=0.08)
        assert point.sigma == pytest.approx(point.predicted_sigma, rel=0.05)
        assert point.size_interval[0] <= point.size <= point.size_interval[1]
        if point.gain is None:
            assert (point.excess, point.branches) == (None, 2)
        else:
            low, high = point.excess
            assert low - 0.1 < point.size - result.plain(point.design).size < high + 0.1


@pytest.mark.parametrize("design", Design)
def test_numbers_of_branches_taken_are_sums_of_coins(design):
    stack = residual_stack(load("skip_connections").Config(), design, 1.0)
    distribution = branch_distribution(stack)
    shares = [gamma**2 / (1 + gamma**2) for gamma in stack.branch_gains()]
    numbers = np.arange(8)
    assert distribution.sum() == pytest.approx(1)
    assert distribution @ numbers == pytest.approx(sum(shares))
    variance = distribution @ numbers**2 - (distribution @ numbers) ** 2
    assert variance == pytest.approx(sum(share * (1 - share) for share in shares))
    plain = residual_stack(load("skip_connections").Config(), design, None)
    assert branch_distribution(plain).tolist() == [0, 0, 0, 0, 0, 0, 0, 1]
