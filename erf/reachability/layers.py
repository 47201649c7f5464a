"""The layers of a network as rows: the recursion layer by layer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from erf.errors import InvalidInput
from erf.reachability.extent import extent_of, middle
from erf.reachability.grid import grid_of
from erf.reachability.record import Reaches, Step, Unit
from erf.reachability.request import called


@dataclass(frozen=True)
class Layer:
    """One call of one layer; its sizes are those of its middle unit, in input pixels, per axis.

    Attributes:
        name: The module's name in the network; empty for the network itself.
        kind: Its class.
        size: Of the field, ``math.inf`` where one operator spans the axis; empty if the layer has no units to look at.
        local_size: Of the field with all that spans the image held constant; None where nothing local is left.
        jump: From unit to unit; None where they are not evenly spaced.
        start: Where unit 0 stands; None where ``jump`` is.
        grid: Units per axis; None if the layer has no spatial axes.
    """

    name: str
    kind: str
    size: tuple[float, ...]
    local_size: tuple[float | None, ...]
    jump: tuple[float | None, ...]
    start: tuple[float | None, ...]
    grid: Unit | None


def layer_of(step: Step, size: Unit) -> Layer:
    """Return the row of one call in the pass of an image of that size."""
    try:
        grid = grid_of(only_output(step))
        unit = middle(grid)
        extents = [extent_of(grid, axis, unit, grid.side(axis, unit, n), n) for axis, n in enumerate(size)]
    except InvalidInput:
        return Layer(step.name, step.kind, (), (), (), (), None)
    return Layer(
        step.name,
        step.kind,
        tuple(each.size for each in extents),
        tuple(each.local_size for each in extents),
        tuple(each.jump for each in extents),
        tuple(each.start for each in extents),
        grid.shape,
    )


def table(layers: Iterable[Layer]) -> str:
    """Return one line per layer; the column of local sizes is left out where no field is infinite."""
    layers = list(layers)
    lines = [("layer", "type", "size", "local", "jump", "start"), *map(_line, layers)]
    if not any(math.inf in layer.size for layer in layers):
        lines = [(*line[:3], *line[4:]) for line in lines]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def _line(layer: Layer) -> tuple[str, ...]:
    columns = layer.size, layer.local_size, layer.jump, layer.start
    return layer.name, layer.kind, *map(per_axis, columns)


def per_axis(values: Sequence[float | None]) -> str:
    """Write what is equal on all axes once."""
    texts = ["-" if value is None else f"{value:g}" for value in values] or ["-"]
    return texts[0] if len(set(texts)) == 1 else " x ".join(texts)


def only_output(step: Step) -> Reaches:
    """Return the boxes of a layer's one output."""
    if len(step.outputs) != 1:
        raise InvalidInput(
            f"{called(step.name)} has {len(step.outputs)} outputs: name a layer that has one"
            " (layer=..., or layers=... of erf.measure), or let call=... return one"
        )
    return step.outputs[0]
