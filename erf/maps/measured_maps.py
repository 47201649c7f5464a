"""The influence maps of units over batches of images: each batch's are merged with those before it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from erf.arguments import is_finite, is_whole, require_type, require_weights, require_whole, shown
from erf.errors import InvalidInput
from erf.maps.aggregation import Aggregation, AggregationName, check_aggregation, output_direction
from erf.maps.cropping import Crop, Probe
from erf.maps.diagnostics import findings
from erf.maps.field_check import check_field, rounding_of
from erf.maps.folding import folded
from erf.maps.influence_map import InfluenceMap
from erf.maps.passes import at_unit, batches, forward_passes, gradient, measuring
from erf.maps.precision import Precision, error_of
from erf.maps.prepared import Changed, Parts, Prepared
from erf.maps.sampled_map import map_of_samples
from erf.maps.statistic import Statistic, StatisticName, choice
from erf.reachability.receptive_field import ReceptiveField
from erf.reachability.request import Mode

# Channels whose gradients do not cancel have sums of the size of their randomly signed sums; those of a LayerNorm in
# float32 have a ten-millionth of it.
CANCELLED = 1e-3


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
    network = prepared.network
    with measuring(network, prepared.mode), ExitStack() as folding:
        maps = _Maps(prepared, kind, aggregation, seed, normalize, of_channels, folding)
        for first, batch in batches(network, images, batch_size, first_sample):
            maps.add(first, batch)
        on_image = maps.on_the_image()
    if not on_image:
        raise InvalidInput("there is no image to measure on")
    with_findings = [
        replace(
            imap,
            findings=(
                *findings(network, probe.field, number in maps.cancelling, prepared.is_mixing),
                *maps.errors.get(number, ()),
            ),
            precision=prepared.precision,
        )
        for number, probe, imap in on_image
    ]
    each, asked = len(prepared.asked.units), prepared.asked
    return asked.answer([with_findings[i * each : (i + 1) * each] for i in range(len(asked.layers))])


class _Maps:
    """The maps over all batches that were added.

    Attributes:
        cancelling: The numbers of the probes whose channels cancel in their sum.
        errors: By the number of a probe, a sentence on what a coarser precision changes, where image 0 was measured.
    """

    def __init__(
        self, prepared: Prepared, kind: Statistic, aggregation: Aggregation, seed: int, normalize: bool,
        of_channels: int | Sequence[int] | None, folding: ExitStack,
    ) -> None:  # fmt: skip
        self.cancelling: set[int] = set()
        self.errors: dict[int, tuple[str]] = {}
        self._prepared = prepared
        self._kind, self._aggregation, self._seed, self._normalize = kind, aggregation, seed, normalize
        self._of_channels = of_channels
        self._folding = folding
        self._parts: Parts | None = None
        self._reorder = False
        self._shape = torch.Size()
        self._rounding = 0.0
        self._maps: dict[int, InfluenceMap] = {}

    def add(self, first: int, batch: Tensor) -> None:
        """Measure on a batch, of which the first image has this index."""
        is_first = self._parts is None
        try:
            maps = self._measured(first, batch)
        except (Changed, InvalidInput):  # of a crop that the network, as it is now, may not even run on
            if not (is_first and self._parts and self._parts.graphs):
                raise
            self._folding.close()
            self._prepared.forget()
            self._parts = None
            maps = self._measured(first, batch)
        for number, new in maps:
            self._maps[number] = self._maps[number].merge(new) if number in self._maps else new

    def _measured(self, first: int, batch: Tensor) -> list[tuple[int, InfluenceMap]]:
        maps = []
        for index, images in self._prepared.singly(first, batch):
            is_first = self._parts is None
            parts = self._parts or self._opened(images)
            counted = counted_channels(self._of_channels, images.shape[1])
            choose = partial(_directions, self._aggregation, self._kind, self._seed, range(index, index + len(images)))
            confirm = partial(self._prepared.confirm, parts) if is_first else None
            precision, is_judged = (
                self._prepared.precision,
                self._prepared.precision is not Precision.as_is and not index,
            )
            own = self._own_moments(images, parts.crops, counted) if is_judged else {}
            for number, probe, g in _influences(
                self._prepared.looked_at, images, parts.crops, choose, self._reorder, confirm, precision
            ):
                if not is_finite(g) or not g.any():
                    require_weights(self._prepared.network, real=False)  # in case they were written past autograd
                if number in own:
                    coarse = self._moment(self._first(g)[:, counted])
                    self.errors[number] = (error_of(coarse, own[number], _center(parts.crops, number)),)
                new = _map_of(g[:, counted], probe.field, self._kind, self._aggregation, self._normalize)
                maps.append((number, new))
        return maps

    def _own_moments(self, images: Tensor, crops: Sequence[Crop], counted: slice | list[int]) -> dict[int, np.ndarray]:
        """Return each probe's mean moment over the first image in the network's own precision, by its number."""
        network, first = self._prepared.looked_at, self._first(images)
        choose = partial(_directions, self._aggregation, self._kind, self._seed, range(len(first)))
        with torch.random.fork_rng([images.device] if images.is_cuda else []):  # what is drawn will be drawn again
            influences = _influences(network, first, crops, choose, self._reorder)
            return {number: self._moment(g[:, counted]) for number, _, g in influences}

    def _first(self, images: Tensor) -> Tensor:
        """Return the first image, or all of its batch where modes are left as they are and may join them."""
        return images[:1] if self._prepared.mode is Mode.eval else images

    def _moment(self, g: Tensor) -> np.ndarray:
        return self._kind.moment(g.double()).mean((0, 1)).cpu().numpy()

    def _opened(self, images: Tensor) -> Parts:
        """Return the parts of the first images, and put the network into the state to measure on all in."""
        network, self._parts = self._prepared.looked_at, self._prepared.parts(images)
        crops, workload = self._parts.crops, self._parts.workload
        self._shape, self._rounding = images.shape, rounding_of(images)
        self._reorder = workload.outweighs_weights(len(images))
        self._folding.enter_context(folded([fold for fold in self._parts.folds if workload.pays(fold, len(images))]))
        of_sum = isinstance(self._aggregation, str) and self._aggregation == "sum"
        self.cancelling = _cancelling(network, images[:1], crops) if of_sum else set()
        return self._parts

    def on_the_image(self) -> list[tuple[int, Probe, InfluenceMap]]:
        """Return each unit's map of the whole image, in the order of their numbers, held against its field."""
        if self._parts is None:
            return []
        channels, *size = self._shape[1:]
        on_image = _on_the_image(self._maps, self._parts.crops, size)
        for _, probe, imap in () if self._parts.on_images else on_image:
            check_field(self._prepared.looked_at, probe.field, imap.values, channels, self._rounding)
        return on_image


def counted_channels(of_channels: int | Sequence[int] | None, channels: int) -> slice | list[int]:
    """Return the index of the input channels whose influence counts."""
    if of_channels is None:
        return slice(None)
    counted = list(of_channels) if isinstance(of_channels, Sequence) else [of_channels]
    fits = all(is_whole(channel) and 0 <= channel < channels for channel in counted)
    if not counted or not fits or len(set(counted)) < len(counted):
        raise InvalidInput(f"of_channels={shown(of_channels)}: allowed are different channels from 0 to {channels - 1}")
    return counted


def _center(crops: Sequence[Crop], number: int) -> list[float]:
    """Return the place of a probe's unit in its crop."""
    [crop] = [crop for crop in crops if number in crop.probes]
    return [place - first for place, (first, _) in zip(crop.probes[number].field.center, crop.box, strict=True)]


def _on_the_image(
    parts: dict[int, InfluenceMap], crops: Sequence[Crop], size: Sequence[int]
) -> list[tuple[int, Probe, InfluenceMap]]:
    """Put the maps into the whole image, in the order of their numbers; they are 0 outside of their crops."""
    on_image = []
    for crop in crops:
        for number, probe in crop.probes.items():
            values = np.zeros(size)
            values[crop.slices] = parts[number].values
            on_image.append((number, probe, replace(parts[number], values=values)))
    return sorted(on_image, key=lambda entry: entry[0])


def _influences(
    network: nn.Module,
    batch: Tensor,
    crops: Sequence[Crop],
    choose: Callable[[int], Tensor],
    reorder: bool = False,
    confirm: Callable[[Crop, Iterable[Tensor]], None] | None = None,
    precision: Precision = Precision.as_is,
) -> Iterator[tuple[int, Probe, Tensor]]:
    """Yield each probe, by its number, and its influence on its crop, whose pass may have to be confirmed first."""
    for crop, leaf, outputs in forward_passes(network, batch, crops, reorder, precision):
        if confirm is not None:
            confirm(crop, outputs.values())
        *_, last = crop.probes
        for number, probe in crop.probes.items():
            unit = at_unit(outputs[probe.layer], probe.index, probe.layer, len(batch))
            yield number, probe, gradient(unit, leaf, choose(unit.shape[1]), probe.layer, number != last)


def _cancelling(network: nn.Module, image: Tensor, crops: Sequence[Crop]) -> set[int]:
    """Return the numbers of the probes whose channels' sum has next to none of the influence that each of them has."""

    def totals(aggregation: Aggregation) -> dict[int, float]:
        choose = partial(_directions, aggregation, Statistic.mean_abs, 0, range(1))
        return {
            number: float(g.abs().sum(dtype=torch.float64))
            for number, _, g in _influences(network, image, crops, choose)
        }

    of_sum, of_signs = totals("sum"), totals("random_sign")
    return {number for number, total in of_sum.items() if total < CANCELLED * of_signs[number]}


def _directions(aggregation: Aggregation, kind: Statistic, seed: int, samples: range, channels: int) -> Tensor:
    check_aggregation(aggregation, channels, kind)
    return torch.stack([output_direction(aggregation, channels, seed, sample) for sample in samples])


def _map_of(
    g: Tensor, field: ReceptiveField, kind: Statistic, aggregation: Aggregation, normalize: bool
) -> InfluenceMap:
    if not is_finite(g):
        image = int((~g.isfinite()).flatten(1).any(1).nonzero()[0])
        raise InvalidInput(
            f"the gradient of image {image} of its batch is not finite: an activation or the gradient overflowed "
            f"{str(g.dtype).removeprefix('torch.')}; measure in float64 or rescale the weights"
        )
    moments = kind.moment(g.double()).mean(1).cpu().numpy()
    return map_of_samples(moments, kind, field.box, aggregation, normalize, field.center, field.jump)
