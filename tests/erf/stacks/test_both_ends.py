import sys

import pytest
import torch

from erf.maps.aggregation import output_direction
from erf.networks.conv_stack import ConvStack
from erf.seeds import WEIGHTS, generator
from erf.stacks.both_ends import BLOCK, influence_from_both_ends, meeting_layer
from tests.oracles.naive_stack import naive_influence

MODULE = sys.modules["erf.stacks.both_ends"]
RUNS = 3


def influence_met_at(stack, meeting):
    drawn = stack.draw_weights_of_runs([generator(0, run, WEIGHTS) for run in range(RUNS)])
    weights = [layer.double() for layer in drawn]
    directions = [output_direction("random_sign", stack.channels, 0, run) for run in range(RUNS)]
    return influence_from_both_ends(torch.stack(directions).double(), weights, meeting)


@pytest.mark.parametrize("rows", [1, 4, 48])
@pytest.mark.parametrize("meeting", [1, 2, 3, 4, 5])
@pytest.mark.parametrize(("input_channels", "kernel_size"), [(1, 3), (2, 3), (3, 2), (2, 1)])
def test_it_is_the_plain_loop_wherever_they_meet(input_channels, kernel_size, meeting, rows, monkeypatch):
    monkeypatch.setattr(MODULE, "ROWS", rows)
    stack = ConvStack(6, 4, input_channels, kernel_size)
    expected = naive_influence(stack, range(RUNS))
    assert float((influence_met_at(stack, meeting) - expected).abs().max() / expected.abs().max()) < 1e-12


def test_values_far_from_the_center_keep_their_digits():
    stack = ConvStack(60, 4)
    expected = naive_influence(stack, range(RUNS))[:, 0]
    corners = torch.tensor([0, 0, 1, -1, -1]), torch.tensor([0, -1, 1, 0, -1])
    from_both_ends = influence_met_at(stack, 25)[:, 0]
    assert float((expected[:, *corners].abs() / expected.abs().amax((1, 2))[:, None]).max()) < 1e-16
    torch.testing.assert_close(from_both_ends[:, *corners], expected[:, *corners], rtol=1e-10, atol=0)


def least_by_counting(depth, channels, inputs, kernel_size):
    """Count the multiplications of each layer's call, and of those that join."""

    def side(layers):
        return 1 + layers * (kernel_size - 1)

    def joining(k, height):  # each row of the kernel, up to a whole block of channels, along each row of g
        return -(-k // BLOCK) * BLOCK * height * k * (height + k - 1)

    def growing(widths):
        return sum(a * b * (kernel_size * side(layers)) ** 2 for layers, (a, b) in enumerate(widths))

    totals = []
    for meeting in range(depth):
        above = [(channels, channels)] * (depth - meeting)
        if not meeting:
            above[-1] = (channels, inputs)
        below = [(0, 0)] + [(channels, channels)] * (meeting - 1)
        join = channels * inputs * joining(side(meeting), side(depth - meeting)) if meeting else 0
        totals.append(growing(above) + inputs * growing(below) + join)
    return totals.index(min(totals))


@pytest.mark.parametrize(
    "sizes", [(1, 16, 1, 3), (5, 4, 1, 3), (40, 16, 1, 3), (40, 16, 3, 3), (9, 2, 2, 5), (7, 3, 1, 1)]
)
def test_they_meet_where_that_takes_the_fewest_multiplications(sizes):
    assert meeting_layer(*sizes) == least_by_counting(*sizes)


def test_deep_stacks_are_met_in_between_and_single_layers_are_not():
    assert meeting_layer(40, 16, 1, 3) == 15
    assert meeting_layer(1, 16, 1, 3) == 0
