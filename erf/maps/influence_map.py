"""Influence maps: the influence of every input pixel on one unit, over runs and images (section 2 of the paper)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from erf.arguments import real_array, require_real, require_type, require_whole, shown
from erf.errors import InvalidInput
from erf.maps.aggregation import Aggregation, require_aggregation
from erf.maps.precision import Precision
from erf.maps.statistic import Statistic, StatisticName, choice, set_choices
from erf.reachability.box import Box, require_box
from erf.spelling import OldName

_UNSEEN = ": what lies outside cannot be measured, though the ERF may lie inside"
_MOVED = "the map was moved, and its field leaves the image it was measured on: what lay outside counts as 0"


@dataclass(frozen=True, eq=False)
class InfluenceMap:
    """The influence of every input pixel on one unit, by a named statistic over samples.

    Attributes:
        values: ``[H, W]`` float64 (one dimension per spatial axis); >= 0 except for ``signed_mean``.
        statistic: How the samples became one value per pixel.
        center: Where the unit stands in the map's coordinates, in pixels: the center of its TRF; along an axis where
            the field is one-sided, as a causal network's, the end at which the unit stands; along one that is spanned
            whole ``start + unit * jump``. Pixel centers are integers.
        trf_box: Per axis, the half-open range of the unit's TRF in the map's coordinates, not clipped.
        samples: Images (or runs) in the map; ``math.inf`` for exact theory.
        skipped: Images (or runs) whose influence was 0 everywhere; left out.
        origin: Input coordinate of ``values[0, 0]``.
        aggregation: How output channels were combined: "random_sign", "sum" or a channel's index.
        normalized: Whether each run's moments were divided by their sum before averaging.
        findings: What the map alone does not show of the network, one sentence each.
        jump: Per axis, the pixels between neighbouring units; None where they are not evenly spaced or it is not known.
        precision: "bfloat16" where the network was run so; "as_is" in its own.

    Raises:
        InvalidInput: A value is not a finite real number, or an attribute does not have an entry for each axis.
    """

    values: np.ndarray
    statistic: Statistic
    center: tuple[float, ...]
    trf_box: Box
    samples: float
    skipped: int = 0
    origin: tuple[int, ...] = ()
    aggregation: Aggregation = "random_sign"
    normalized: bool = False
    findings: tuple[str, ...] = ()
    jump: tuple[float | None, ...] = ()
    precision: Precision = Precision.as_is
    centre: ClassVar[OldName] = OldName("center")

    def __post_init__(self) -> None:
        values = real_array(self.values, "values").astype(np.float64, copy=False)
        if not values.size or not values.ndim:
            raise InvalidInput(f"values must have an entry and a dimension for each axis, not shape {values.shape}")
        object.__setattr__(self, "values", values)
        set_choices(self, statistic=Statistic, precision=Precision)
        require_box(values.ndim, trf_box=self.trf_box)
        object.__setattr__(self, "trf_box", tuple((int(first), int(end)) for first, end in self.trf_box))
        object.__setattr__(self, "center", self._numbers("center", float))
        object.__setattr__(
            self, "origin", (0,) * values.ndim if is_left_out(self.origin) else self._numbers("origin", int)
        )
        object.__setattr__(self, "jump", self._jumps() or (None,) * values.ndim)
        require_aggregation(self.aggregation)
        require_type(bool, normalized=self.normalized)
        require_real(lambda samples: samples >= 0, "numbers from 0", samples=self.samples)
        require_whole(0, skipped=self.skipped)
        require_type(tuple, findings=self.findings)
        for finding in self.findings:
            require_type(str, findings=finding)

    def _numbers(self, name: str, kind: type[float] | type[int]) -> tuple[Any, ...]:
        """Return an attribute, a number of that kind for each axis, as a tuple."""
        given = getattr(self, name)
        numbers = real_array(given, name)
        if numbers.shape != (self.values.ndim,) or (numbers != numbers.astype(kind)).any():
            whole = "whole " if kind is int else ""
            raise InvalidInput(f"{name}={shown(given)}: allowed is a {whole}number for each of {self.values.ndim} axes")
        return tuple(map(kind, numbers))

    def _jumps(self) -> tuple[float | None, ...]:
        """Return the jump, a number or None for each axis, as a tuple."""
        jumps = tuple(self.jump) if isinstance(self.jump, tuple | list) else (math.nan,)
        if len(jumps) not in (0, self.values.ndim):
            allowed = f"a number or None for each of {self.values.ndim} axes"
            raise InvalidInput(f"jump={shown(self.jump)}: allowed is {allowed}")
        for jump in jumps:
            if jump is not None:
                require_real(math.isfinite, "finite numbers, and None", jump=jump)
        return jumps

    @property
    def trf_size(self) -> tuple[int, ...]:
        """Per axis, the side of the unit's TRF in pixels."""
        return tuple(stop - start for start, stop in self.trf_box)

    @property
    def clipped(self) -> tuple[bool, ...]:
        """Per axis, whether the TRF leaves the map."""
        return tuple(
            start < 0 or stop > side for (start, stop), side in zip(self.trf_box, self.values.shape, strict=True)
        )

    @property
    def diagnostics(self) -> tuple[str, ...]:
        """What the reader must know about this map, one sentence each; empty if there is nothing."""
        size, image = (" x ".join(map(str, sides)) for sides in (self.trf_size, self.values.shape))
        total = self.samples + self.skipped
        sentences = []
        if any(trf > side for trf, side in zip(self.trf_size, self.values.shape, strict=True)):
            sentences.append(f"the TRF ({size} pixels) is larger than the image ({image}){_UNSEEN}")
        elif any(self.clipped):
            sentences.append(f"the TRF ({size} pixels) reaches beyond the image ({image}){_UNSEEN}")
        if self.samples == 0:
            sentences.append(f"the unit is dead: no pixel of any of the {total} samples has an influence on it")
        elif self.skipped:
            sentences.append(f"{self.skipped} of {total} samples have no influence at any pixel and are not counted")
        return (*sentences, *self.findings)

    def on_trf(self) -> tuple[slice, ...]:
        """Return the slices of ``values`` that lie in the TRF's box."""
        return tuple(
            slice(max(start, 0), max(min(stop, side), 0))
            for (start, stop), side in zip(self.trf_box, self.values.shape, strict=True)
        )

    def merge(self, other: InfluenceMap) -> InfluenceMap:
        """Return the map of both sets of samples, as if they had been measured at once.

        Raises:
            InvalidInput: They differ in statistic, geometry, aggregation, normalization or precision, or one is exact.
        """
        require_type(InfluenceMap, other=other)
        if math.inf in (self.samples, other.samples):
            raise InvalidInput("an exact map cannot be merged: it has no samples to count")
        for field in ("statistic", "center", "trf_box", "origin", "aggregation", "normalized", "precision"):
            mine, theirs = getattr(self, field), getattr(other, field)
            if mine != theirs:
                raise InvalidInput(f"maps of different {field} cannot be merged: {mine} and {theirs}")
        if self.values.shape != other.values.shape:
            raise InvalidInput(f"maps of shapes {self.values.shape} and {other.values.shape} cannot be merged")
        return replace(
            self,
            values=self._merged_values(other),
            samples=self.samples + other.samples,
            skipped=self.skipped + other.skipped,
            findings=tuple(dict.fromkeys(self.findings + other.findings)),
        )

    def with_moment(self, moment: np.ndarray, statistic: StatisticName) -> InfluenceMap:
        """Return a map that is otherwise like this one, of another mean over the samples.

        Args:
            moment: The mean of |g|, g^2 or g (``Statistic.moment``) in the shape of ``values``.
            statistic: Which of them.

        Raises:
            InvalidInput: The moment has another shape or is not finite, or there is no such statistic.

        >>> import erf
        >>> import numpy as np
        >>> imap = erf.map_of_samples(np.array([[1.0, 4.0]]), "mean_square", trf_box=((0, 2),), aggregation="sum")
        >>> imap.with_moment(imap.values, "rms").values
        array([1., 2.])
        """
        statistic, values = choice(Statistic, statistic, "statistic"), real_array(moment, "moment")
        if values.shape != self.values.shape:
            raise InvalidInput(f"moment must have the map's shape {list(self.values.shape)}, not {list(values.shape)}")
        return replace(self, values=statistic.from_mean_moment(values), statistic=statistic)

    def shifted_to(self, other: InfluenceMap) -> InfluenceMap:
        r"""Return this map moved to the unit of ``other``: ``other.merge(self.shifted_to(other))`` averages both units.

        .. math:: values'_{i} = values_{i - d}, \quad d = other.center - center

        It is the map of the other unit where the network does the same at every position. What moves out of the map is
        left out. What moves in from outside of it is not known and counts as 0; ``diagnostics`` then says so.

        Raises:
            InvalidInput: The maps have different jumps, their units are not whole jumps apart, or these are not whole
                pixels.

        >>> import erf
        >>> import torch
        >>> network = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.Conv2d(4, 4, 3, stride=2))
        >>> a, b = erf.effective_receptive_field(network, torch.ones(1, 1, 33, 33), unit=[(7, 7), (7, 8)])
        >>> a.center, b.center, b.shifted_to(a).center
        ((16.0, 16.0), (16.0, 18.0), (16.0, 16.0))
        """
        require_type(InfluenceMap, other=other)
        if self.jump != other.jump:
            raise InvalidInput(f"a map of jump {self.jump} cannot be moved to one of jump {other.jump}")
        moves = [self._move_to(other, axis) for axis in range(self.values.ndim)]
        box = tuple((first + move, end + move) for (first, end), move in zip(self.trf_box, moves, strict=True))
        missing = any(self.clipped) and any(moves)
        return replace(
            self,
            values=_moved(self.values, moves),
            center=other.center,
            trf_box=box,
            origin=other.origin,
            findings=(*self.findings, _MOVED) if missing and _MOVED not in self.findings else self.findings,
        )

    def _move_to(self, other: InfluenceMap, axis: int) -> int:
        """Return by how many of the map's pixels its unit is to be moved along an axis."""
        move, jump = other.center[axis] - self.center[axis], self.jump[axis]
        apart = move + other.origin[axis] - self.origin[axis]
        if apart and (jump is None or apart % jump):
            raise InvalidInput(
                f"the units are {apart:g} pixels apart along axis {axis}, where neighbours are "
                f"{'not known to be evenly spaced' if jump is None else f'{jump:g} apart'}: allowed are whole jumps"
            )
        if move % 1:
            raise InvalidInput(f"the units are {move:g} pixels apart along axis {axis}: allowed are whole pixels")
        return int(move)

    def _merged_values(self, other: InfluenceMap) -> np.ndarray:
        samples = self.samples + other.samples
        if samples == 0:
            return self.values
        mine = self.statistic.to_mean_moment(self.values) * (self.samples / samples)
        theirs = other.statistic.to_mean_moment(other.values) * (other.samples / samples)
        return self.statistic.from_mean_moment(mine + theirs)


def is_left_out(numbers: Any) -> bool:
    """Return whether these numbers of the axes are the empty tuple, or list, that leaves them out."""
    return isinstance(numbers, tuple | list) and not numbers


def _moved(values: np.ndarray, moves: Sequence[int]) -> np.ndarray:
    """Return the values moved by whole pixels along each axis, with 0 for what comes from outside."""
    moved = np.zeros_like(values)
    to = tuple(slice(max(move, 0), max(side + move, 0)) for move, side in zip(moves, values.shape, strict=True))
    of = tuple(slice(max(-move, 0), max(side - move, 0)) for move, side in zip(moves, values.shape, strict=True))
    moved[to] = values[of]
    return moved


def scaled(values: np.ndarray, axis: tuple[int, ...] | None = None) -> np.ndarray:
    """Return ``values`` times the power of two by which the largest along the axes, or of all, is from 0.5 to 1.

    Their sums do not overflow, nor do squares, and shares of sums are what they were to the last bit.
    """
    _, exponent = np.frexp(np.abs(values).max(axis, keepdims=True, initial=0))
    return np.ldexp(values, -exponent)


def require_non_negative(imap: InfluenceMap) -> None:
    """Raise InvalidInput unless ``imap`` can be read as a distribution: no negative value, not all zero."""
    require_type(InfluenceMap, imap=imap)
    if (imap.values < 0).any():
        raise InvalidInput(
            f"the {imap.statistic} map has negative values, so it has no size or fit; measure it with "
            "statistic='mean_abs', 'rms' or 'mean_square'"
        )
    if not imap.values.any():
        raise InvalidInput(f"the map is 0 everywhere ({imap.samples} samples, {imap.skipped} skipped)")
