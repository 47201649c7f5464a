"""The map of one image, where what is found of the network once weighs most, against a hook and ``autograd.grad``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import torch
import torchvision
from torch import Tensor, nn

from erf.maps.aggregation import output_direction
from erf.maps.measured_maps import measured_maps
from erf.maps.prepared import Prepared
from experiments.harness.environment import Environment
from scripts.benchmarks.case import Case, difference, time_both

SEED = 0
TOLERANCE = 1e-2  # relative L2 in float32, where gates within rounding of 0 flip
STAGES = {
    "resnet50": ("layer1", "layer2", "layer3", "layer4"),
    "resnet18": ("layer1", "layer2", "layer3", "layer4"),
    "convnext_tiny": ("features.1", "features.3", "features.5", "features.7"),
    "vit_b_16": ("encoder.layers.encoder_layer_0", "encoder.layers.encoder_layer_11"),
}


class _Reached(Exception):
    """The layer has run."""


def time_one_image(side: int, repetitions: int, environment: Environment) -> Iterator[Case]:
    """Yield, for each stage of each network, a call that finds all it needs, and one that has been prepared."""
    image = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(SEED))
    for architecture, layers in STAGES.items():
        network = _drawn(architecture)
        for layer in layers:
            yield from _cases(
                network, f"{architecture}, {layer}, 1 image, {side} px", image, layer, repetitions, environment
            )


def _drawn(architecture: str) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return getattr(torchvision.models, architecture)(weights=None).eval()


def _cases(
    network: nn.Module, name: str, image: Tensor, layer: str, repetitions: int, environment: Environment
) -> Iterator[Case]:
    ready = Prepared(network, layer)
    field_index = ready.parts(image).crops[0].probes[0].field.index
    theirs = partial(plain_map, network, image, layer, field_index)
    for title, ours in (
        ("first call", lambda: measured_maps(Prepared(network, layer), image).values),
        ("again", lambda: measured_maps(ready, image).values),
    ):
        differing = difference(name, ours(), theirs(), TOLERANCE)
        yield time_both(f"{name}, {title}, against autograd.grad", ours, theirs, repetitions, environment, differing)


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
