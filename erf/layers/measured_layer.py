"""One layer as it was measured: its theoretical field, its influence map, and what is read off both."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial, reduce

import numpy as np

from erf.errors import InvalidInput
from erf.layers.expected import Expected, with_size
from erf.layers.numbers import notes
from erf.maps.influence_map import InfluenceMap
from erf.metrics.comparison import Comparison, compare
from erf.metrics.erf_size import Reference, erf_size
from erf.metrics.gaussian_fit import GaussianFit
from erf.metrics.grid_average import grid_average_inside
from erf.metrics.jackknife import Estimate, jackknife
from erf.reachability.receptive_field import ReceptiveField

Interval = tuple[float, float]

# A Gaussian that explains less of a map's variance says nothing about its shape and is not shown.
FAIR_FIT = 0.5


@dataclass(frozen=True)
class Setting:
    """What was measured, on what, and how.

    Attributes:
        network: Its class, or what the command line calls it.
        input_size: Of the images, per axis.
        images: On what was measured, in words.
        seed: Of noise and of random signs.
        mode: "eval" or "as_is".
        command: Of the terminal, that measures the same again; empty where it was a call.
        precision: "as_is" or "bfloat16".
        example: The first of the user's images ``[channels, ...]``; None where they are noise.
    """

    network: str
    input_size: tuple[int, ...]
    images: str
    seed: int
    mode: str
    example: np.ndarray | None = field(default=None, repr=False, compare=False)
    command: str = ""
    precision: str = "as_is"


@dataclass(frozen=True)
class LayerMeasurement:
    """The fields of one unit of one layer; lengths are in input pixels, intervals 95 % over images.

    Attributes:
        name: Of the layer; with several units, ``name@row,column``.
        field: The theoretical receptive field (TRF).
        map: The influence map over all images.
        comparison: What is read off both, see :func:`erf.compare`.
        raw: The paper's ERF size, a count of pixels on the map as it is; None where that is 0 everywhere.
        averaged: That of the map averaged over the period of the layer's grid: the raw count jumps with the
            checkerboard that strides leave. None where there is nothing to average, because units are one pixel apart
            or not evenly spaced, and where the image cuts the ERF off.
        expected: What theory expects; None where that was not asked for.
    """

    name: str
    field: ReceptiveField
    map: InfluenceMap
    comparison: Comparison
    raw: Estimate | None = None
    averaged: Estimate | None = None
    expected: Expected | None = None

    @property
    def size(self) -> Estimate | None:
        """The ERF size of section 3.1: averaged over the grid's period where there is one, else the raw count."""
        return self.averaged or self.raw

    @property
    def erf_size(self) -> float | None:
        """The value of :attr:`size`."""
        return self.size and self.size.value

    @property
    def interval(self) -> Interval | None:
        """The interval of :attr:`size`, by a jackknife over groups of images; None for one group."""
        return self.size and self.size.interval

    @property
    def raw_size(self) -> float | None:
        """The value of :attr:`raw`."""
        return self.raw and self.raw.value

    @property
    def ratio(self) -> float | None:
        """The raw size over the TRF's, as in the paper; None where the TRF is infinite."""
        return self.comparison.ratio

    @property
    def fit(self) -> GaussianFit | None:
        """The Gaussian fitted to the map, where it says something: :attr:`comparison` has it in any case.

        None where it explains half of the map's variance or less, and where it is wider than the TRF, as for flat maps.
        """
        fit = self.comparison.fit
        if fit is None or fit.r_squared <= FAIR_FIT:
            return None
        return fit if all(map(operator.lt, fit.sigma, self.map.trf_size)) else None

    @property
    def sigma(self) -> tuple[float, ...] | None:
        """Per axis, standard deviation of that Gaussian."""
        return self.fit and self.fit.sigma

    @property
    def r50(self) -> float | None:
        """Radius that holds half of the influence."""
        return self.comparison.r50

    @property
    def r95(self) -> float | None:
        """Radius that holds 95 % of it."""
        return self.comparison.r95

    @property
    def trf_size(self) -> tuple[float, ...]:
        """Per axis, the side of the TRF."""
        return self.field.size

    @property
    def local_size(self) -> tuple[float | None, ...]:
        """Per axis, the side of the TRF with all that spans the image held constant."""
        return self.field.local.size

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader must know about these numbers, one sentence each."""
        return (*notes(self), *(self.expected.notes if self.expected else ()))

    @property
    def reference(self) -> Reference | None:
        """What the ERF size is relative to, see :func:`erf.erf_size`."""
        return self.comparison.reference

    @property
    def cut(self) -> tuple[bool, ...] | None:
        """Per axis, whether the image ends where the ERF does not."""
        return self.comparison.cut

    @property
    def clipped(self) -> tuple[bool, ...]:
        """Per axis, whether the TRF leaves the image."""
        return self.comparison.clipped

    @property
    def diagnostics(self) -> tuple[str, ...]:
        """Those of the map."""
        return self.comparison.diagnostics

    @property
    def assumptions(self) -> tuple[str, ...]:
        """Those of the field."""
        return self.field.assumptions


def layer_measurement(
    name: str, field: ReceptiveField, groups: Sequence[InfluenceMap], theory: InfluenceMap | str | None = None
) -> LayerMeasurement:
    """Return what a unit's field and its maps over groups of images say; ``theory`` is the expected map, if any."""
    merged = reduce(InfluenceMap.merge, groups)
    comparison = compare(field, merged)
    if comparison.reference is None:
        return LayerMeasurement(name, field, merged, comparison)
    seeing = [group for group in groups if group.samples]
    raw_size = partial(erf_size, reference=comparison.reference)
    averaged_size = partial(_averaged_size, period=_period(field, merged))
    to_average = not any(comparison.cut or ()) and max(_period(field, merged)) > 1
    return LayerMeasurement(
        name=name,
        field=field,
        map=merged,
        comparison=comparison,
        raw=jackknife(seeing, raw_size),
        averaged=jackknife(seeing, averaged_size) if to_average else None,
        expected=None if theory is None else with_size(theory, averaged_size if to_average else raw_size),
    )


def _period(field: ReceptiveField, imap: InfluenceMap) -> tuple[int, ...]:
    """Return, per axis, the pixels between neighbouring units; 1 where that is no whole number or exceeds the map."""
    jumps = [1 if jump is None or jump % 1 else int(abs(jump)) for jump in field.jump]
    return tuple(jump if 0 < jump <= side else 1 for jump, side in zip(jumps, imap.values.shape, strict=True))


def _averaged_size(imap: InfluenceMap, period: tuple[int, ...]) -> float:
    averaged = grid_average_inside(imap, period)
    try:
        return erf_size(averaged)
    except InvalidInput:  # the center is outside the image, or 0
        return erf_size(averaged, Reference.peak)
