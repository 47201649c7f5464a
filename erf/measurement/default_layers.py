"""Which layers are measured where none is named: the last ones at the coarsest resolutions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from erf.reachability.receptive_field import theoretical_receptive_field
from erf.reachability.request import ModeName, Runner

# As many as the levels that a feature pyramid takes of a backbone.
RESOLUTIONS = 4


def default_layers(
    network: nn.Module, input_size: Sequence[int], channels: int, mode: ModeName, call: Runner | None = None
) -> list[str]:
    """Return the last layer at each of the four coarsest resolutions, and the last of all, in the order of their calls.

    Layers are modules with several units and one output that run once and are not scripted; outer ones come before
    those within others, which may be branches. Resolutions are told apart by octaves, so that
    convolutions without padding do not change them. Where there is no such layer, the list is empty.

    Raises:
        InvalidInput: The network does not run on an image of that size.
    """
    field = theoretical_receptive_field(
        network, input_size, channels=channels, mode=mode, call=partial(_run_whole, call)
    )
    runs = Counter(field.modules)
    scripted = {name for name, module in network.named_modules() if isinstance(module, torch.jit.ScriptModule)}
    layers = [
        (call.name, call.grid)
        for call in field.calls
        if call.name and runs[call.name] == 1 and call.grid and max(call.grid) > 1 and call.name not in scripted
    ]
    inner_first = sorted(layers, key=lambda layer: -layer[0].count("."))
    last = {_octaves(input_size, grid): name for name, grid in inner_first}
    chosen = {last[octaves] for octaves in sorted(last, key=sum)[-RESOLUTIONS:]} | {name for name, _ in layers[-1:]}
    return [name for name, _ in layers if name in chosen]


def _run_whole(call: Runner | None, network: Any, images: Tensor) -> Tensor:
    """Run the network, whatever its output is, and return what has a place in the image in any case."""
    _ = network(images) if call is None else call(network, images)
    return images


def _octaves(input_size: Sequence[int], grid: Sequence[int]) -> tuple[int, ...]:
    """Return, per axis, how often the resolution was halved."""
    return tuple(round(math.log2(side / units)) for side, units in zip(input_size, grid, strict=True))
