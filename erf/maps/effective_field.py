"""Effective receptive fields: influence maps measured over images (section 2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any, overload

import numpy as np
import torch
from torch import Tensor, nn

from erf.arguments import is_whole, require_type, require_whole, shown
from erf.errors import InvalidInput
from erf.maps.aggregation import Aggregation, AggregationName, check_aggregation, output_direction
from erf.maps.cropping import Crop, Probe
from erf.maps.diagnostics import findings
from erf.maps.field_check import check_field, rounding_of
from erf.maps.folding import folded, folds
from erf.maps.influence_map import InfluenceMap
from erf.maps.passes import at_unit, batches, forward_passes, gradient, measuring
from erf.maps.prepared import Prepared
from erf.maps.sampled_map import map_of_samples
from erf.maps.statistic import Statistic, StatisticName, choice
from erf.maps.workload import outweighs_weights
from erf.reachability.receptive_field import ReceptiveField
from erf.reachability.record import Trace
from erf.reachability.request import Answer, Layers, ModeName, NamedLayer, Runner, Unit, Units

# Channels whose gradients do not cancel have sums of the size of their randomly signed sums; those of a LayerNorm in
# float32 have a ten-millionth of it.
CANCELLED = 1e-3


@overload
def effective_receptive_field(
    network: nn.Module, images: Tensor | Iterable[Any], layer: NamedLayer | None = None, unit: Unit | None = None,
    statistic: StatisticName = "mean_abs", aggregation: AggregationName = "random_sign", seed: int = 0,
    first_sample: int = 0, mode: ModeName = "eval", normalize: bool = False, batch_size: int = 8,
    call: Runner | None = None, of_channels: int | Sequence[int] | None = None,
) -> InfluenceMap: ...  # fmt: skip
@overload
def effective_receptive_field(
    network: nn.Module, images: Tensor | Iterable[Any], layer: NamedLayer | None = None, *, unit: Units,
    statistic: StatisticName = "mean_abs", aggregation: AggregationName = "random_sign", seed: int = 0,
    first_sample: int = 0, mode: ModeName = "eval", normalize: bool = False, batch_size: int = 8,
    call: Runner | None = None, of_channels: int | Sequence[int] | None = None,
) -> list[InfluenceMap]: ...  # fmt: skip
@overload
def effective_receptive_field(
    network: nn.Module, images: Tensor | Iterable[Any], layer: NamedLayer | None, unit: Units,
    statistic: StatisticName = "mean_abs", aggregation: AggregationName = "random_sign", seed: int = 0,
    first_sample: int = 0, mode: ModeName = "eval", normalize: bool = False, batch_size: int = 8,
    call: Runner | None = None, of_channels: int | Sequence[int] | None = None,
) -> list[InfluenceMap]: ...  # fmt: skip
@overload
def effective_receptive_field(
    network: nn.Module, images: Tensor | Iterable[Any], layer: Layers, unit: Unit | None = None,
    statistic: StatisticName = "mean_abs", aggregation: AggregationName = "random_sign", seed: int = 0,
    first_sample: int = 0, mode: ModeName = "eval", normalize: bool = False, batch_size: int = 8,
    call: Runner | None = None, of_channels: int | Sequence[int] | None = None,
) -> dict[str, InfluenceMap]: ...  # fmt: skip
@overload
def effective_receptive_field(
    network: nn.Module, images: Tensor | Iterable[Any], layer: Layers, unit: Units,
    statistic: StatisticName = "mean_abs", aggregation: AggregationName = "random_sign", seed: int = 0,
    first_sample: int = 0, mode: ModeName = "eval", normalize: bool = False, batch_size: int = 8,
    call: Runner | None = None, of_channels: int | Sequence[int] | None = None,
) -> dict[str, list[InfluenceMap]]: ...  # fmt: skip
def effective_receptive_field(
    network: nn.Module,
    images: Tensor | Iterable[Any],
    layer: NamedLayer | Layers | None = None,
    unit: Unit | Units | None = None,
    statistic: StatisticName = "mean_abs",
    aggregation: AggregationName = "random_sign",
    seed: int = 0,
    first_sample: int = 0,
    mode: ModeName = "eval",
    normalize: bool = False,
    batch_size: int = 8,
    call: Runner | None = None,
    of_channels: int | Sequence[int] | None = None,
) -> Answer[InfluenceMap]:
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
        layer: A module or its name, a list of these, or None for the network's output. One without rows and columns,
            as of class logits, has one unit.
        unit: A (row, column) of the layer's grid, a list of them, or None for (H'//2, W'//2).
        statistic: "mean_abs", "rms", "mean_square" or "signed_mean", over images and input channels.
        aggregation: Of output channels: "random_sign", "sum" or a channel's index.
        seed: Of the random signs.
        first_sample: Index of the first image, from which its signs are drawn.
        mode: "eval" measures in eval mode; "as_is" leaves train-mode layers, whose batch statistics join all pixels.
        normalize: Divide each image's moments by their sum before averaging.
        batch_size: Images in one forward pass.
        call: As for :func:`erf.theoretical_receptive_field`.
        of_channels: The input channel, or those, whose influence counts; None is all.

    Returns:
        An InfluenceMap; a dict of them by name for a list of layers; lists of them for a list of units.

    Raises:
        InvalidInput: An argument does not fit the network, a gradient is not finite, or nothing that autograd knows of
            leads from a layer to the images, as under ``torch.no_grad``.

    >>> import erf
    >>> import torch
    >>> network = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 4, 3))
    >>> imap = erf.effective_receptive_field(network, torch.ones(2, 1, 33, 33))
    >>> imap.values.shape, imap.trf_box, imap.samples
    ((33, 33), ((14, 19), (14, 19)), 2)
    """
    prepared = Prepared(network, layer, unit, mode, call)
    return measured_maps(
        prepared, images, statistic, aggregation, seed, first_sample, normalize, batch_size, of_channels
    )


def measured_maps(
    prepared: Prepared,
    images: Tensor | Iterable[Any],
    statistic: StatisticName = "mean_abs",
    aggregation: AggregationName = "random_sign",
    seed: int = 0,
    first_sample: int = 0,
    normalize: bool = False,
    batch_size: int = 8,
    of_channels: int | Sequence[int] | None = None,
) -> Any:
    """Return what :func:`effective_receptive_field` does, of units that may have been measured before."""
    kind = choice(Statistic, statistic, "statistic")
    require_whole(0, seed=seed, first_sample=first_sample)
    require_type(bool, normalize=normalize)
    network, looked_at, asked = prepared.network, prepared.looked_at, prepared.asked
    passed: Trace | None = None
    found: list[Crop] = []
    size: list[int] = []
    channels, rounding, counted = 0, 0.0, slice(None)
    parts: dict[int, InfluenceMap] = {}
    cancelling: set[int] = set()
    many = False
    with measuring(network, prepared.mode), ExitStack() as folding:
        for first, batch in prepared.singly(batches(network, images, batch_size, first_sample)):
            if not found:
                channels, *size = batch.shape[1:]
                counted = counted_channels(of_channels, channels)
                passed, found = prepared.parts(batch)
                many = outweighs_weights(looked_at, passed, found, len(batch))
                folding.enter_context(folded(folds(looked_at, passed, asked.layers) if many else []))
                rounding = rounding_of(batch)
                of_sum = isinstance(aggregation, str) and aggregation == "sum"
                cancelling = _cancelling(looked_at, batch[:1], found) if of_sum else set()
            choose = partial(_directions, aggregation, kind, seed, range(first, first + len(batch)))
            for number, probe, g in _influences(looked_at, batch, found, choose, many):
                new = _map_of(g[:, counted], probe.field, kind, aggregation, normalize)
                parts[number] = parts[number].merge(new) if number in parts else new
        whole = _on_the_image(parts, found, size)
        for _, probe, imap in whole if passed and not passed.on_images else ():
            check_field(looked_at, probe.field, imap.values, channels, rounding)
    if not parts:
        raise InvalidInput("there is no image to measure on")
    maps = [
        replace(imap, findings=findings(network, probe.field, number in cancelling, bool(prepared.is_mixing)))
        for number, probe, imap in whole
    ]
    each = len(asked.units)
    return asked.answer([maps[i * each : (i + 1) * each] for i in range(len(asked.layers))])


def counted_channels(of_channels: int | Sequence[int] | None, channels: int) -> slice | list[int]:
    """Return the index of the input channels whose influence counts."""
    if of_channels is None:
        return slice(None)
    counted = list(of_channels) if isinstance(of_channels, Sequence) else [of_channels]
    fits = all(is_whole(channel) and 0 <= channel < channels for channel in counted)
    if not counted or not fits or len(set(counted)) < len(counted):
        raise InvalidInput(f"of_channels={shown(of_channels)}: allowed are different channels from 0 to {channels - 1}")
    return counted


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
    network: nn.Module, batch: Tensor, found: Sequence[Crop], choose: Callable[[int], Tensor], reorder: bool = False
) -> Iterator[tuple[int, Probe, Tensor]]:
    """Yield each probe, by its number, and its influence on its crop."""
    for crop, leaf, outputs in forward_passes(network, batch, found, reorder):
        for number, probe in crop.probes.items():
            unit = at_unit(outputs[probe.layer], probe.index, probe.layer, len(batch))
            yield number, probe, gradient(unit, leaf, choose(unit.shape[1]), probe.layer)


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
    return map_of_samples(moments, kind, field.box, aggregation, normalize, field.center, field.jump)
