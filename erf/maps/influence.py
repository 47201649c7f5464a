"""The influence of every input pixel on a unit, and effective receptive fields measured from it (section 2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from erf.arguments import is_finite, require_dense, require_images, require_type, require_values, require_whole, shown
from erf.errors import InvalidInput
from erf.maps.aggregation import Aggregation, check_aggregation, output_direction
from erf.maps.cropping import Crop, Probe, crops
from erf.maps.diagnostics import findings
from erf.maps.field_check import check_field, rounding_of
from erf.maps.folding import folded, folds
from erf.maps.influence_map import InfluenceMap, map_of_samples
from erf.maps.layer_outputs import run
from erf.maps.passes import Mode, batches, forward_passes, gradient, measuring
from erf.maps.statistic import Statistic, choice
from erf.reachability.receptive_field import ReceptiveField, Unit, is_unit, listed

# Channels whose gradients do not cancel have sums of the size of their randomly signed sums; those of a LayerNorm in
# float32 have a ten-millionth of it.
CANCELLED = 1e-3


def influence(network: nn.Module, images: Tensor, unit: Unit, direction: Tensor | None = None) -> Tensor:
    r"""Return the signed influence of every input pixel on one output unit (section 2 of the paper).

    .. math:: g_{n,c,i,j} = \partial \sum_k d_k y_{n,k,u} / \partial x_{n,c,i,j}

    Args:
        network: Maps ``images [N, C, H, W]`` to features ``[N, K, H', W']``.
        images: Where the gradient is taken. Not modified.
        unit: Row and column ``u`` of the output unit.
        direction: Weights ``d`` of the output channels, ``[K]``, or ``[N, K]`` for one set an image; None is all ones.

    Returns:
        ``[N, C, H, W]``, signed.

    Raises:
        InvalidInput: The unit is outside the output's grid, the images or the direction have another shape or kind,
            images or weights are not finite, the network does not run on the images, or nothing that autograd knows of
            leads to them, as under ``torch.no_grad``.
    """
    require_images(images)
    with measuring(network, Mode.as_is):
        leaf = images.detach().clone().requires_grad_()
        features = run(network, leaf)
        require_type(Tensor, output=features)
        grid = tuple(features.shape[2:])
        if not is_unit(unit, grid):
            raise InvalidInput(f"unit={unit} is outside the layer's grid of {' x '.join(map(str, grid))} units")
        if direction is not None:
            _check_direction(direction, features)
        return gradient(features[(..., *unit)], leaf, direction)


def _check_direction(direction: Tensor, features: Tensor) -> None:
    require_dense(direction=direction)
    if not features.is_meta:
        require_values(direction=direction)
    shapes = [list(features.shape[1:2]), list(features.shape[:2])]
    if list(direction.shape) not in shapes or direction.is_complex() or not is_finite(direction):
        raise InvalidInput(f"direction={shown(direction)}: allowed are finite real numbers {shapes[0]} or {shapes[1]}")


def effective_receptive_field(
    network: nn.Module,
    images: Tensor | Iterable[Any],
    layer: str | list[str] | None = None,
    unit: Unit | list[Unit] | None = None,
    statistic: str = "mean_abs",
    aggregation: Aggregation = "random_sign",
    seed: int = 0,
    first_sample: int = 0,
    mode: str = "eval",
    normalize: bool = False,
    batch_size: int = 8,
) -> Any:
    r"""Measure the influence map of units of a network over images.

    With statistic mean_abs and random signs s of the output channels,

    .. math:: values_{i,j} = \operatorname{mean}_{n,c} \left|\sum_k s_{n,k}\,
              \partial y_{n,k,u} / \partial x_{n,c,i,j}\right|

    Only the part of the image that a unit's TRF reaches is run, where that is shown to give the same values; the map is
    0 elsewhere. Memory does not grow with the number of images, and the result depends neither on ``batch_size`` nor on
    how the images are split into calls (``first_sample`` places one; ``merge`` joins them) beyond rounding.

    Args:
        network: Maps images ``[N, C, H, W]`` to features ``[N, K, H', W']``; left as it was found.
        images: ``[N, C, H, W]``, or an iterable of such batches, or of tuples or lists that begin with one, as a
            DataLoader of images and labels gives them.
        layer: A module's name, a list of names, or None for the network's output.
        unit: A (row, column) of the layer's grid, a list of them, or None for (H'//2, W'//2).
        statistic: "mean_abs", "rms", "mean_square" or "signed_mean", over images and input channels.
        aggregation: Of output channels: "random_sign", "sum" or a channel's index.
        seed: Of the random signs.
        first_sample: Index of the first image, from which its signs are drawn.
        mode: "eval" measures in eval mode; "as_is" leaves train-mode layers, whose batch statistics join all pixels.
        normalize: Divide each image's moments by their sum before averaging.
        batch_size: Images in one forward pass.

    Returns:
        An InfluenceMap; a dict of them by name for a list of layers; lists of them for a list of units.

    Raises:
        InvalidInput: An argument does not fit the network, a gradient is not finite, or nothing that autograd knows of
            leads from a layer to the images, as under ``torch.no_grad``.
    """
    kind = choice(Statistic, statistic, "statistic")
    require_whole(0, seed=seed, first_sample=first_sample)
    require_type(bool, normalize=normalize)
    names, units = listed(layer, "layer"), listed(unit, "unit")
    found: list[Crop] = []
    size: list[int] = []
    channels, rounding = 0, 0.0
    parts: dict[int, InfluenceMap] = {}
    cancelling: set[int] = set()
    with measuring(network, choice(Mode, mode, "mode")), ExitStack() as folding:
        for first, batch in batches(network, images, batch_size, first_sample):
            if not found:
                channels, *size = batch.shape[1:]
                passed, found = crops(network, size, channels, names, units, mode)
                folding.enter_context(folded(folds(network, passed, names)))
                rounding = rounding_of(batch)
                of_sum = isinstance(aggregation, str) and aggregation == "sum"
                cancelling = _cancelling(network, batch[:1], found) if of_sum else set()
            choose = partial(_directions, aggregation, kind, seed, range(first, first + len(batch)))
            for number, probe, g in _influences(network, batch, found, choose):
                new = _map_of(g, probe.field, kind, aggregation, normalize)
                parts[number] = parts[number].merge(new) if number in parts else new
        whole = _on_the_image(parts, found, size)
        for _, probe, imap in whole:
            check_field(network, probe.field, imap.values, channels, rounding)
    if not parts:
        raise InvalidInput("there is no image to measure on")
    maps = [
        replace(imap, findings=findings(network, probe.field, number in cancelling)) for number, probe, imap in whole
    ]
    by_layer = {name: maps[i * len(units) : (i + 1) * len(units)] for i, name in enumerate(names)}
    results = {name: found if isinstance(unit, list) else found[0] for name, found in by_layer.items()}
    return results if isinstance(layer, list) else results[layer]


def _on_the_image(
    parts: dict[int, InfluenceMap], found: Sequence[Crop], size: Sequence[int]
) -> list[tuple[int, Probe, InfluenceMap]]:
    """Put the maps into the whole image, in the order of their numbers; they are 0 outside of their crops."""
    whole = []
    for crop in found:
        for number, probe in crop.probes.items():
            values = np.zeros(size)
            values[crop.slices] = parts[number].values
            whole.append((number, probe, replace(parts[number], values=values)))
    return sorted(whole, key=lambda entry: entry[0])


def _influences(
    network: nn.Module, batch: Tensor, found: Sequence[Crop], choose: Callable[[int], Tensor]
) -> Iterator[tuple[int, Probe, Tensor]]:
    """Yield each probe, by its number, and its influence on its crop."""
    for crop, leaf, outputs in forward_passes(network, batch, found):
        for number, probe in crop.probes.items():
            at_unit = _at_unit(outputs[probe.layer], probe, len(batch))
            yield number, probe, gradient(at_unit, leaf, choose(at_unit.shape[1]), probe.layer)


def _cancelling(network: nn.Module, image: Tensor, found: Sequence[Crop]) -> set[int]:
    """Return the numbers of the probes whose channels' sum has next to none of the influence that each of them has."""

    def totals(aggregation: Aggregation) -> dict[int, float]:
        choose = partial(_directions, aggregation, Statistic.mean_abs, 0, range(1))
        return {
            number: float(g.abs().sum(dtype=torch.float64))
            for number, _, g in _influences(network, image, found, choose)
        }

    of_sum, of_signs = totals("sum"), totals("random_sign")
    return {number for number, total in of_sum.items() if total < CANCELLED * of_signs[number]}


def _at_unit(outputs: Tensor, probe: Probe, images: int) -> Tensor:
    """Return the unit's channels ``[N, K]``, in whatever layout the layer's output is."""
    name = "the network's output" if probe.layer is None else f"layer {probe.layer!r}"
    if probe.index is None:
        raise InvalidInput(f"{name} has no spatial axes, so its units have a TRF but no map; name an earlier layer")
    if probe.index[0] != slice(None) or len(outputs) != images:
        raise InvalidInput(f"{name} has shape {list(outputs.shape)}: its first dimension must be the images")
    return outputs[probe.index].reshape(images, -1)


def _directions(aggregation: Aggregation, kind: Statistic, seed: int, samples: range, channels: int) -> Tensor:
    check_aggregation(aggregation, channels, kind)
    return torch.stack([output_direction(aggregation, channels, seed, sample) for sample in samples])


def _map_of(
    g: Tensor, field: ReceptiveField, kind: Statistic, aggregation: Aggregation, normalize: bool
) -> InfluenceMap:
    if not g.isfinite().all():
        image = int((~g.isfinite()).flatten(1).any(1).nonzero()[0])
        raise InvalidInput(
            f"the gradient of image {image} of its batch is not finite: an activation or the gradient overflowed "
            f"{str(g.dtype).removeprefix('torch.')}; measure in float64 or rescale the weights"
        )
    moments = kind.moment(g.double()).mean(1).cpu().numpy()
    return map_of_samples(moments, kind, field.box, aggregation, normalize, field.center)
