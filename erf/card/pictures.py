"""A layer's map as the card shows it: a picture or a curve, with the boxes of its fields and the ERF's outline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from erf.card.outline import outline, runs
from erf.card.png import of_shares
from erf.maps.influence_map import InfluenceMap
from erf.reachability.receptive_field import Box

MOST_PIXELS = 300_000  # of all maps of a page: more would not fit into 1 MB
MOST_SAMPLES = 1024  # of a curve


@dataclass(frozen=True)
class Picture:
    """A map of rows and columns as a data URI, the ERF's outline as a path, and the boxes of the fields.

    A pixel of ``source``, and a unit of ``outline``, stand for ``block`` pixels of the image along each axis.
    """

    source: str
    rows: int
    columns: int
    block: int
    outline: str
    trf: Box | None
    local: Box | None

    @property
    def width(self) -> int:
        """Of ``source``, in pixels of the image, beyond which its last blocks may reach."""
        return -(-self.columns // self.block) * self.block

    @property
    def height(self) -> int:
        """As ``width``."""
        return -(-self.rows // self.block) * self.block


@dataclass(frozen=True)
class Curve:
    """A map of one axis as a path over its samples, from 100 (0) to 0 (the peak), its TRF and where the ERF is."""

    samples: int
    path: str
    trf: tuple[int, int] | None
    local: tuple[int, int] | None
    erf: tuple[tuple[int, int], ...]


def block_of(shape: Sequence[int], maps: int) -> int:
    """Return how many pixels along each axis become one, so that so many maps of a shape fit into a page."""
    return math.ceil(math.sqrt(maps * math.prod(shape[-2:]) / MOST_PIXELS))


def flat(imap: InfluenceMap) -> np.ndarray:
    """Return a map's values over rows and columns; frames are summed up."""
    return imap.values.sum(axis=tuple(range(imap.values.ndim - 2)))


def blocks(values: np.ndarray, block: int) -> np.ndarray:
    """Return the means over blocks of so many rows and columns; the last ones may be smaller."""
    for axis in (0, 1):
        starts = np.arange(0, values.shape[axis], block)
        counts = np.diff(np.append(starts, values.shape[axis]))
        values = np.add.reduceat(values, starts, axis) / np.expand_dims(counts, 1 - axis)
    return values


def picture(values: np.ndarray, region: np.ndarray | None, trf: Box | None, local: Box | None, block: int) -> Picture:
    """Return the picture of a map ``[rows, columns]``.

    Args:
        values: From 0; their peak has the last colour.
        region: Which pixels belong to the ERF; None where there is none.
        trf: The field's box; None where it is not finite.
        local: The local field's box, where it is another.
        block: See :class:`Picture`.
    """
    averaged = blocks(values, block)
    border = "" if region is None else outline(blocks(region.astype(float), block) >= 0.5)
    source = of_shares(averaged / (averaged.max() or 1))
    rows, columns = values.shape
    return Picture(source, rows, columns, block, border, trf, local)


def curve(values: np.ndarray, region: np.ndarray | None, trf: Box | None, local: Box | None) -> Curve:
    """Return the curve of a map ``[samples]``; arguments as of :func:`picture`.

    Of each of many neighbouring samples the largest is drawn.
    """
    every = math.ceil(len(values) / MOST_SAMPLES)
    heights = 100 * (1 - np.maximum.reduceat(values, np.arange(0, len(values), every)) / (values.max() or 1))
    path = "".join(f"{'L' if at else 'M'}{at * every + every / 2:g} {height:.1f}" for at, height in enumerate(heights))
    stretches = () if region is None else ((start, start + length) for _, start, length in runs(region[None]).tolist())
    return Curve(len(values), path, trf[0] if trf else None, local[0] if local else None, tuple(stretches))
