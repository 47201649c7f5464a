"""Maps packed for a page's inspector: their values, the Gaussian fit's contour and the TRF's box."""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from erf.metrics.erf_size import TWO_SIGMA_MASS
from erf.metrics.gaussian_fit import GaussianFit

WORTH_A_CONTOUR = 0.5  # r² of the fit, as in measure's pictures: below, the ellipse says nothing of the map
RADIUS = math.sqrt(-2 * math.log(1 - TWO_SIGMA_MASS))  # of the contour at the paper's threshold, in sigma
SPARED = 3  # bits of a float16: what is left has an error of up to 0.4 %
NO_CONTOUR = f"no Gaussian fits (r² below {WORTH_A_CONTOUR})"


@dataclass(frozen=True)
class Contour:
    """The Gaussian fit's ellipse at the ERF's threshold, in pixels, and how good the fit is."""

    row: float
    column: float
    radii: tuple[float, float]
    degrees: float
    r_squared: float


@dataclass(frozen=True)
class Entry:
    """One map ``[rows, columns]`` and what is drawn on it.

    ``box`` is top, bottom, left, right of the TRF, half-open; None where it is infinite, or unknown, which ``note``
    says. ``name`` is what readers call it, ``key`` where that is left out. ``beside`` is the key of a map of the same
    shape that this one is shown beside at first. ``block``: each value is the mean of so many pixels of the image along
    each axis; box and contour are in pixels of the image.
    """

    key: str
    values: np.ndarray
    box: tuple[int, int, int, int] | None
    note: str
    contour: Contour | None
    beside: str | None = None
    block: int = 1
    name: str = ""


@dataclass(frozen=True)
class Shown:
    """An entry as the page has it: its sides, and where its values begin among those of all maps.

    ``peak`` is the largest absolute value, by which the values are divided.
    """

    key: str
    rows: int
    columns: int
    first: int
    peak: float
    box: tuple[int, int, int, int] | None
    note: str
    contour: Contour | None
    beside: str | None
    block: int
    name: str


@dataclass(frozen=True)
class Pack:
    """All maps of an inspector.

    ``values`` holds one after the other, peak 1, as float16 without their last ``SPARED`` bits: the high bytes of all,
    then the low bytes of all, deflated, in base64.
    """

    maps: tuple[Shown, ...]
    values: str

    def json(self) -> str:
        """Return it as JSON that may stand in a script element."""
        return json.dumps(asdict(self), separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")


def pack(entries: Sequence[Entry]) -> Pack:
    """Return the maps as the inspector reads them; none is 0 everywhere."""
    maps, first = [], 0
    for one in entries:
        maps.append(_shown(one, first))
        first += one.values.size
    flat = np.concatenate([(one.values / np.abs(one.values).max()).ravel() for one in entries])
    bits = (flat.astype(np.float16).view(np.uint16) + (1 << SPARED - 1)) >> SPARED
    high, low = (bits >> 8).astype(np.uint8), bits.astype(np.uint8)
    return Pack(tuple(maps), base64.b64encode(zlib.compress(high.tobytes() + low.tobytes(), 9)).decode())


def _shown(entry: Entry, first: int) -> Shown:
    note = "; ".join(filter(None, (entry.note, NO_CONTOUR if entry.contour is None else "")))
    rows, columns = entry.values.shape
    peak = float(np.abs(entry.values).max())
    return Shown(
        entry.key, rows, columns, first, peak, entry.box, note, entry.contour, entry.beside, entry.block,
        entry.name or entry.key,
    )  # fmt: skip


def contour_of(fit: GaussianFit | None) -> Contour | None:
    """Return the ellipse of a map's fit; None without one that is worth it."""
    if fit is None or fit.r_squared < WORTH_A_CONTOUR:
        return None
    variances, directions = np.linalg.eigh(fit.covariance)
    short, long = (RADIUS * float(sigma) for sigma in np.sqrt(variances))
    # The last eigenvector is that of the long axis; angles turn from columns towards rows, as on a screen.
    degrees = math.degrees(math.atan2(directions[0, 1], directions[1, 1]))
    row, column = (round(float(v), 2) for v in fit.center)
    return Contour(row, column, (round(long, 2), round(short, 2)), round(degrees, 1), round(fit.r_squared, 4))
