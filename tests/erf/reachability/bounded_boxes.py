"""Seeded networks, and their boxes inside of the image, as NaN poisoning gives them."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from erf.reachability.record import Step
from tests.erf.hard_cases import Network
from tests.oracles.nan_poisoning import Box


def bounded_box(step: Step, place: tuple[int | slice, ...]) -> Box | None:
    """The pixels of this image that reach a place in a module's output."""
    boxes = [reach.dense()[(slice(None), *place)].reshape(4, -1).min(1)[:2] for reach in step.outputs[0]]
    if any(np.isinf(first) for first, _ in boxes):
        return None
    return tuple((int(first), int(1 - last)) for first, last in boxes)


def within(box: Box, size: tuple[int, ...]) -> Box:
    return tuple((max(low, 0), min(high, n)) for (low, high), n in zip(box, size, strict=True))


def seeded(make: Network) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make().eval().double()
