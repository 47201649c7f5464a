"""What a tile of an image must hold beside its own pixels, so that a network gives there what it gives on the image."""

from __future__ import annotations

from dataclasses import dataclass
from types import NoneType
from typing import Any

import numpy as np
from torch import nn

from erf.arguments import require_type, require_whole
from erf.errors import InvalidInput
from erf.reachability.as_written import in_mode
from erf.reachability.extent import middle
from erf.reachability.forward import likely_channels, traced
from erf.reachability.grid import Grid, grid_of
from erf.reachability.layers import only_output
from erf.reachability.pass_to_layers import step_of
from erf.reachability.record import Step, Trace
from erf.reachability.request import ModeName, NamedLayer, called, layer_name
from erf.reachability.translation import Differs, alignment, check_translation

SMALLEST, LARGEST = 64, 4096  # sides of the images at which the search for one that shows the grid's period ends

OWN = 32  # pixels of the tile that is checked, without its halo: networks do not run on the smallest


@dataclass(frozen=True)
class Halo:
    """What tiles of an image need, in pixels, per axis.

    Attributes:
        before: On the side of lower indices, beyond the tile's own pixels; a multiple of ``alignment``.
        after: On the other side; likewise.
        alignment: Tiles begin and end at multiples of this, so that all strided layers fall on the same pixels.
        units: Of the layer, for each ``alignment`` pixels.
        smallest_input: The smallest aligned side of an image that holds the whole field of one unit.
    """

    before: tuple[int, ...]
    after: tuple[int, ...]
    alignment: tuple[int, ...]
    units: tuple[int, ...]
    smallest_input: tuple[int, ...]


def halo(
    network: nn.Module, layer: NamedLayer | None = None, *, channels: int | None = None, mode: ModeName = "eval"
) -> Halo:
    """Return what tiles need so that a layer's units over them are those of the whole image.

    With an alignment a, tiles begin and end at multiples of a. All units over a tile have their fields in the tile
    with ``before`` pixels in front and ``after`` behind, whatever their places within a. At the image's own borders
    the tile ends with the image.

    Args:
        network: As for :func:`erf.theoretical_receptive_field`.
        layer: A module or its name; None is the network's output.
        channels: Of the input; None infers them from the network's first layer.
        mode: "eval" or "as_is".

    Raises:
        InvalidInput: An operator spans the image, or depends on position or size: then no tile gives what the image
            gives; or the layer has no evenly repeating rows and columns.

    >>> import erf
    >>> from torch import nn
    >>> network = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, stride=2, padding=1))
    >>> needed = erf.halo(network)
    >>> needed.before, needed.after, needed.alignment
    ((2, 2), (2, 2), (2, 2))
    """
    require_type(nn.Module, network=network)
    require_type(str, nn.Module, NoneType, layer=layer)
    name = layer_name(network, layer) or ""
    if channels is not None:
        require_whole(channels=channels)
    with in_mode(network, mode):
        axes, channels = _taken(network, channels)
        needed = _search(network, channels, name, axes)
        _check(network, channels, needed, name)
    return needed


def _search(network: nn.Module, channels: int, name: str, axes: int) -> Halo:
    """Look at larger and larger images, until one shows how the layer's grid repeats."""
    side = SMALLEST
    while side <= LARGEST:
        passed = traced(network, (side,) * axes, channels)
        needed = _halo(passed, step_of(network, passed, name))
        if needed is not None:
            return needed
        side *= 2
    raise InvalidInput(f"{called(name)} has units that do not repeat evenly: no tiles are known")


def _taken(network: nn.Module, channels: int | None) -> tuple[int, int]:
    """Return how many spatial axes, and how many channels, the images have on which the network runs."""
    stated = [m.weight.ndim - 2 for m in network.modules() if isinstance(m, nn.modules.conv._ConvNd)]
    errors = []
    for axes in dict.fromkeys((*stated, 2, 1, 3)):
        size = (SMALLEST,) * axes
        try:
            taken = channels or likely_channels(network, size)[0]
            traced(network, size, taken)
        except InvalidInput as error:
            errors.append(error)
        else:
            return axes, taken
    raise errors[0]


def _halo(passed: Trace, step: Step) -> Halo | None:
    """Return it; None if the image is too small to show how the grid repeats."""
    grid = grid_of(only_output(step))
    sides = [_side(grid, axis, alignment(passed, step.operations, axis), step) for axis in range(len(passed.size))]
    known = [side for side in sides if side is not None]
    return Halo(*zip(*known, strict=True)) if len(known) == len(sides) else None


def _side(grid: Grid, axis: int, aligned: int, step: Step) -> tuple[int, ...] | None:
    line, digit = grid.line(axis, middle(grid)), grid.digits[axis]
    if np.isfinite(line[2:]).any():
        raise InvalidInput(f"an operator spans the image below {called(step.name)}: no tile gives what the image gives")
    if digit is None or digit.period == 0 or digit.shift <= 0 or line.shape[1] < digit.period:
        return None
    units = digit.period * aligned // digit.shift
    laps, phase = np.divmod(np.arange(units), digit.period)
    firsts = line[0][phase] + laps * digit.shift
    ends = 1 - line[1][phase] + laps * digit.shift
    before, after = max(0, -int(firsts.min())), max(0, int(ends.max()) - aligned)
    first, end = firsts // aligned, -(-ends // aligned)
    return _up(before, aligned), _up(after, aligned), aligned, units, int((end - first).min()) * aligned


def _up(value: int, step: int) -> int:
    return -(-value // step) * step


def _check(network: nn.Module, channels: int, needed: Halo, name: str) -> None:
    """Raise unless the pass of a tile is that of a part of an image."""
    per_axis: Any = list(zip(needed.before, needed.after, needed.alignment, strict=True))
    tile = tuple(before + _up(OWN, step) + after for before, after, step in per_axis)
    part, box = traced(network, tile, channels, until=name), tuple((0, side) for side in tile)
    for steps in (2, 3):  # an even and an odd number of steps more than the tile, since some networks look at that
        image = tuple(side + steps * step for side, step in zip(tile, needed.alignment, strict=True))
        on_image = traced(network, image, channels)
        try:
            check_translation(on_image, step_of(network, on_image, name), part, needed.alignment, box)
        except Differs as error:
            raise InvalidInput(f"a tile does not give what the image gives at {called(name)}: {error}") from None
