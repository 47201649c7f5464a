"""Attention blocks against straightforward twins, and their fields against NaN poisoning."""

import math

import pytest
import torch
import torch.nn.functional as F
from torchvision import ops

from erf import InvalidInput, theoretical_receptive_field
from erf.networks.attention.non_local import NonLocalAttention
from erf.networks.attention.recurrent import RecurrentAttention
from erf.networks.attention.second_order import SecondOrderAttention
from erf.networks.attention.squeeze_excitation import SqueezeExcitation
from erf.networks.attention_stack import Block, stack_with
from erf.networks.conv_stack import Activation, ConvStack
from erf.networks.fully_connected import FullyConnected
from erf.seeds import generator
from tests.oracles.nan_poisoning import poisoned_box, values_at

X = torch.randn(2, 8, 6, 5, generator=generator(1), dtype=torch.float64)
GLOBAL = {Block.squeeze_excitation, Block.second_order, Block.self_attention, Block.recurrent, Block.fully_connected}


def test_squeeze_excitation_is_torchvisions():
    block, twin = SqueezeExcitation(8, generator=generator(0)).double(), ops.SqueezeExcitation(8, 2).double()
    twin.load_state_dict(
        {
            f"{of_source}.{part}": block.gate[of_block].state_dict()[part]
            for of_block, of_source in ((0, "fc1"), (2, "fc2"))
            for part in ("weight", "bias")
        }
    )
    assert torch.allclose(block(X), twin(X), rtol=0, atol=1e-14)


def test_second_order_is_a_row_wise_convolution_of_a_covariance():
    block = SecondOrderAttention(8, generator=generator(0)).double()
    for image, output in zip(X, block(X), strict=True):
        covariance = torch.cov(block.reduce(image[None])[0].flatten(1), correction=0)
        rows = F.conv2d(covariance[None, :, :, None], block.rows.reshape(16, 1, 4, 1), groups=4)
        expected = image * block.gate(rows)[0]
        assert torch.allclose(output, expected, rtol=0, atol=1e-14)


def test_self_attention_is_torchs():
    block = NonLocalAttention(8, generator=generator(0)).double()
    q, k, v = (layer(X).flatten(2).transpose(1, 2) for layer in (block.theta, block.phi, block.g))
    read = F.scaled_dot_product_attention(q, k, v, scale=1.0).transpose(1, 2).unflatten(2, (6, 5))
    assert torch.allclose(block(X), X + block.out(read), rtol=0, atol=1e-13)


@pytest.mark.parametrize("passes", [1, 2])
def test_recurrent_attention_reads_rows_and_columns(passes):
    block = RecurrentAttention(8, passes=passes, generator=generator(0)).double()
    expected = X
    for _ in range(passes):
        expected = torch.stack([criss_cross(block, image) for image in expected])
    assert torch.allclose(block(X), expected, rtol=0, atol=1e-12)


def criss_cross(block, image):
    theta, phi, value = (layer(image[None])[0] for layer in (block.theta, block.phi, block.value))
    out = image.clone()
    for i in range(6):
        for j in range(5):
            places = [(i, k) for k in range(5)] + [(k, j) for k in range(6) if k != i]
            weights = torch.stack([theta[:, i, j] @ phi[:, r, c] for r, c in places]).softmax(0)
            out[:, i, j] += sum(w * value[:, r, c] for w, (r, c) in zip(weights, places, strict=True))
    return out


def test_a_fully_connected_layer_is_one_matrix():
    layer = FullyConnected(8, (6, 5), generator(0)).double()
    matrix = torch.kron(layer.channels.weight[:, :, 0, 0], layer.positions)
    assert torch.allclose(layer(X).flatten(1), X.flatten(1) @ matrix.T, rtol=0, atol=1e-13)
    assert torch.count_nonzero(matrix) == (8 * 6 * 5) ** 2


def test_weights_come_from_the_generator_alone():
    for block in set(Block) - {Block.none}:
        first, second, other = (block.module(8, 6, generator(seed)).state_dict() for seed in (0, 0, 1))
        assert all(torch.equal(first[name], second[name]) for name in first)
        assert not all(torch.equal(first[name], other[name]) for name in first)
    state = torch.get_rng_state()
    Block.residual.module(8, 6, generator(0))
    assert torch.equal(torch.get_rng_state(), state)


STACK = ConvStack(depth=3, channels=8, input_channels=2, activation=Activation.relu)
# The stack's 7 pixels. Residual: pooling adds 2, four convolutions at jump 2 add 16, bilinear upsampling, which reads
# two neighbours, 2. Multi-scale: pooling adds 1, a convolution at jump 2 adds 4, upsampling 2, one at jump 1 adds 2.
SIZES = {Block.none: 7, Block.residual: 7 + 20, Block.multi_scale: 7 + 9}


@pytest.mark.parametrize("below", [0, 1, 3])
@pytest.mark.parametrize("block", list(Block))
def test_the_field_of_a_stack_with_a_block_is_what_nan_poisoning_finds(block, below):
    stack = STACK if below else ConvStack(depth=3, channels=2, input_channels=2)
    network = stack_with(stack, block, below, 34, generator(0)).double()
    field = theoretical_receptive_field(network, (34, 34), channels=2)
    assert math.isinf(field.size[0]) == (block in GLOBAL)
    assert field.box == poisoned_box(values_at(network, None, (0, slice(None), 17, 17)), 2, (34, 34))
    assert not any(field.clipped)
    assert field.size == ((math.inf,) * 2 if block in GLOBAL else (SIZES[block],) * 2)


def test_one_pass_of_criss_cross_attention_reads_no_other_pixel():
    network = RecurrentAttention(8, passes=1, generator=generator(0)).double()
    x = X.clone().requires_grad_()
    (g,) = torch.autograd.grad(network(x)[0, :, 2, 3].sum(), x)
    reached = g[0].abs().sum(0) > 0
    expected = torch.zeros(6, 5, dtype=torch.bool)
    expected[2], expected[:, 3] = True, True
    assert torch.equal(reached, expected)


def test_blocks_share_the_stacks_weights_and_stand_where_they_are_told_to():
    for block in Block:
        network = stack_with(STACK, block, 2, 34, generator(3))
        for layer, weight in zip((0, 2, 5), STACK.draw_weights(generator(3)), strict=True):
            assert torch.equal(network[layer].weight, weight)
        assert type(network[4]) is type(block.module(8, 34))


def test_what_does_not_fit_is_named():
    with pytest.raises(InvalidInput, match="below=4"):
        stack_with(STACK, Block.none, 4, 34, generator(0))
    with pytest.raises(InvalidInput, match="kernel_size=2"):
        stack_with(ConvStack(2, kernel_size=2), Block.none, 1, 34, generator(0))
