"""The receptive field by experiment: set a part of the input to NaN and see whether the unit becomes NaN.

NaN times anything is NaN, so the weights do not matter, and neither gradients nor positive weights are needed. What
is found is the hull of the pixels *of this image* that the unit reads, that is the field clipped by the image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

import torch
from torch import Tensor, nn

Box = tuple[tuple[int, int], ...]
Probe = Callable[[Tensor], Tensor]


class _Reached(Exception):
    """A layer has its values: the rest of the network, often its largest part, need not be computed."""


def values_at(network: nn.Module, layer: str | None, place: Sequence[int | slice]) -> Probe:
    """Return the function from an image to the values at ``place``, an index into the layer's first output."""

    def probe(image: Tensor) -> Tensor:
        seen: list[Tensor] = []

        def keep(_module: nn.Module, _input: object, output: object) -> None:
            seen.append(_only(output).clone())
            raise _Reached

        handle = (network if layer is None else network.get_submodule(layer)).register_forward_hook(keep)
        with suppress(_Reached):
            network(image)
        handle.remove()
        return seen[0][tuple(place)]

    return probe


def poisoned_box(probe: Probe, channels: int, input_size: Sequence[int]) -> Box | None:
    """Return per axis the half-open range of pixels that reach the probed values; None where there are none."""
    image = torch.rand(1, channels, *input_size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with torch.no_grad():
        if not _reaches(probe, image, 0, slice(None)):
            return None
        return tuple((_first(probe, image, axis), _end(probe, image, axis)) for axis in range(len(input_size)))


def _first(probe: Probe, image: Tensor, axis: int) -> int:
    """The first pixel of the box: the shortest prefix that reaches the unit ends with it."""
    size = image.shape[2 + axis]
    return _shortest(lambda length: _reaches(probe, image, axis, slice(0, length)), size) - 1


def _end(probe: Probe, image: Tensor, axis: int) -> int:
    size = image.shape[2 + axis]
    return size - _shortest(lambda length: _reaches(probe, image, axis, slice(size - length, size)), size) + 1


def _shortest(reaches: Callable[[int], bool], most: int) -> int:
    """Bisect for the smallest length in 1..most that reaches; the whole axis is known to."""
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(middle) else (middle, high)
    return high


def _reaches(probe: Probe, image: Tensor, axis: int, part: slice) -> bool:
    poisoned = image.clone()
    poisoned[(slice(None),) * (2 + axis) + (part,)] = torch.nan
    return bool(probe(poisoned).isnan().any())


def _only(output: object) -> Tensor:
    """The one tensor of an output that may be wrapped in a tuple or a dict."""
    if isinstance(output, Tensor):
        return output
    parts = output.values() if isinstance(output, dict) else output
    (tensor,) = [part for part in parts if isinstance(part, Tensor)]
    return tensor
