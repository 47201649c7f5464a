"""Which layers and units are asked for, and the shape of the answer: the same for every entry point."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import prod
from typing import Any, Literal, TypeVar

from torch import Tensor, nn

from erf.arguments import is_whole, require_type, require_whole_per_axis, shown
from erf.errors import InvalidInput
from erf.reachability.extent import middle
from erf.reachability.grid import Grid
from erf.reachability.record import Unit

Units = list[tuple[int]] | list[tuple[int, int]] | list[tuple[int, int, int]] | list[Unit | None]
NamedLayer = str | nn.Module
Layers = list[str] | list[nn.Module] | list[NamedLayer | None]
Index = tuple[int | slice, ...]
Runner = Callable[[Any, Tensor], Any]  # a function (network, images) -> outputs

MOST_PIXELS = 2**40  # of an image: torch counts bytes in 63 bits

T = TypeVar("T")
Answer = T | list[T] | dict[str, T] | dict[str, list[T]]  # of one unit or of several, of one layer or of several


class Mode(StrEnum):
    """Whether the network is put into eval mode while measuring, or left in the modes that it is in."""

    eval = "eval"
    as_is = "as_is"


ModeName = Mode | Literal["eval", "as_is"]


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        layers: Names; None is the network's output.
        units: Of each layer; None is the one in the middle.
        several_layers: Whether the answer is a dict by name.
        several_units: Whether each layer's answer is a list.
    """

    layers: tuple[str | None, ...]
    units: tuple[Unit | None, ...]
    several_layers: bool
    several_units: bool

    def answer(self, results: Sequence[Sequence[T]]) -> Answer[T]:
        """Return the result for each unit of each layer, in the shape in which it was asked for."""
        of_layer: list[Any] = [list(each) if self.several_units else each[0] for each in results]
        if self.several_layers:
            return dict(zip(self.layers, of_layer, strict=True))  # pyright: ignore[reportReturnType]  # all have names
        return of_layer[0]


def request(network: nn.Module, layer: Any, unit: Any = None) -> Request:
    """Return what these arguments of an entry point ask for.

    Raises:
        InvalidInput: A layer is neither a module of the network nor the name of one, or a list is empty.
    """
    require_type(nn.Module, network=network)
    layers = tuple(dict.fromkeys(layer_name(network, each) for each in listed(layer, "layer")))
    units = tuple(listed(unit, "unit"))
    for each in units:
        if each is not None and not isinstance(each, Sequence):
            raise InvalidInput(f"unit {shown(each)} is outside of every grid: allowed is an index along each axis")
    return Request(layers, units, isinstance(layer, list), isinstance(unit, list))


def layer_name(network: nn.Module, layer: Any) -> str | None:
    """Return the name of a layer that is given by name or as the module itself; None stays None."""
    if isinstance(layer, nn.Module):
        return _name_of(network, layer)
    if layer is not None and not isinstance(layer, str):
        raise InvalidInput(f"layer={shown(layer)}: allowed are a module or its name, a list of these, and None")
    if layer is not None:
        _check_name(network, layer)
    return layer


def module_of(network: nn.Module, name: str) -> nn.Module:
    """Return the module of that name, also of scripted networks, which have no ``get_submodule``."""
    return dict(network.named_modules(remove_duplicate=False))[name]


def _name_of(network: nn.Module, layer: nn.Module) -> str:
    for name, module in network.named_modules():
        if module is layer:
            return name
    raise InvalidInput(f"layer={shown(layer)} is not a module of this {type(network).__name__}")


def _check_name(network: nn.Module, name: str) -> None:
    names = [known for known, _ in network.named_modules(remove_duplicate=False)]
    if name not in names:
        near = difflib.get_close_matches(name, names, n=5, cutoff=0.3)
        raise InvalidInput(
            f"layer {name!r} is not in {type(network).__name__}; nearest names: {', '.join(near or names[1:6])}"
        )


def called(name: str | None) -> str:
    """Return how a message calls a layer."""
    return f"layer {name!r}" if name else "the network's output (no layer is named)"


def listed(value: Any, name: str) -> list[Any]:
    """Return a list as it is and anything else in a list of its own; refuse an empty one."""
    if isinstance(value, list) and not value:
        raise InvalidInput(f"{name}=[]: name at least one {name}")
    return value if isinstance(value, list) else [value]


def image_size(input_size: Any) -> Unit:
    """Return the sides of an image that is given by them, or by the one side of a square."""
    if is_whole(input_size):
        input_size = (input_size, input_size)
    require_whole_per_axis(input_size=input_size)
    if prod(input_size) > MOST_PIXELS:
        raise InvalidInput(f"input_size={shown(input_size)}: allowed are up to {MOST_PIXELS} pixels")
    return tuple(int(side) for side in input_size)


def checked_unit(grid: Grid, unit: Unit | None, name: str) -> Unit:
    """Return the unit of the layer ``name`` that was asked for, the middle one where none was."""
    if unit is None:
        return middle(grid)
    if grid.shape is None:
        raise InvalidInput(f"{called(name)} has no spatial axes, so no unit {shown(unit)}: leave the unit out")
    fits = isinstance(unit, Sequence) and len(unit) == len(grid.shape)
    if not (fits and all(is_whole(index) and 0 <= index < n for index, n in zip(unit, grid.shape, strict=True))):
        raise InvalidInput(
            f"unit {shown(unit)} is outside the grid of {called(name)}, which is {grid.shape}; allowed are places in it"
        )
    return tuple(unit)
