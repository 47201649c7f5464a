"""Theoretical receptive fields: which input pixels can reach a unit (the recursion R1 that the paper builds on)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, overload

from torch import nn

from erf.errors import InvalidInput

Unit = tuple[int, ...]
Box = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Window:
    """What one unit of a layer reads of the layer's input; one entry per spatial axis, as in torch."""

    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: tuple[int, ...]


@dataclass(frozen=True)
class ReceptiveField:
    r"""The theoretical receptive field (TRF) of a layer's units, and of one of them.

    A window of kernel size k, stride s, dilation d and padding p on top of a field gives

    .. math:: size' = size + (k - 1)\, d\, jump, \quad jump' = s\, jump, \quad
              start' = start + \left(\frac{(k - 1)\, d}{2} - p\right) jump

    Attributes:
        size: Per axis, side in pixels of the hull of all pixels that can reach a unit on an unbounded image.
        jump: Per axis, pixels between the centres of neighbouring units.
        start: Per axis, input coordinate of the centre of unit 0.
        unit: The unit that box and clipped are of, by its index along each axis.
        box: Per axis, the half-open range of pixels that can reach the unit, not clipped by the image.
        clipped: Per axis, whether the box leaves the image.
        below: The layer that it is of, by name, on the field of its input; None for the image's own pixels.
    """

    size: tuple[float, ...]
    jump: tuple[float, ...]
    start: tuple[float, ...]
    unit: Unit = ()
    box: Box = ()
    clipped: tuple[bool, ...] = ()
    below: tuple[str, ReceptiveField] | None = None

    @property
    def centre(self) -> tuple[float, ...]:
        """Per axis, the centre of the unit's box; pixel centres are integers."""
        return tuple((low + high - 1) / 2 for low, high in self.box)

    def through(self, window: Window) -> ReceptiveField:
        """Return the field of units that read ``window`` of the units of this one."""
        reach = [(k - 1) * d for k, d in zip(window.kernel_size, window.dilation, strict=True)]
        return ReceptiveField(
            size=tuple(size + r * j for size, r, j in zip(self.size, reach, self.jump, strict=True)),
            jump=tuple(j * s for j, s in zip(self.jump, window.stride, strict=True)),
            start=tuple(
                start + (r / 2 - p) * j
                for start, r, p, j in zip(self.start, reach, window.padding, self.jump, strict=True)
            ),
        )

    def of_unit(self, unit: Unit, input_size: tuple[int, ...]) -> ReceptiveField:
        """Return this field with the box of ``unit`` in an image of ``input_size``."""
        centres = [start + index * jump for start, index, jump in zip(self.start, unit, self.jump, strict=True)]
        box = tuple(
            (round(c - (size - 1) / 2), round(c + (size + 1) / 2)) for c, size in zip(centres, self.size, strict=True)
        )
        clipped = tuple(low < 0 or high > side for (low, high), side in zip(box, input_size, strict=True))
        return replace(self, unit=unit, box=box, clipped=clipped)

    def table(self) -> str:
        """Return the recursion as text: name, size, jump and start of each layer, the first layer first."""
        rows: list[tuple[str, ...]] = [("layer", "size", "jump", "start")]
        field = self
        while field.below is not None:
            name, below = field.below
            rows.insert(1, (name, *(_short(getattr(field, key)) for key in ("size", "jump", "start"))))
            field = below
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


@overload
def theoretical_receptive_field(
    network: nn.Module, input_size: tuple[int, ...], layer: str | None = None, unit: Unit | None = None
) -> ReceptiveField: ...
@overload
def theoretical_receptive_field(
    network: nn.Module, input_size: tuple[int, ...], layer: str | None = None, *, unit: list[Unit]
) -> list[ReceptiveField]: ...
@overload
def theoretical_receptive_field(
    network: nn.Module, input_size: tuple[int, ...], layer: list[str], unit: Unit | None = None
) -> dict[str, ReceptiveField]: ...
@overload
def theoretical_receptive_field(
    network: nn.Module, input_size: tuple[int, ...], layer: list[str], unit: list[Unit]
) -> dict[str, list[ReceptiveField]]: ...
def theoretical_receptive_field(
    network: nn.Module,
    input_size: tuple[int, ...],
    layer: str | list[str] | None = None,
    unit: Unit | list[Unit] | None = None,
) -> Any:
    """Return the theoretical receptive field of units of a network.

    Args:
        network: A Sequential (or one layer) of convolutions, max or average poolings and pointwise layers: activations,
            dropout and batch norm, which is pointwise in eval mode. Nested Sequentials are allowed.
        input_size: The image's (height, width), in pixels; one entry per spatial axis.
        layer: The name of a module, a list of names, or None for the network's output.
        unit: A (row, column) of the layer's grid, a list of them, or None for (H'//2, W'//2).

    Returns:
        A ReceptiveField; a dict of them by name for a list of layers; lists of them for a list of units.

    Raises:
        InvalidInput: The layer is unknown, a layer has no rule or does not fit the image, or the unit is outside.
    """
    if isinstance(layer, list):
        return {name: _of_layer(network, input_size, name, unit) for name in layer}
    return _of_layer(network, input_size, layer, unit)


def _of_layer(
    network: nn.Module, input_size: tuple[int, ...], layer: str | None, unit: Unit | list[Unit] | None
) -> Any:
    field, grid = _field_and_grid(network, tuple(input_size), layer)
    if isinstance(unit, list):
        return [_placed(field, grid, one, input_size) for one in unit]
    return _placed(field, grid, unit or tuple(side // 2 for side in grid), input_size)


def check_unit(unit: Unit, grid: tuple[int, ...]) -> None:
    """Raise InvalidInput unless ``unit`` lies in a layer's grid of units."""
    if len(unit) != len(grid) or any(not 0 <= index < side for index, side in zip(unit, grid, strict=True)):
        raise InvalidInput(f"unit={unit} is outside the layer's grid of {' x '.join(map(str, grid))} units")


def _placed(field: ReceptiveField, grid: tuple[int, ...], unit: Unit, input_size: tuple[int, ...]) -> ReceptiveField:
    check_unit(unit, grid)
    return field.of_unit(unit, input_size)


def _field_and_grid(
    network: nn.Module, input_size: tuple[int, ...], layer: str | None
) -> tuple[ReceptiveField, tuple[int, ...]]:
    axes = len(input_size)
    field, grid = ReceptiveField((1,) * axes, (1,) * axes, (0,) * axes), input_size
    for name, module in _leaves_up_to(network, layer):
        window = _window(name, module, axes)
        grid = _output_size(name, module, window, grid)
        field = replace(field.through(window), below=(name, field))
    return field, grid


def _leaves_up_to(network: nn.Module, layer: str | None) -> list[tuple[str, nn.Module]]:
    leaves = list(_leaves("", network))
    if layer is None:
        return leaves
    inside = [i for i, (name, _) in enumerate(leaves) if name == layer or name.startswith(f"{layer}.")]
    if not inside:
        names = [name for name, _ in network.named_modules() if name]
        near = get_close_matches(layer, names) or names
        raise InvalidInput(f"layer={layer!r} is not in the network; nearest names: {', '.join(near[:5])}")
    return leaves[: inside[-1] + 1]


def _leaves(name: str, module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    if not isinstance(module, nn.Sequential) or type(module).forward is not nn.Sequential.forward:
        yield name or "network", module
        return
    for child_name, child in module._modules.items():  # named_children leaves out a module's second use
        assert child is not None
        yield from _leaves(f"{name}.{child_name}" if name else child_name, child)


_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_MAX_POOLS = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
_AVERAGE_POOLS = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
_POINTWISE = (
    *(nn.Identity, nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish),
    *(nn.Hardtanh, nn.Hardswish, nn.Hardsigmoid, nn.Tanh, nn.Sigmoid, nn.Softplus, nn.Softsign),
    *(nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout),
    *(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d),
)


def _window(name: str, module: nn.Module, axes: int) -> Window:
    if isinstance(module, _POINTWISE):
        return Window((1,) * axes, (1,) * axes, (1,) * axes, (0,) * axes)
    if isinstance(module, (*_CONVOLUTIONS, *_MAX_POOLS, *_AVERAGE_POOLS)):
        settings = (module.kernel_size, module.stride, getattr(module, "dilation", 1), module.padding)
        if isinstance(module.padding, str):
            raise InvalidInput(f"layer {name!r}: padding={module.padding!r} is not supported; give numbers")
        if getattr(module, "padding_mode", "zeros") != "zeros":
            raise InvalidInput(f"layer {name!r}: padding_mode={module.padding_mode!r} is not supported; use zeros")
        return Window(*(_per_axis(value, axes, name) for value in settings))
    raise InvalidInput(f"layer {name!r}: no rule for the receptive field of {type(module).__name__}")


def _per_axis(value: Any, axes: int, name: str) -> tuple[int, ...]:
    values = (value,) * axes if isinstance(value, int) else tuple(value)
    if len(values) != axes:
        raise InvalidInput(f"layer {name!r} has {len(values)} spatial axes, the image {axes}")
    return values


def _output_size(name: str, module: nn.Module, window: Window, grid: tuple[int, ...]) -> tuple[int, ...]:
    ceil = getattr(module, "ceil_mode", False)
    sides = []
    for side, k, s, d, p in zip(grid, window.kernel_size, window.stride, window.dilation, window.padding, strict=True):
        room = side + 2 * p - (k - 1) * d - 1
        least = 1 - s if ceil else 0
        if room < least:
            raise InvalidInput(
                f"layer {name!r} needs an input of at least {side + least - room} units along an axis, not {side}"
            )
        steps = -(-room // s) if ceil else room // s
        # torch drops a last window that would start in the padding below the image.
        sides.append(steps + (not (ceil and steps * s >= side + p)))
    return tuple(sides)


def _short(values: tuple[float, ...]) -> str:
    texts = [f"{value:g}" for value in values]
    return texts[0] if len(set(texts)) == 1 else " x ".join(texts)
