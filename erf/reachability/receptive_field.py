"""Theoretical receptive fields: which input pixels can reach a unit (recursion R1 of the paper's source)."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, overload

from torch import Tensor, nn

from erf.arguments import require_real, require_whole
from erf.errors import InvalidInput, own_faults
from erf.reachability.as_written import in_mode, run_by
from erf.reachability.box import Box, require_box
from erf.reachability.extent import Extent, clipped, extent_of
from erf.reachability.grid import Grid, grid_of
from erf.reachability.layers import Layer, layer_of, only_output, table
from erf.reachability.long_inputs import pass_to_in_short
from erf.reachability.one_sided import Side
from erf.reachability.pass_to_layers import canonical, pass_to, step_of
from erf.reachability.record import Step, Trace
from erf.reachability.request import (
    Answer,
    Layers,
    ModeName,
    NamedLayer,
    Runner,
    Unit,
    Units,
    called,
    checked_unit,
    image_size,
    layer_name,
    request,
)
from erf.spelling import OldName

Passing = Callable[[nn.Module, Unit, int | None, Collection[str], Tensor | None], Trace]


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
            unbounded image; ``math.inf`` where one operator spans the whole axis, to one side or both; in a ``local``
            field None where nothing local is left.
        jump: Per axis, input pixels between neighbouring units' ``center``; None where they are not evenly spaced.
        start: Per axis, the ``center`` of unit 0; None where ``jump`` is.
        box: Per axis, the half-open range of pixels, not clipped by the image; where size is inf, it ends with the
            image on the side that is joined whole; where it is None, it is the image itself.
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
        assumptions: Empty where the field is exact; else a sentence for each operator that ran and has no rule, and was
            taken to join all that it reads: the field is then never too small, but may be too large. And one for a
            pass on images, of which alone the field then tells.
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
    _local: ReceptiveField | None = field(default=None, repr=False, compare=False)
    _path: tuple[Step, ...] = field(default=(), repr=False, compare=False)
    _image: Unit = field(default=(), repr=False, compare=False)

    def __post_init__(self) -> None:
        require_box(len(self.size), box=self.box)
        sizes = [size for size in self.size if size is not None]
        require_real(lambda side: side > 0, "numbers above 0", **_named("size", sizes))
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

    @property
    def local(self) -> ReceptiveField:
        """The field with all that spans the image held constant; this one itself where nothing does.

        Norms then act position by position, and what gates and attention mix in is a constant. Its ``size`` is None
        along an axis where nothing local is left, as after global pooling.
        """
        return self if self._local is None else self._local

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The rows of all layers that have run when this one has, in the order of their calls, this one last."""
        return tuple(layer_of(step, self._image) for step in self._path if step.leaf or step is self._path[-1])

    @property
    def calls(self) -> tuple[Layer, ...]:
        """The rows of all calls of modules until this one, those that hold other modules included."""
        return tuple(layer_of(step, self._image) for step in self._path)

    @property
    def first_larger_than_input(self) -> Layer | None:
        """The first layer whose field exceeds the input along some axis; None if none does."""
        larger = (layer for layer in self.layers if any(map(operator.gt, layer.size, self._image)))
        return next(larger, None)

    def table(self) -> str:
        """Return the rows of :attr:`layers`; local sizes stand beside infinite ones."""
        return table(self.layers)


@overload
def theoretical_receptive_field(
    network: nn.Module, input_size: int | Sequence[int], layer: NamedLayer | None = None, unit: Unit | None = None,
    *, channels: int | None = None, mode: ModeName = "eval", call: Runner | None = None,
) -> ReceptiveField: ...  # fmt: skip
@overload
def theoretical_receptive_field(
    network: nn.Module, input_size: int | Sequence[int], layer: NamedLayer | None = None, *, unit: Units,
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
    layer: NamedLayer | Layers | None = None,
    unit: Unit | Units | None = None,
    *,
    channels: int | None = None,
    mode: ModeName = "eval",
    call: Runner | None = None,
) -> Answer[ReceptiveField]:
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
            unit lies outside; or if the network decides by values.

    >>> import erf
    >>> from torch import nn
    >>> network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3, stride=2))
    >>> trf = erf.theoretical_receptive_field(network, input_size=33)
    >>> trf.size, trf.jump, trf.unit, trf.box
    ((5, 5), (2, 2), (7, 7), ((14, 19), (14, 19)))
    """
    asked = request(network, layer, unit)
    with in_mode(network, mode):
        run, size = run_by(network, call), image_size(input_size)
        _, fields = traced_fields(run, size, asked.layers, asked.units, channels, pass_by=pass_to_in_short)
    return asked.answer(fields)


def traced_fields(
    network: nn.Module,
    size: Unit,
    layers: Sequence[str | None],
    units: Sequence[Unit | None],
    channels: int | None = None,
    images: Tensor | None = None,
    pass_by: Passing = pass_to,
) -> tuple[Trace, list[list[ReceptiveField]]]:
    """Return the pass, and the fields of each unit of each layer that it shows.

    Args:
        network: As it is looked at, see :func:`erf.reachability.as_written.run_by`.
        size: Of the image, per axis.
        layers: Names; None is the network's output.
        units: Of each layer; None is the one in the middle.
        channels: Of the image; None looks for them.
        images: Two of them, on which to run a network that needs values; None is noise.
        pass_by: What finds the pass.
    """
    if channels is not None:
        require_whole(channels=channels)
    needed = {canonical(network, layer_name(network, name) or "") for name in layers}
    passed = pass_by(network, size, channels, needed, images)
    fields = []
    for name in layers:
        with own_faults(called(name)):
            fields.append(_fields(network, passed, size, name or "", units))
    return passed, fields


def _fields(
    network: nn.Module, passed: Trace, size: Unit, name: str, units: Sequence[Unit | None]
) -> list[ReceptiveField]:
    step = step_of(network, passed, name)
    path = tuple(passed.steps[: passed.steps.index(step) + 1])
    try:
        output = only_output(step)
        if 0 in output[0].shape:
            raise InvalidInput(f"its output on an image of {list(size)} pixels is empty")
        grid = grid_of(output)
    except InvalidInput as error:
        raise InvalidInput(f"{called(name)} has no units to look at: {error}") from None
    return [_field(grid, size, checked_unit(grid, unit, name), passed, path) for unit in units]


def _field(grid: Grid, size: Unit, unit: Unit, passed: Trace, path: tuple[Step, ...]) -> ReceptiveField:
    sides = tuple(grid.side(axis, unit, n) for axis, n in enumerate(size))
    extents = [extent_of(grid, axis, unit, side, size[axis]) for axis, side in enumerate(sides)]
    owners = [passed.operators[e.operator] or passed.network if e.operator is not None else None for e in extents]
    box = tuple(e.box for e in extents)
    known = ReceptiveField(
        size=tuple(e.size for e in extents),
        jump=tuple(e.jump for e in extents),
        start=tuple(e.start for e in extents),
        box=box,
        clipped=clipped(grid, box, size, [e.operator is None for e in extents]),
        spanned_by=tuple(owners),
        unit=unit,
        grid=grid.shape,
        index=(slice(None),) if grid.shape is None else grid.index(unit),
        one_sided=sides,
        center=tuple(e.center for e in extents),
        assumptions=passed.assumed(path[-1].operations),
        _path=path,
        _image=size,
    )
    return known if all(e.operator is None for e in extents) else replace(known, _local=_local(known, grid, extents))


def _local(known: ReceptiveField, grid: Grid, extents: Sequence[Extent]) -> ReceptiveField:
    """Return the field with all that spans the image held constant."""
    box = tuple(e.local or (0, n) for e, n in zip(extents, known._image, strict=True))
    return replace(
        known,
        size=tuple(e.local_size for e in extents),
        box=box,
        clipped=clipped(grid, box, known._image, [e.local is not None for e in extents]),
        spanned_by=(None,) * len(extents),
    )


def _named(name: str, values: Sequence[Any]) -> dict[str, Any]:
    return {f"{name}[{index}]": value for index, value in enumerate(values)}
