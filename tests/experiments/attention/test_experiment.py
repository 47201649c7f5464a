import numpy as np
import pytest

from erf.maps.statistic import Statistic
from erf.networks.attention_stack import Block, stack_with
from experiments.attention.experiment import Config, fully_connected_map, run
from experiments.stacks.drawn_networks import measure_draws
from experiments.stacks.paper_stacks import Kind, stack_of
from tests.experiments.list_logbook import ListLogbook

SMALL = {"depth": 3, "below": [1, 2], "side": 32, "runs": 6, "channels": 8, "bootstrap": 50}
FINITE = {Block.none: 7, Block.residual: 27, Block.multi_scale: 16}


@pytest.fixture(scope="module")
def result():
    return run(Config(**SMALL), ListLogbook())


@pytest.mark.parametrize("block", list(Block))
def test_influence_ends_with_a_finite_field_and_not_with_a_global_one(result, block):
    points = result.of_block(block)
    assert [p.below for p in points] == ([2] if block is Block.none else [1, 2])
    for point in points:
        assert point.trf_size == FINITE.get(block)
        assert point.outside_field == 0
        assert (point.outside_stack == 0) == (block is Block.none)
        assert point.outside_stack_interval[0] <= point.outside_stack <= point.outside_stack_interval[1]
        assert point.core_interval[0] <= point.core <= point.core_interval[1]
        assert 0 < point.core < 1 - point.outside_stack + 1e-12  # a shallow stack's core is its whole field
    image = result.arrays[f"map/{block}"]
    reached = [np.ptp(axis) + 1 for axis in np.nonzero(image)]
    assert reached == [FINITE.get(block, 32)] * 2


def test_a_unit_of_a_convolution_reads_its_kernel_and_one_of_a_full_layer_everything(result):
    convolution, full = result.layers
    assert (convolution.connections, convolution.possible, convolution.shared) == (9 * 8, 8 * 32**2, True)
    assert (full.connections, full.possible, full.shared) == (8 * 32**2, 8 * 32**2, False)


@pytest.mark.parametrize("below", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_the_map_of_a_fully_connected_layer_is_the_exact_one(below):
    config = Config(**SMALL | {"kind": Kind.random, "statistic": Statistic.mean_square, "side": 16, "channels": 8})
    stack = stack_of(config, Kind.random, 3)
    draws = measure_draws(
        config, lambda draw: stack_with(stack, Block.fully_connected, below, 16, draw), 16, 400, seed=4
    )
    assert deviation(draws.moments, fully_connected_map(config, below)) < 5
    assert deviation(draws.moments, np.full((16, 16), 1 / 256)) > 5  # without the loss at the border


def deviation(runs, exact):
    """Return the largest distance from theory, total included as measured, in standard errors."""
    error = runs.std(0, ddof=1) / len(runs) ** 0.5
    return (np.abs(runs.mean(0) - exact * runs.sum((1, 2)).mean()) / error).max()


def test_the_share_of_a_fully_connected_layer_is_predicted():
    blocks = [Block.fully_connected, Block.squeeze_excitation]
    result = run(Config(**SMALL | {"blocks": blocks, "runs": 40}), ListLogbook())
    for point in result.of_block(Block.fully_connected):
        assert point.predicted is not None
        assert point.predicted == pytest.approx(point.outside_stack, rel=0.01)
    assert {point.predicted for point in result.of_block(Block.squeeze_excitation)} == {None}
