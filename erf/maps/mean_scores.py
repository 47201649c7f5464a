"""The mean over images of a score of the gradients of one number of each layer, in float64, on crops where these do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from types import NoneType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from erf.arguments import require_type
from erf.errors import InvalidInput
from erf.maps.cropping import Crop, crops
from erf.maps.field_check import check_field, rounding_of
from erf.maps.folding import folded, folds
from erf.maps.layer_outputs import check_layer, layer_outputs
from erf.maps.passes import Mode, batches, forward_passes, gradient, measuring
from erf.reachability.record import Trace
from erf.reachability.request import Unit, listed

BATCH = 8  # images whose crops are run at once

# A layer's output, its name, the network, and the unit (None: that in the tool's middle) give each image's number whose
# gradient is taken, ``[N]``.
Center = Callable[[Tensor, str | None, nn.Module, Unit | None], Tensor]


def mean_scores(
    network: nn.Module,
    images: Tensor | Iterable[Any],
    layer: str | list[str] | list[str | None] | None,
    center: Center,
    score: Callable[[Tensor], Tensor],
) -> dict[str | None, np.ndarray]:
    """Return by layer the mean over images of ``score [N, H, W]`` of their gradients ``[N, C, H, W]`` in float64."""
    names = _checked_names(network, layer)
    sums: dict[str | None, Tensor] = {}
    parts: list[Crop] = []
    count, channels, rounding = 0, 0, 0.0
    with measuring(network, Mode.eval), ExitStack() as folding:
        for first, batch in batches(network, images, BATCH, first=0, joined=True):
            _check_two_axes(batch)
            if not count:
                passed, parts = _crops(network, batch, names)
                folding.enter_context(folded(folds(network, passed, names) if passed else []))
                sums = {name: batch.new_zeros(batch.shape[2:], dtype=torch.float64) for name in names}
            for name, part, index, gradients in _gradients(network, batch, names, center, parts, whole=not count):
                _require_finite(gradients, first + index)
                sums[name][part] += score(gradients.double()).sum(0)
                rounding = rounding_of(gradients)
            count, channels = count + len(batch), batch.shape[1]
        for probe in (probe for crop in parts for probe in crop.probes.values()):
            check_field(network, probe.field, sums[probe.layer].cpu().numpy(), channels, rounding)
    if not count:
        raise InvalidInput("there is no image to measure on")
    return {name: (total / count).cpu().numpy() for name, total in sums.items()}


def _require_finite(gradients: Tensor, first: int) -> None:
    for bad in (~gradients.isfinite()).flatten(1).any(1).nonzero()[:1]:
        raise InvalidInput(f"the gradient of image {first + int(bad)} is not finite: leave it out, or use float64")


def _crops(network: nn.Module, images: Tensor, names: list[str | None]) -> tuple[Trace | None, list[Crop]]:
    """Return a pass without data, and the crops with the tools' middle units; no crops where none will do.

    The tools read layers in layouts of their own, and measure networks whose TRF is not known.
    """
    try:
        passed, parts = crops(network, images.shape[2:], images.shape[1], names, [None])
    except InvalidInput:
        return None, []
    indices = [probe.index for crop in parts for probe in crop.probes.values()]
    literal = all(index[:2] == (slice(None),) * 2 and len(index) == 4 for index in indices)
    return passed, parts if literal and not passed.on_images else []


def _checked_names(network: nn.Module, layer: str | list[str] | list[str | None] | None) -> list[str | None]:
    require_type(nn.Module, network=network)
    names = listed(layer, "layer")
    for name in names:
        require_type(str, NoneType, layer=name)
        check_layer(network, name)
    return list(dict.fromkeys(names))


def _check_two_axes(images: Tensor) -> None:
    if images.ndim != 4:
        raise InvalidInput(f"these tools measure images [N, C, H, W], not {list(images.shape)}")


def _gradients(
    network: nn.Module, images: Tensor, names: list[str | None], center: Center, parts: list[Crop], whole: bool
) -> Iterator[tuple[str | None, tuple[slice, ...], int, Tensor]]:
    """Yield each layer, a part of the images, an image's index and from it on the center's gradients on that part.

    They are 0 everywhere else. Without crops images are run one at a time, as the tools do.
    """
    for crop, leaf, outputs in forward_passes(network, images, parts):
        for probe in crop.probes.values():
            unit: Any = probe.index[2:]
            value = center(outputs[probe.layer], probe.layer, network, unit)
            yield probe.layer, crop.slices, 0, gradient(value, leaf, layer=probe.layer)
    for index, image in enumerate([] if parts else images.split(1)):
        leaf = image.clone().requires_grad_()
        outputs = layer_outputs(network, leaf, names, whole and not index)
        for name in names:
            yield name, (), index, gradient(center(outputs[name], name, network, None), leaf, layer=name)
