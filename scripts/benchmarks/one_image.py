"""The map of one image, where what is found of the network once weighs most, against a hook and ``autograd.grad``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from time import process_time

import numpy as np
import torch
import torchvision
from torch import Tensor, nn

from erf import effective_receptive_field, theoretical_receptive_field
from erf.maps.aggregation import output_direction
from erf.maps.prepared import forget
from experiments.harness.environment import Environment
from scripts.benchmarks.case import Case, difference, time_both

SEED = 0
TOLERANCE = 1e-2  # relative L2 in float32, where gates within rounding of 0 flip
STAGES = {
    "resnet50": ("layer1", "layer2", "layer3", "layer4"),
    "resnet18": ("layer1", "layer2", "layer3", "layer4"),
    "convnext_tiny": ("features.1", "features.3", "features.5", "features.7"),
    "vit_b_16": tuple(f"encoder.layers.encoder_layer_{number}" for number in (0, 4, 8, 11)),
}
# What a case is called.
NAME = re.compile(r"(?P<layer>.+), 1 image, (?P<call>\d+ px, (first call|again)), against autograd.grad, CPU time")
LARGEST = {"vit_b_16": 512}  # pixels a side: attention over an image of 1024 takes minutes


class _Reached(Exception):
    """The layer has run."""


def time_one_image(sides: Sequence[int], repetitions: int, environment: Environment) -> Iterator[Case]:
    """Yield, for each size and stage of each network, a first call and one that follows it, by the CPU's time."""
    for side in sides:
        image = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(SEED))
        for architecture, layers in STAGES.items():
            if side > LARGEST.get(architecture, side):
                continue
            network = drawn(architecture, side)
            for layer in layers:
                name = f"{architecture}, {layer}, 1 image, {side} px"
                yield from _cases(network, name, image, layer, repetitions, environment)


def drawn(architecture: str, side: int) -> nn.Module:
    """Return a network with drawn weights; a vision transformer takes images of one size alone."""
    of_size = {"image_size": side} if architecture.startswith("vit") else {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return getattr(torchvision.models, architecture)(weights=None, **of_size).eval()


def _cases(
    network: nn.Module, name: str, image: Tensor, layer: str, repetitions: int, environment: Environment
) -> Iterator[Case]:
    field = theoretical_receptive_field(network, tuple(image.shape[2:]), layer)
    theirs = partial(plain_map, network, image, layer, field.index)
    for title, ours in (("first call", _first_map), ("again", _map)):
        both = partial(ours, network, image, layer), theirs
        differing = difference(name, both[0](), theirs(), TOLERANCE)
        title = f"{name}, {title}, against autograd.grad, CPU time"
        yield time_both(title, *both, repetitions, environment, differing, clock=process_time)


def _map(network: nn.Module, image: Tensor, layer: str) -> np.ndarray:
    return effective_receptive_field(network, image, layer).values


def _first_map(network: nn.Module, image: Tensor, layer: str) -> np.ndarray:
    forget(network)
    return _map(network, image, layer)


def plain_map(network: nn.Module, image: Tensor, layer: str, index: Sequence[int | slice]) -> np.ndarray:
    """Return the same map by a hook, a forward pass that ends at the layer, and one gradient."""
    outputs: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        outputs.append(output)
        raise _Reached

    leaf = image.clone().requires_grad_()
    handle = network.get_submodule(layer).register_forward_hook(keep)
    try:
        network(leaf)
    except _Reached:
        pass
    finally:
        handle.remove()
    channels = outputs[0][tuple(index)].reshape(-1)
    (gradient,) = torch.autograd.grad(
        channels @ output_direction("random_sign", len(channels), 0, 0).to(channels), leaf
    )
    return gradient.abs().mean((0, 1)).double().numpy()
