"""What theory costs: the operations of a map, in those of a forward and backward pass."""

import math
from functools import partial

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import erf
from erf.theory.backward_squares import path_to, squares_at_image
from erf.theory.operator_rules import RULES
from erf.theory.tape import record
from erf.theory.weight_squares import WeightSquares, squares_of
from experiments.expected_maps.networks import ARCHITECTURES


def tape_of(network, image, layer, weights=WeightSquares.variance):
    return record(network, image, RULES, partial(squares_of, weights), [layer])


def operations_of(function):
    with FlopCounterMode(display=False) as counter:
        result = function()
    return counter.get_total_flops(), result


def gradient(network, image, layer, index):
    """Return the gradient of a layer's unit, by torch alone and without what runs after the layer."""
    outputs = []

    def stop(_module, _inputs, output):
        outputs.append(output)
        raise StopIteration

    handle, leaf = network.get_submodule(layer).register_forward_hook(stop), image.clone().requires_grad_()
    with pytest.raises(StopIteration):
        network(leaf.clone())  # the counter of operations takes no leaf
    handle.remove()
    return torch.autograd.grad(outputs[0][index].sum(), leaf)


@pytest.mark.parametrize("weights", WeightSquares)
@pytest.mark.parametrize("name", ["unet_bilinear_16", "camvid_frontend"])
def test_a_map_of_an_image_takes_at_most_a_forward_and_backward_pass_for_each_lag(name, weights):
    architecture = ARCHITECTURES[name]
    torch.manual_seed(0)
    network, layer = architecture.make().eval().requires_grad_(False), architecture.layers[-1]
    image = torch.randn(1, architecture.channels, *architecture.linear_sides)
    index = erf.theoretical_receptive_field(network, architecture.linear_sides, layer).index

    def squares():
        path = path_to(tape_of(network, image, layer, weights), layer)
        squares_at_image(path, index, expected_gates=False)
        return max(math.prod(map(len, lags)) for lags in path.lags.values())

    operations, lags = operations_of(squares)
    plain, _ = operations_of(lambda: gradient(network, image, layer, index))
    assert lags == {"unet_bilinear_16": 25, "camvid_frontend": 1}[name]
    assert 0 < operations <= lags * plain
