"""Three judges of fields and maps, each of which shares nothing with what it judges but the network itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from erf.arguments.process_wide import process_wide
from erf.errors import InvalidInput
from erf.maps import cropping, effective_field, passes, prepared
from erf.maps.aggregation import output_direction
from erf.maps.layer_outputs import layer_outputs
from erf.reachability.forward import _in_plain_operators
from erf.reachability.receptive_field import Box, ReceptiveField


def is_reached(network: nn.Module, image: Tensor, poisoned: Tensor, layer: str | None, field: ReceptiveField) -> bool:
    """Return whether a unit becomes NaN when pixels do: NaN times anything is NaN, so that weights do not matter.

    Args:
        network: In the modes in which it is looked at.
        image: ``[1, C, *size]``.
        poisoned: Which pixels become NaN, ``[*size]``.
        layer: The unit's; None is the network's output.
        field: The unit's, of which only the index of the unit is read.
    """
    damaged = image.masked_fill(poisoned, torch.nan)
    with torch.no_grad(), _in_plain_operators():  # others, as Winograd's convolution, mix what lies side by side
        return bool(layer_outputs(network, damaged, [layer], whole=False)[layer][field.index].isnan().any())


def outside(box: Box, size: tuple[int, ...]) -> Tensor:
    """Return which pixels of an image lie outside of a box, ``[*size]``."""
    pixels = torch.ones(size, dtype=torch.bool)
    pixels[tuple(slice(max(first, 0), max(end, 0)) for first, end in box)] = False
    return pixels


def edges(field: ReceptiveField, size: tuple[int, ...]) -> Iterator[tuple[int, int, Tensor]]:
    """Yield axis, place and pixels of each edge of a field's box that must matter: a finite one inside the image."""
    for axis, ((first, end), owner) in enumerate(zip(field.box, field.spanned_by, strict=True)):
        for place in {first, end - 1} if owner is None else ():
            if 0 <= place < size[axis]:
                pixels = torch.zeros(size, dtype=torch.bool)
                pixels.select(axis, place).fill_(True)
                yield axis, place, pixels


def plain_map(
    network: nn.Module, images: Tensor, layer: str | None, field: ReceptiveField, counted: Any, seed: int
) -> np.ndarray:
    """Return the mean of |g| of a unit by one call of ``torch.autograd.grad`` on the whole images.

    Args:
        network: In the modes in which it is looked at.
        images: ``[N, C, *size]``, on the network's device and in its dtype.
        layer: The unit's; None is the network's output.
        field: The unit's, of which only the index of the unit is read.
        counted: Index of the input channels that count.
        seed: Of the random signs of the output channels.
    """
    leaf = images.clone().requires_grad_()
    unit = layer_outputs(network, leaf, [layer], whole=False)[layer][field.index].reshape(len(images), -1)
    signs = torch.stack([output_direction("random_sign", unit.shape[1], seed, n) for n in range(len(images))])
    g = _plain_gradient((unit * signs.to(unit)).sum(), leaf, retain_graph=False)
    if g is None:
        raise InvalidInput("no gradient leads from the unit to the image")
    return g.double()[:, counted].abs().mean((0, 1)).cpu().numpy()


def _plain_gradient(output: Tensor, leaf: Tensor, retain_graph: bool = True) -> Tensor | None:
    with _ContiguousNorms():
        return torch.autograd.grad(output, leaf, retain_graph=retain_graph, allow_unused=True)[0]


class _ContiguousNorms(TorchDispatchMode):
    """Hands batch norm's backward pass contiguous copies: torch reads others wrongly (erf.maps.batch_norm_backward)."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket.__name__ in ("native_batch_norm_backward", "batch_norm_backward"):
            copies = [values.clone(memory_format=torch.contiguous_format) for values in args[:2]]
            args = (*copies, *args[2:])
        return func(*args, **(kwargs or {}))


# What stands in the place of each fast way, by its module and name there.
SLOW_WAYS: dict[str, tuple[Any, str, Any]] = {
    "crops": (cropping, "OVERHEAD", 10**12),  # no part of an image is worth a pass of its own
    "folding": (prepared, "folds", lambda *_: []),
    "cone": (passes, "gradient_in_cone", _plain_gradient),
    "channels_last": (passes, "_is_faster_with_channels_last", lambda *_: False),
    "memory": (effective_field, "Remembered", prepared.Prepared),
}


@process_wide
@contextmanager
def slow_ways() -> Iterator[None]:
    """Measure maps without any fast way: whole images, each layer as it is, one backward pass through all of it."""
    with ExitStack() as originals:
        for module, name, way in SLOW_WAYS.values():
            originals.callback(setattr, module, name, getattr(module, name))
            setattr(module, name, way)
        yield


def difference(values: np.ndarray, expected: np.ndarray, dtype: torch.dtype) -> tuple[float, float]:
    """Return how two maps differ, and how much rounding may make of it.

    In float64 it is the largest difference over the peak. Below, gates within rounding of 0 flip: relative L2.
    """
    if dtype == torch.float64:
        return float(np.abs(values - expected).max() / (np.abs(expected).max() or 1)), 1e-10
    return float(np.linalg.norm(values - expected) / (np.linalg.norm(expected) or 1)), 1e-2
