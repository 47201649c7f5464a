"""Theoretical receptive fields against the plain recursion over the modules that a forward pass calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
import torchvision
from torch import Tensor, nn

import erf
from experiments.harness.environment import Environment
from scripts.benchmarks.case import Case, Disagreement, time_in_turns

LAYERS, SIDE = ["layer1", "layer2", "layer3", "layer4"], 224
WINDOWED, POINTWISE = nn.Conv2d | nn.MaxPool2d, nn.BatchNorm2d | nn.ReLU

TRACING_CAPTION = "TRF: plain is one size and one jump by hooks, for sizes of equal sides"


@dataclass(frozen=True)
class Extent:
    """Side of a unit's TRF and distance between neighbouring units, in pixels."""

    size: float = 1
    jump: float | None = 1

    def through(self, layer: nn.Module) -> Extent:
        """Return that of the units of ``layer``: size' = size + (k - 1) d jump, jump' = s jump."""
        if not isinstance(layer, WINDOWED):
            return self
        assert self.jump is not None
        kernel_size, stride, dilation = (_side(getattr(layer, n)) for n in ("kernel_size", "stride", "dilation"))
        return Extent(self.size + (kernel_size - 1) * dilation * self.jump, self.jump * stride)


def _side(value: int | Sequence[int]) -> int:
    return value if isinstance(value, int) else value[0]


def plain_recursion(network: nn.Module, side: int, layers: Sequence[str]) -> dict[str, Extent]:
    """Return the extents of the units of ``layers`` by one forward pass of an image, with a hook in every module.

    Where a skip is added to a branch in place, as in torchvision's ResNets, the branch's extent stays: it must be the
    larger. What other networks would need is not checked.
    """
    image = torch.zeros(1, 3, side, side)
    known = {id(image): (image, Extent())}  # with the tensors, so that no other takes the identity of one
    extents: dict[str, Extent] = {}

    def follow(name: str, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(layer, WINDOWED | POINTWISE) and id(inputs[0]) in known:
            known[id(output)] = (output, known[id(inputs[0])][1].through(layer))
        if name in layers:
            extents[name] = known[id(output)][1]

    handles = [layer.register_forward_hook(partial(follow, name)) for name, layer in network.named_modules()]
    try:
        with torch.no_grad():
            network(image)
    finally:
        for handle in handles:
            handle.remove()
    return extents


def library_extents(network: nn.Module, side: int, layers: Sequence[str]) -> dict[str, Extent]:
    """Return the same by the library."""
    fields = erf.theoretical_receptive_field(network, (side, side), list(layers))
    return {layer: Extent(field.size[0], field.jump[0]) for layer, field in fields.items()}


def time_tracing(repetitions: int, environment: Environment) -> Case:
    """Time the TRFs of the four stages of ResNet-152, in eval mode on both sides."""
    network = torchvision.models.resnet152(weights=None).eval()
    name = "TRF of ResNet-152, layers 1 to 4"
    first, second = (measure(network, SIDE, LAYERS) for measure in (library_extents, plain_recursion))  # also warms up
    if first != second:
        raise Disagreement(f"{name}: {first} by the library and {second} by the plain recursion")
    both = time_in_turns(
        [partial(measure, network, SIDE, LAYERS) for measure in (library_extents, plain_recursion)], repetitions
    )
    return replace(Case.of(name, both, environment), max_relative_difference=0.0)
