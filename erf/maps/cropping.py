"""The parts of an image that are enough to measure units on: a unit's influence is 0 outside of its TRF.

A part is the TRF's box, cut off at the image's borders, begun at a multiple of all jumps below the layer, so that
strided layers fall on the same pixels. It stands for the image only where that is shown by comparing two passes without
data (:mod:`erf.reachability.translation`); everywhere else the units are measured on the whole image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor, nn

from erf.errors import InvalidInput
from erf.reachability.as_written import in_mode
from erf.reachability.box import Box
from erf.reachability.forward import traced
from erf.reachability.receptive_field import ReceptiveField, traced_fields
from erf.reachability.record import Step, Trace
from erf.reachability.request import Unit
from erf.reachability.translation import Differs, alignment, check_translation, moved_index

# A pass takes as long as these pixels more would, however small its crop is; so does the comparison, once.
OVERHEAD = 64 * 64


@dataclass(frozen=True)
class Probe:
    """One unit of one layer.

    Attributes:
        layer: Its name; None is the network's output.
        field: The unit's field in the whole image.
        index: Of the unit in the layer's output for the crop.
    """

    layer: str | None
    field: ReceptiveField
    index: tuple[int | slice, ...]


@dataclass(frozen=True)
class Crop:
    """A part of the image and the units that are measured on it.

    Attributes:
        box: Per axis, the half-open range of pixels.
        probes: By their place in the list of all probes.
    """

    box: Box
    probes: dict[int, Probe]

    @property
    def slices(self) -> tuple[slice, ...]:
        """Of the image's spatial axes."""
        return tuple(slice(*side) for side in self.box)

    @property
    def cost(self) -> int:
        """Of a forward pass, and a backward pass for each unit, in pixels of one image."""
        return _cost(self.box, len(self.probes))


def _cost(box: Box, probes: int) -> int:
    return (math.prod(end - first for first, end in box) + OVERHEAD) * (1 + probes)


def crops(
    network: nn.Module,
    size: Sequence[int],
    channels: int,
    layers: Sequence[str | None],
    units: Sequence[Unit | None],
    mode: str = "eval",
    images: Tensor | None = None,
) -> tuple[Trace, list[Crop]]:
    """Return a pass without data, and the crops on which to measure each unit of each of the layers, layer by layer.

    Args:
        network: As for :func:`erf.theoretical_receptive_field`, whose errors are raised.
        size: Of the image, per axis.
        channels: Of the image.
        layers: Names, None for the network's output.
        units: Of each layer; None is the middle one.
        mode: "eval" or "as_is".
        images: Two of them, for a network that needs values.
    """
    with in_mode(network, mode):
        whole, fields = traced_fields(network, tuple(size), layers, units, channels, images)
        probes = [
            Probe(name, field, field.index) for name, of_layer in zip(layers, fields, strict=True) for field in of_layer
        ]
        plan = _Plan(network, whole, channels, probes)
        enough: list[Crop] = []
        for number in range(len(probes)):
            plan.add(enough, plan.crop([number]))
    return whole, enough


class _Plan:
    """Which crops will do; each pass without data is run once."""

    def __init__(self, network: nn.Module, whole: Trace, channels: int, probes: list[Probe]) -> None:
        self._network = network
        self._whole = whole
        self._channels = channels
        self._probes = probes
        self._parts: dict[tuple[tuple[int, ...], str], Trace] = {}
        self._alignments: dict[str, list[int]] = {}

    def add(self, crops: list[Crop], crop: Crop) -> None:
        """Put a crop's probes to those of another where one forward pass for both is cheaper, or else append it."""
        for k, other in enumerate(crops):
            if crop.box == other.box:
                crops[k] = Crop(crop.box, other.probes | crop.probes)
                return
            numbers, apart = [*other.probes, *crop.probes], other.cost + crop.cost
            if _cost(self._box(numbers), len(numbers)) <= apart and (both := self.crop(numbers)).cost <= apart:
                crops[k] = both
                return
        crops.append(crop)

    def crop(self, numbers: Sequence[int]) -> Crop:
        """Return the smallest crop for these probes, or the whole image if it will not do."""
        box = self._box(numbers)
        everything = tuple((0, n) for n in self._whole.size)
        try:
            if not self._whole.assumptions and _cost(box, 0) < math.prod(self._whole.size):
                return Crop(box, {number: self._moved(self._probes[number], box) for number in numbers})
        except Differs:
            pass
        return Crop(everything, {number: self._probes[number] for number in numbers})

    def _box(self, numbers: Sequence[int]) -> Box:
        return tuple(self._side(axis, numbers) for axis in range(len(self._whole.size)))

    def _side(self, axis: int, numbers: Sequence[int]) -> tuple[int, int]:
        """Return where a crop begins and ends along one axis."""
        size = self._whole.size[axis]
        fields = [self._probes[number].field for number in numbers]
        first, end = min(field.box[axis][0] for field in fields), max(field.box[axis][1] for field in fields)
        if end <= 0 or first >= size or math.inf in (field.size[axis] for field in fields):
            return 0, size
        step = math.lcm(*(self._alignment(field.step)[axis] for field in fields))
        return max(first, 0) // step * step, min(-(-end // step) * step, size)

    def _alignment(self, step: Step) -> list[int]:
        if step.name not in self._alignments:
            axes = range(len(self._whole.size))
            self._alignments[step.name] = [alignment(self._whole, step.operations, axis) for axis in axes]
        return self._alignments[step.name]

    def _moved(self, probe: Probe, box: Box) -> Probe:
        """Return the probe with the place of its unit in the output for a crop.

        Raises:
            Differs: Its influence may be another one there.
        """
        if probe.index[0] != slice(None):
            raise Differs("the layer's first dimension is not the images")
        start, sizes = zip(*((first, end - first) for first, end in box), strict=True)
        step = probe.field.step
        part = self._part(sizes, step.name)
        sides = tuple((low - first, high - first) for (low, high), first in zip(probe.field.box, start, strict=True))
        check_translation(self._whole, step, part, start, sides)
        return replace(probe, index=moved_index(step.outputs[0], part.steps[-1].outputs[0], start, probe.index))

    def _part(self, size: tuple[int, ...], name: str) -> Trace:
        """Return the pass of an image of that size up to a module."""
        if (size, name) not in self._parts:
            try:
                self._parts[size, name] = traced(self._network, size, self._channels, until=name)
            except InvalidInput as error:
                raise Differs(str(error)) from error
        return self._parts[size, name]
