"""The plain loop over runs: one network a run, one backward pass each, nothing shared."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from erf.data.noise import Noise
from erf.maps.aggregation import Aggregation, output_direction
from erf.networks.conv_stack import ConvStack
from erf.seeds import generator


def naive_influence(
    stack: ConvStack,
    runs: Iterable[int],
    seed: int = 0,
    aggregation: Aggregation = "random_sign",
    noise: Noise = Noise.normal,
    margin: int = 0,
) -> Tensor:
    """Return ``[R, C_in, S, S]`` in float64, by autograd.

    With a margin, the network is padded with zeros and its image is larger by ``margin`` on each side; the unit is the
    one in the middle, and its TRF is cut out.
    """
    return torch.stack([_one_run(stack, run, seed, aggregation, noise, margin) for run in runs])


def _one_run(stack: ConvStack, run: int, seed: int, aggregation: Aggregation, noise: Noise, margin: int) -> Tensor:
    side = stack.trf_size
    weights = [w.double() for w in stack.draw_weights(generator(seed, run, 0))]
    field = noise.draw((stack.input_channels, side, side), generator(seed, run, 1)).double()
    wide = side + 2 * margin
    image = torch.randn(stack.input_channels, wide, wide, dtype=torch.float64, generator=generator(run))
    image[:, margin : margin + side, margin : margin + side] = field
    image.requires_grad_()
    network = stack.network(weights, padding=(stack.kernel_size - 1) // 2 if margin else 0)
    output = with_dropped_units(network, stack, generator(seed, run, 3))(image[None])
    assert output.shape[2:] == ((wide, wide) if margin else (1, 1))
    middle = output.shape[2] // 2
    direction = output_direction(aggregation, stack.channels, seed, run).double()
    (output[0, :, middle, middle] @ direction).backward()
    assert image.grad is not None
    return image.grad[:, margin : margin + side, margin : margin + side]


def with_dropped_units(network: nn.Sequential, stack: ConvStack, draw: torch.Generator) -> nn.Sequential:
    """Let each dropout multiply by a mask of the stack, in eval mode too; without a margin only."""
    layers = [layer for layer in network if isinstance(layer, nn.Dropout | nn.Dropout2d)]
    assert len(layers) == (stack.depth - 1 if stack.dropout_rate else 0)
    for layer, mask in zip(layers, stack.draw_masks(draw), strict=False):
        layer.register_forward_hook(lambda _, inputs, __, mask=mask: inputs[0] * mask)
    return network
