"""Theoretical receptive fields: which input pixels can reach a unit (recursion R1 of the paper's source)."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, ClassVar, overload

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from erf.arguments import is_whole, require_real, require_whole, shown
from erf.errors import InvalidInput, own_faults
from erf.reachability.as_written import is_scripted, modes_of, put_into_eval_mode, run_by
from erf.reachability.forward import likely_channels, noise, traced
from erf.reachability.grid import Grid, grid_of
from erf.reachability.one_sided import Side
from erf.reachability.record import Assumption, Step, Trace
from erf.reachability.request import (
    Layer,
    Layers,
    ModeName,
    Runner,
    Unit,
    Units,
    called,
    image_size,
    is_unit,
    layer_name,
    module_of,
    request,
)
from erf.spelling import OldName

Box = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class ReceptiveField:
    r"""The theoretical receptive field (TRF) of one unit.

    A layer with kernel size k, stride s, dilation d and padding p on top of it gives

    .. math:: size' = size + (k - 1)\, d\, jump, \quad jump' = s\, jump, \quad
              start' = start + \left(\frac{(k - 1)\, d}{2} - p\right) jump

    The definitions are those of Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural Networks",
    Distill 2019, but for *start* where the field is one-sided: it is where unit 0 stands. Which weights are zero, or
    what an attention mask hides, is not looked at.

    Attributes:
        size: Per axis, side in input pixels of the hull, holes included, of all pixels that can reach the unit on an
            unbounded image; ``math.inf`` where one operator spans the whole axis.
        jump: Per axis, input pixels between neighbouring units' ``center``; None where they are not evenly spaced.
        start: Per axis, the ``center`` of unit 0; None where ``jump`` is.
        box: Per axis, the half-open range of pixels, not clipped by the image; the image itself where size is inf.
        clipped: Per axis, whether the box leaves the image, or is cut off because nothing is known beyond the border.
        spanned_by: Per axis, the first module that spans it whole; None where the size is finite.
        unit: The unit, by its index along each axis.
        grid: The layer's units along each axis; None where the layer has no spatial axes.
        index: Of the unit in the layer's output ``[N, ...]``, whatever its layout: ``output[index]`` holds the images
            and the unit's channels.
        one_sided: Per axis, the end of their fields at which the layer's units stand, "first" or "last", where the
            network looks to one side only, as causal ones do; None elsewhere.
        center: Per axis, where the unit stands; pixel centers are integers. It is the center of the box; where the
            field is one-sided, the end at which the unit stands; along an axis that is spanned whole,
            ``start + unit * jump`` if they are known.
        assumptions: What the field takes for granted, one sentence each; empty where it is exact.
    """

    size: tuple[float, ...]
    jump: tuple[float | None, ...]
    start: tuple[float | None, ...]
    box: Box
    clipped: tuple[bool, ...]
    spanned_by: tuple[str | None, ...]
    unit: Unit
    grid: Unit | None
    index: tuple[int | slice, ...]
    one_sided: tuple[Side | None, ...]
    center: tuple[float, ...]
    assumptions: tuple[str, ...] = ()
    centre: ClassVar[OldName] = OldName("center")
    _path: tuple[Step, ...] = field(default=(), repr=False, compare=False)
    _image: Unit = field(default=(), repr=False, compare=False)

    def __post_init__(self) -> None:
        require_box(len(self.size), box=self.box)
        require_real(lambda side: side > 0, "numbers above 0", **_named("size", self.size))
        for name in ("jump", "start"):
            known = [value for value in getattr(self, name) if value is not None]
            require_real(math.isfinite, "finite numbers, and None", **_named(name, known))
        require_real(math.isfinite, "finite numbers", **_named("center", self.center))

    @property
    def modules(self) -> tuple[str, ...]:
        """The names of the modules that have run when the layer has, in the order of their calls."""
        return tuple(step.name for step in self._path)

    @property
    def step(self) -> Step:
        """The layer's call in the pass without data that the field was read from."""
        return self._path[-1]

    def table(self) -> str:
        """Return the recursion layer by layer, in the order of the calls, up to this layer's own line.

        A layer's size is that of its middle unit; layers without rows and columns have none.
        """
        lines = [("layer", "type", "size", "jump", "start"), *(_line(step, self._image) for step in self._lines())]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)

    def _lines(self) -> tuple[Step, ...]:
        return tuple(step for step in self._path if step.leaf or step is self._path[-1])


@overload
def theoretical_receptive_field(
    network: nn.Module, input_size: int | Sequence[int], layer: Layer | None = None, unit: Unit | None = None,
    *, channels: int | None = None, mode: ModeName = "eval", call: Runner | None = None,
) -> ReceptiveField: ...  # fmt: skip
@overload
def theoretical_receptive_field(
    network: nn.Module, input_size: int | Sequence[int], layer: Layer | None = None, *, unit: Units,
    channels: int | None = None, mode: ModeName = "eval", call: Runner | None = None,
) -> list[ReceptiveField]: ...  # fmt: skip
@overload
def theoretical_receptive_field(
    network: nn.Module, input_size: int | Sequence[int], layer: Layers, unit: Unit | None = None,
    *, channels: int | None = None, mode: ModeName = "eval", call: Runner | None = None,
) -> dict[str, ReceptiveField]: ...  # fmt: skip
@overload
def theoretical_receptive_field(
    network: nn.Module, input_size: int | Sequence[int], layer: Layers, unit: Units,
    *, channels: int | None = None, mode: ModeName = "eval", call: Runner | None = None,
) -> dict[str, list[ReceptiveField]]: ...  # fmt: skip
def theoretical_receptive_field(
    network: nn.Module,
    input_size: int | Sequence[int],
    layer: Layer | Layers | None = None,
    unit: Unit | Units | None = None,
    *,
    channels: int | None = None,
    mode: ModeName = "eval",
    call: Runner | None = None,
) -> Any:
    """Return the theoretical receptive field (TRF) of any network's units, by one forward pass without data.

    Every tensor of the pass carries, for each of its positions, the box of input pixels that can reach it; each
    operator joins boxes as it joins values. Padding continues the pattern of the boxes, so it does not clip them.

    Args:
        network: Maps ``[N, channels, *input_size]`` to anything. Not modified.
        input_size: Extent of each of the 1, 2 or 3 spatial axes, in pixels; one number is a square.
        layer: A module or its name; a list of these (the result is a dict by name); None is the network's own output.
        unit: Position in the layer's output, per axis; a list of them (the result is a list); None is the middle,
            ``(H' // 2, W' // 2)``.
        channels: Of the input; None takes them from where the network first reads its input.
        mode: "eval" looks at the network in eval mode, "as_is" in the modes that it is in.
        call: A function ``(network, images) -> outputs`` that runs a network with several inputs, or prepares them, or
            chooses one of several outputs; None is ``network(images)``. With it, layer None is what it returns.

    Raises:
        InvalidInput: If a layer is unknown, does not run once, or has several outputs or no rows and columns; if the
            unit lies outside; if an operator has no rule, or the network decides by values.
    """
    asked = request(network, layer, unit)
    with in_mode(network, mode):
        _, fields = traced_fields(run_by(network, call), image_size(input_size), asked.layers, asked.units, channels)
    return asked.answer(fields)


def traced_fields(
    network: nn.Module,
    size: Unit,
    layers: Sequence[str | None],
    units: Sequence[Unit | None],
    channels: int | None = None,
    images: Tensor | None = None,
) -> tuple[Trace, list[list[ReceptiveField]]]:
    """Return the pass, and the fields of each unit of each layer that it shows.

    Args:
        network: As it is looked at, see :func:`erf.reachability.as_written.run_by`.
        size: Of the image, per axis.
        layers: Names; None is the network's output.
        units: Of each layer; None is the one in the middle.
        channels: Of the image; None looks for them.
        images: Two of them, on which to run a network that needs values; None is noise.
    """
    if channels is not None:
        require_whole(channels=channels)
    needed = {_canonical(network, layer_name(network, name) or "") for name in layers}
    passed = _pass_to(network, size, channels, needed, images)
    fields = []
    for name in layers:
        with own_faults(called(name)):
            fields.append(_fields(network, passed, size, name or "", units))
    return passed, fields


def _pass_to(
    network: nn.Module, size: Unit, channels: int | None, needed: Collection[str], images: Tensor | None
) -> Trace:
    """Return a pass without data up to the needed modules at least, or one on images where they need values."""
    if channels is None:
        return _pass_of_some_channels(network, size, needed, images)
    try:
        return traced(network, size, channels, needed=needed)
    except InvalidInput as error:
        if any(tensor.is_meta or is_lazy(tensor) for tensor in chain(network.parameters(), network.buffers())):
            raise
        cause = error
    try:
        given = noise(network, channels, size) if images is None else images
        passed = traced(network, size, channels, needed=needed, images=given)
    except InvalidInput as error:
        raise (error if is_scripted(network) else cause) from error
    which = "noise" if images is None else "the first images"
    passed.on_images = True
    passed.assumptions.append(Assumption(0, f"the field is that of {which}, as the network needs values: {cause}"))
    return passed


def _pass_of_some_channels(network: nn.Module, size: Unit, needed: Collection[str], images: Tensor | None) -> Trace:
    """Return a pass of an image of as many channels as the network first reads, or usual ones if that is not known."""
    first, *others = likely_channels(network, size)
    try:
        return _pass_to(network, size, first, needed, images)
    except InvalidInput:
        for channels in others:
            with suppress(InvalidInput):
                return _pass_to(network, size, channels, needed, images)
        raise


def _fields(
    network: nn.Module, passed: Trace, size: Unit, name: str, units: Sequence[Unit | None]
) -> list[ReceptiveField]:
    step = _step_of(network, passed, name)
    path = tuple(passed.steps[: passed.steps.index(step) + 1])
    try:
        output = _only_output(step)
        if 0 in output[0].shape:
            raise InvalidInput(f"its output on an image of {list(size)} pixels is empty")
        grid = grid_of(output)
    except InvalidInput as error:
        raise InvalidInput(f"{called(name)} has no units to look at: {error}") from None
    spanning = [owner or type(network).__name__ for owner in passed.operators]
    assumed = passed.assumed(step.operations)
    return [_field(grid, size, _checked_unit(grid, unit, name), spanning, path, assumed) for unit in units]


def _field(
    grid: Grid, size: Unit, unit: Unit, spanning: list[str], path: tuple[Step, ...], assumed: tuple[str, ...]
) -> ReceptiveField:
    sides = tuple(grid.side(axis, unit, n) for axis, n in enumerate(size))
    extents = [_extent(grid, axis, unit, side) for axis, side in enumerate(sides)]
    names = [spanning[int(e.operator)] if e.operator is not None else None for e in extents]
    box = tuple((0, n) if e.operator is not None else (e.first, e.end) for e, n in zip(extents, size, strict=True))
    leaves = [low < 0 or high > n for (low, high), n in zip(box, size, strict=True)]
    cut = [e.operator is None and not exact for e, exact in zip(extents, grid.exact, strict=True)]
    return ReceptiveField(
        size=tuple(e.size for e in extents),
        jump=tuple(e.jump for e in extents),
        start=tuple(e.start for e in extents),
        box=box,
        clipped=tuple(a or b for a, b in zip(leaves, cut, strict=True)),
        spanned_by=tuple(names),
        unit=unit,
        grid=grid.shape,
        index=(slice(None),) if grid.shape is None else grid.index(unit),
        one_sided=sides,
        center=tuple(_place(grid, axis, unit, side, box[axis]) for axis, side in enumerate(sides)),
        assumptions=assumed,
        _path=path,
        _image=size,
    )


def _place(grid: Grid, axis: int, unit: Unit, side: Side | None, box: tuple[int, int]) -> float:
    """Return where a unit stands along an axis, ``box`` being its field's; the grid's own box is the local one."""
    first, minus_last, operator = grid.box(axis, unit)
    spacing = grid.spacing(axis, unit, side)
    if side is not None:
        return float(first if side is Side.first else 0 - minus_last)
    if np.isfinite(operator) and spacing is not None:
        jump, start = spacing
        return start + unit[axis] * jump
    return (box[0] + box[1] - 1) / 2


@dataclass(frozen=True)
class _Extent:
    """A unit along one axis; ``operator`` is the number of the one that spanned the axis."""

    first: int
    end: int
    operator: int | None
    jump: float | None
    start: float | None

    @property
    def size(self) -> float:
        return self.end - self.first if self.operator is None else math.inf


def _extent(grid: Grid, axis: int, unit: Unit, side: Side | None) -> _Extent:
    first, last, operator = grid.box(axis, unit)
    jump, start = grid.spacing(axis, unit, side) or (None, None)
    jump = None if jump is None else _whole(jump)
    if np.isfinite(operator):
        return _Extent(0, 0, int(operator), jump, start)
    if not np.isfinite(first):
        raise InvalidInput(f"no input pixel reaches unit {unit}")
    return _Extent(int(first), int(1 - last), None, jump, start)


def _whole(value: float) -> float:
    return int(value) if value == int(value) else value


def _line(step: Step, size: Unit) -> tuple[str, ...]:
    """One line of the table."""
    try:
        grid = grid_of(_only_output(step))
        unit = _middle(grid)
        extents = [_extent(grid, axis, unit, grid.side(axis, unit, n)) for axis, n in enumerate(size)]
    except InvalidInput:
        return step.name, step.kind, "-", "-", "-"
    columns = [e.size for e in extents], [e.jump for e in extents], [e.start for e in extents]
    return step.name, step.kind, *(_per_axis(column) for column in columns)


def _per_axis(values: Sequence[float | None]) -> str:
    """Write what is equal on all axes once."""
    texts = ["-" if value is None else f"{value:g}" for value in values]
    return texts[0] if len(set(texts)) == 1 else " x ".join(texts)


def _middle(grid: Grid) -> Unit:
    return tuple(n // 2 for n in grid.shape or (1,) * len(grid.boxes))


def _checked_unit(grid: Grid, unit: Unit | None, name: str) -> Unit:
    if unit is None:
        return _middle(grid)
    if grid.shape is None:
        raise InvalidInput(f"{called(name)} has no spatial axes, so no unit {unit}: leave the unit out")
    if not is_unit(unit, grid.shape):
        raise InvalidInput(
            f"unit {unit} is outside the grid of {called(name)}, which is {grid.shape}; allowed are places in it"
        )
    return tuple(unit)


def require_box(axes: int, **boxes: Box) -> None:
    """Raise InvalidInput unless every box has a half-open range of whole numbers for each axis."""
    for name, box in boxes.items():
        try:
            ranges = [tuple(side) for side in box]
        except TypeError:
            ranges = [()]
        if len(ranges) != axes or not all(map(_is_range, ranges)):
            allowed = f"ranges (first, end) of whole numbers, one for each of {axes} axes"
            raise InvalidInput(f"{name}={shown(box)}: allowed are {allowed}")


def _is_range(side: tuple[Any, ...]) -> bool:
    return len(side) == 2 and all(map(is_whole, side)) and side[0] < side[1]


def _named(name: str, values: Sequence[Any]) -> dict[str, Any]:
    return {f"{name}[{index}]": value for index, value in enumerate(values)}


def _step_of(network: nn.Module, passed: Trace, name: str) -> Step:
    """Return the one call of the named module."""
    calls = [step for step in passed.steps if step.name == _canonical(network, name)]
    if not calls and isinstance(module_of(network, name), torch.jit.ScriptModule):
        raise InvalidInput(
            f"{called(name)} is inside of a scripted or traced module: give the module that it was made from"
        )
    if len(calls) != 1:
        raise InvalidInput(f"{called(name)} runs {len(calls)} times in one pass: name one that runs once")
    return calls[0]


def _canonical(network: nn.Module, name: str) -> str:
    """Return the first name of a module that may have several."""
    module = module_of(network, name)
    return next(other for other, candidate in network.named_modules() if candidate is module)


def _only_output(step: Step) -> tuple:
    if len(step.outputs) != 1:
        raise InvalidInput(f"{called(step.name)} has {len(step.outputs)} outputs: name a layer that has one")
    return step.outputs[0]


@contextmanager
def in_mode(network: nn.Module, mode: str) -> Iterator[None]:
    """Run in eval mode, or as it is, and put every module's attributes back: modes, and whatever a forward notes."""
    if mode not in ("eval", "as_is"):
        raise InvalidInput(f"mode is 'eval' or 'as_is', not {mode!r}")
    attributes = {module: dict(module.__dict__) for module in network.modules()}
    modes = modes_of(network)
    try:
        if mode == "eval":
            put_into_eval_mode(network)
        yield
    finally:
        for module, before in attributes.items():
            module.__dict__.clear()
            module.__dict__.update(before)
        for module, training in modes.items():  # scripted modules keep it elsewhere
            module.training = training
