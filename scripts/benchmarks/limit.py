"""The machine's limit: how long the useful operations would take at the rate of a large matrix product."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from erf.networks.conv_stack import Activation, ConvStack
from erf.seeds import generator

SIDE = 2048  # of the matrices


class MatrixProduct:
    """A product of two large float32 matrices, on the threads that torch has."""

    operations = 2 * SIDE**3

    def __init__(self):
        self._factors = torch.randn(2, SIDE, SIDE, generator=generator(0))
        self._result = torch.empty(SIDE, SIDE)

    def __call__(self) -> None:
        """Multiply."""
        torch.mm(*self._factors, out=self._result)


def useful_operations(stack: ConvStack, runs: int) -> int:
    r"""Return the floating-point operations of the influence of one unit on its TRF, layer by layer.

    .. math:: 2 k^2 \sum_l C_{in,l}\, C_{out,l}\, (1 + (l - 1)(k - 1))^2

    for each run, the layer l counted from the unit: the units that it reaches times the products of each, once for the
    gradient and, unless the stack is linear, once more for the values that decide its slopes.
    """
    passes = 1 if stack.activation is Activation.none else 2
    widths = [stack.channels] * (stack.depth - 1) + [stack.input_channels]
    areas = [(1 + layer * (stack.kernel_size - 1)) ** 2 for layer in range(stack.depth)]
    products = sum(width * area for width, area in zip(widths, areas, strict=True))
    return runs * passes * 2 * stack.kernel_size**2 * stack.channels * products


def operations_of_an_image(measure: Callable[[Tensor], Any], images: Tensor) -> int:
    """Return the floating-point operations that a measurement takes for each image, as torch counts them.

    They are those of two images less those of one, so that what is done once for all does not count.
    """
    two, one = (_counted(partial(measure, images[:count])) for count in (2, 1))
    return two - one


def _counted(measure: Callable[[], Any]) -> int:
    measure()  # what is remembered of the network counts no more
    with FlopCounterMode(display=False) as counter:
        measure()
    return counter.get_total_flops()


def limit_ratio(operations: int, seconds: float, product_seconds: float) -> float:
    """Return the limit over the duration: 1 is as fast as a large matrix product; fewer operations may pass it."""
    rate = MatrixProduct.operations / product_seconds
    return operations / rate / seconds
