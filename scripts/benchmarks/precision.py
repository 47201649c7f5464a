"""Maps in bfloat16, of which image 0 is run in float32 as well to tell the error, against those in float32."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from time import process_time

import numpy as np
import torch
from torch import Tensor, nn

from erf import effective_receptive_field
from erf.maps.precision import PrecisionName
from experiments.harness.environment import Environment
from scripts.benchmarks.case import Case, difference, time_both
from scripts.benchmarks.one_image import SEED, drawn

TOLERANCE = 0.5  # relative L2 of single images, in whose maps bfloat16 flips gates
LAYERS = {"resnet50": "layer3", "resnet18": "layer4"}


def time_precision(side: int, images: int, repetitions: int, environment: Environment) -> Iterator[Case]:
    """Yield the cases of several images of a size in pixels, and of one, by the CPU's time."""
    several = torch.randn(images, 3, side, side, generator=torch.Generator().manual_seed(SEED))
    for architecture, layer in LAYERS.items():
        network = drawn(architecture, side)
        for given in (several, several[:1]):
            name = f"{architecture}, {layer}, {side} px, images: {len(given)}, bfloat16 against float32, CPU time"
            ours, theirs = (partial(_map, network, given, layer, precision) for precision in ("bfloat16", "as_is"))
            differing = difference(name, ours(), theirs(), TOLERANCE)
            yield time_both(name, ours, theirs, repetitions, environment, differing, clock=process_time)


def _map(network: nn.Module, images: Tensor, layer: str, precision: PrecisionName) -> np.ndarray:
    return effective_receptive_field(network, images, layer, precision=precision).values
