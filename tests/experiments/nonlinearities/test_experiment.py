"""Groups of runs, and their first runs."""

import numpy as np
import pytest

from erf import fit_gaussian
from experiments.harness.experiment import load
from experiments.stacks.paper_stacks import Kind, map_of, measure_runs
from tests.experiments.smallest import smallest_run


def test_it_compares_each_group_with_its_first_runs():
    result = smallest_run(load("nonlinearities"))
    config = result.config
    for kind in (Kind.random, Kind.relu):
        fits = result.of_kind(kind)
        moments = measure_runs(config, kind, config.depth, fits.measured)
        nonzero = moments[moments.any(axis=(1, 2))]
        assert fits.skipped == len(moments) - len(nonzero)
        for group, (more, fewer) in enumerate(zip(fits.r_squared, fits.fewer_r_squared, strict=True)):
            first = group * config.runs
            for found, runs in ((more, config.runs), (fewer, config.fewer_runs)):
                expected = fit_gaussian(map_of(config, nonzero[first : first + runs])).r_squared
                assert found == pytest.approx(expected, rel=1e-9)
        assert np.mean(fits.r_squared) > np.mean(fits.fewer_r_squared)
