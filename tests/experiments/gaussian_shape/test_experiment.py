"""Fits of groups of runs."""

from dataclasses import replace

import numpy as np
import pytest

from erf import fit_gaussian
from erf.seeds import derive
from experiments.harness.experiment import load
from experiments.stacks.paper_stacks import Kind, map_of, measure_runs
from tests.experiments.smallest import smallest_run


def test_it_fits_disjoint_groups_of_runs_that_are_not_0():
    result = smallest_run(load("gaussian_shape"))
    config = result.config
    others = replace(config, seed=derive(config.seed, 1))
    for kind in (Kind.random, Kind.relu):
        moments = measure_runs(others, kind, config.group_depth, config.group_total)
        nonzero = moments[moments.any(axis=(1, 2))]
        for groups in result.of_kind(kind):
            n = groups.runs
            starts = range(0, len(nonzero) // n * n, n)
            fits = [fit_gaussian(map_of(config, nonzero[start : start + n])).r_squared for start in starts]
            assert groups.groups == len(fits)
            assert groups.r_squared == pytest.approx(np.mean(fits), rel=1e-9)
    (fall,) = (fall for fall in result.falls if fall.kind is Kind.random)
    assert fall.noise_exponent < fall.exponent < 0
    assert fall.interval[0] <= fall.exponent <= fall.interval[1]
