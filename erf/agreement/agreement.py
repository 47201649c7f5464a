"""Is what erf says of a network true? NaN poisoning, plain autograd and the slow ways are asked on that network."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from erf.agreement.judges import difference, edges, is_reached, outside, plain_map, slow_ways
from erf.arguments import require_type, require_values, require_whole
from erf.arguments.device import enough_memory
from erf.errors import InternalError, InvalidInput, one_line
from erf.maps.effective_field import effective_receptive_field
from erf.maps.field_check import bounded_box
from erf.maps.measured_maps import counted_channels
from erf.maps.passes import Mode, measuring
from erf.maps.statistic import choice
from erf.reachability.as_written import run_by
from erf.reachability.forward import as_taken, likely_channels
from erf.reachability.receptive_field import ReceptiveField, traced_fields
from erf.reachability.request import Layers, ModeName, NamedLayer, Runner, Unit, Units, called, image_size, request


@dataclass(frozen=True)
class Finding:
    """What one judge says of one unit.

    Attributes:
        layer: The unit's; None is the network's output.
        unit: Its index along each axis.
        judge: "outside": do pixels outside of the field's box leave the unit alone? "edges": do those at the box's
            edges reach it? "autograd": is the map that of plain autograd? "slow": that without any fast way?
        agrees: The answer; None where the question cannot be asked.
        words: The same in words.
    """

    layer: str | None
    unit: Unit
    judge: str
    agrees: bool | None
    words: str

    def __str__(self) -> str:
        """Return a line of the report."""
        answer = {True: "agrees", False: "WRONG", None: "not asked"}[self.agrees]
        return f"{answer:10}{called(self.layer)}, unit {self.unit}: {self.words}"


@dataclass(frozen=True)
class Agreement:
    """What all judges say of a network: true where some could be asked and none disagrees; it prints as a report."""

    findings: tuple[Finding, ...]

    def __post_init__(self) -> None:
        require_type(tuple, findings=self.findings)
        for finding in self.findings:
            require_type(Finding, findings=finding)

    @property
    def wrong(self) -> tuple[Finding, ...]:
        """Those that disagree."""
        return tuple(finding for finding in self.findings if finding.agrees is False)

    def __bool__(self) -> bool:
        return any(finding.agrees for finding in self.findings) and not self.wrong

    def __str__(self) -> str:
        """Return one line for each finding, and their sum."""
        asked = sum(finding.agrees is not None for finding in self.findings)
        total = f"{len(self.wrong)} of {asked} answers are wrong" if self.wrong else f"all {asked} answers agree"
        return "\n".join([*map(str, self.findings), total if asked else "nothing could be asked"])


@dataclass(frozen=True)
class _Case:
    """One unit, and all that its judges need."""

    network: nn.Module
    run: nn.Module
    image: Tensor
    layer: str | None
    field: ReceptiveField
    mode: Mode
    on_images: bool
    counted: Any
    settings: dict[str, Any]

    @property
    def size(self) -> Unit:
        return tuple(self.image.shape[2:])

    def reaches(self, pixels: Tensor) -> bool:
        with measuring(self.network, self.mode):
            return is_reached(self.run, self.image, pixels.to(self.image.device), self.layer, self.field)


def check(
    network: nn.Module,
    input_size: int | Sequence[int],
    layers: NamedLayer | Layers | None = None,
    unit: Unit | Units | None = None,
    *,
    channels: int | None = None,
    of_channels: int | Sequence[int] | None = None,
    mode: ModeName = "eval",
    call: Runner | None = None,
    seed: int = 0,
) -> Agreement:
    """Judge what erf says of units of a network by means that share nothing with it but the network.

    The network runs on one image of normal noise. Pixels outside of a unit's theoretical field become NaN: the unit
    must not. Those at an edge of the field's box do: the unit must, where the field is exact and that edge finite and
    inside the image. The influence map must be what ``torch.autograd.grad`` gives on the whole image, and what erf
    measures without crops, folded norms and cones: to 1e-10 of the peak in float64, and to a relative L2 of 1e-2
    below, where gates within rounding of 0 flip. Where they flip by more than that, a copy of the network in float64
    decides. Both get batch norm's gradients in the one order in memory that torch
    reads rightly.

    Args:
        network: Maps ``[1, channels, *input_size]`` to anything; left as it was found.
        input_size: Pixels along each of the 1, 2 or 3 spatial axes; one number is a square.
        layers: A module or its name, a list of these, or None for the network's output.
        unit: Position in the layers' outputs, a list of them, or None for the middle.
        channels: Of the input; None takes them from where the network first reads its input.
        of_channels: The input channel, or those, whose influence counts in the maps; None is all.
        mode: "eval" looks at the network in eval mode, "as_is" in the modes that it is in.
        call: As for :func:`erf.theoretical_receptive_field`.
        seed: Of the noise, and of the signs of the output channels.

    Raises:
        InvalidInput: As :func:`erf.theoretical_receptive_field`.

    >>> import erf
    >>> from torch import nn
    >>> network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3, stride=2))
    >>> agreement = erf.check(network, input_size=33)
    >>> bool(agreement)
    True
    >>> print(agreement)  # doctest: +ELLIPSIS
    agrees    the network's output (no layer is named), unit (7, 7): none of the 1064 pixels outside of its field ...
    """
    require_whole(0, seed=seed)
    require_type(nn.Module, network=network)
    require_values(network=network)
    asked, size, kind = request(network, layers, unit), image_size(input_size), choice(Mode, mode, "mode")
    with measuring(network, kind):
        run = run_by(network, call)
        channels = likely_channels(run, size)[0] if channels is None else channels
        counted = counted_channels(of_channels, channels)
        passed, fields = traced_fields(run, size, asked.layers, asked.units, channels)
        with enough_memory(f"an image of {' x '.join(map(str, size))} pixels and {channels} channels"):
            drawn = torch.randn(1, channels, *size, generator=torch.Generator().manual_seed(int(seed) % 2**63))
        image = as_taken(network, drawn)
    settings = {"call": call, "of_channels": of_channels, "mode": kind, "seed": seed}
    cases = [
        _Case(network, run, image, layer, field, kind, passed.on_images, counted, settings)
        for layer, each in zip(asked.layers, fields, strict=True)
        for field in each
    ]
    return Agreement(tuple(finding for case in cases for finding in _judged(case)))


def _judged(case: _Case) -> Iterator[Finding]:
    of_autograd = partial(_compared, expected=_plain, other="plain autograd")
    of_slow_ways = partial(_compared, expected=_slow_map, other="the slow ways")
    judges = {"outside": _outside, "edges": _edges, "autograd": of_autograd, "slow": of_slow_ways}
    for judge, question in judges.items():
        try:
            agrees, words = question(case)
        except InternalError as error:
            agrees, words = False, one_line(error)
        except (InvalidInput, RuntimeError) as error:  # as where NaN is not taken, or nothing has a gradient
            agrees, words = None, one_line(error)
        yield Finding(case.layer, case.field.unit, judge, agrees, words)


def _outside(case: _Case) -> tuple[bool | None, str]:
    if case.on_images:
        return None, "which pixels are read depends on their values, which NaN would change"
    pixels = outside(case.field.box, case.size)
    if not pixels.any():
        return None, "its field is the whole image, and no pixel lies outside"
    if case.reaches(torch.zeros_like(pixels)):
        return None, "it is NaN on noise"
    if not case.reaches(pixels):
        return True, f"none of the {int(pixels.sum())} pixels outside of its field reaches it"
    with measuring(case.network, case.mode):
        bounded = bounded_box(case.run, case.field, case.size, case.image.shape[1])
    if not case.reaches(outside(bounded, case.size)):
        return True, f"no pixel outside of its field on this bounded image, {bounded}, reaches it"
    return False, f"a pixel outside of its field's box {case.field.box} reaches it"


def _edges(case: _Case) -> tuple[bool | None, str]:
    if case.field.assumptions:
        return None, "its field may be too large, as its assumptions say"
    inside = list(edges(case.field, case.size))
    missed = [f"{place} of axis {axis}" for axis, place, pixels in inside if not case.reaches(pixels)]
    if missed:
        return False, f"the box of its field is {case.field.box}, but pixels at {', '.join(missed)} do not reach it"
    return (True, f"all {len(inside)} edges of its field reach it") if inside else (None, "its field ends nowhere")


def _plain(case: _Case) -> np.ndarray:
    with measuring(case.network, case.mode):
        return plain_map(case.run, case.image, case.layer, case.field, case.counted, case.settings["seed"])


def _slow_map(case: _Case) -> np.ndarray:
    with slow_ways():
        return _map(case)


def _map(case: _Case) -> np.ndarray:
    unit = None if case.field.grid is None else case.field.unit
    measure: Callable[..., Any] = partial(effective_receptive_field, case.network, case.image, case.layer, unit)
    return measure(**case.settings).values


def _compared(case: _Case, expected: Callable[[_Case], np.ndarray], other: str) -> tuple[bool, str]:
    """Compare two maps, and where they differ below float64 those in float64, which tells rounding from a fault."""
    other_map = expected(case)
    differs, allowed = difference(_map(case), other_map, case.image.dtype)
    words = f"its map differs from that of {other} by {differs:.1e} (allowed: {allowed:.0e})"
    if differs <= allowed or case.image.dtype == torch.float64:
        return differs <= allowed, words
    try:
        double = _in_float64(case)
        other_map = expected(double)
        differs, allowed = difference(_map(double), other_map, torch.float64)
    except (InvalidInput, RuntimeError, TypeError) as error:
        return False, f"{words}, and cannot be measured in float64: {one_line(error)}"
    return differs <= allowed, f"{words}, in float64 by {differs:.1e} (allowed: {allowed:.0e})"


def _in_float64(case: _Case) -> _Case:
    network = copy.deepcopy(case.network).double()
    return replace(case, network=network, run=run_by(network, case.settings["call"]), image=case.image.double())
