"""The maps of a record, packed for the page's inspector: values, Gaussian contour and the TRF's box."""

from __future__ import annotations

import base64
import math
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from erf import InfluenceMap, InvalidInput, fit_gaussian
from erf.maps.statistic import Statistic
from erf.metrics.erf_size import TWO_SIGMA_MASS

WORTH_A_CONTOUR = 0.5  # r² of the fit, as in measure's pictures: below, the ellipse says nothing of the map
RADIUS = math.sqrt(-2 * math.log(1 - TWO_SIGMA_MASS))  # of the contour at the paper's threshold, in sigma
SMALLEST = 3  # side in pixels
SPARED = 3  # bits of a float16: what is left has an error of up to 0.4 %
OTHERS = {"before": "after", "after": "before"}


@dataclass(frozen=True)
class Contour:
    """The Gaussian fit's ellipse at the ERF's threshold, in the map's pixels, and how good the fit is."""

    row: float
    column: float
    radii: tuple[float, float]
    degrees: float
    r_squared: float


@dataclass(frozen=True)
class Shown:
    """One map: its key in arrays.npz, its sides, and where its values begin among all of the record.

    ``peak`` is the largest absolute value, by which the values are divided. ``box`` is top, bottom, left, right of the
    TRF, half-open; None where it is infinite, or unknown, which ``note`` says. ``beside`` is the key of a map of the
    same shape that this one is shown beside at first: its exact one, or the other of before and after a training.
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


@dataclass(frozen=True)
class Pack:
    """All maps of a record.

    ``values`` holds one after the other, peak 1, as float16 without their last ``SPARED`` bits: the high bytes of all,
    then the low bytes of all, deflated, in base64.
    """

    maps: tuple[Shown, ...]
    values: str


def pack(result: Any) -> Pack | None:
    """Return the maps among the arrays of a result; None if it has none."""
    found = [key for key, values in result.arrays.items() if _is_map(key, values)]
    measured_first = sorted(found, key=_is_theory)
    arrays = {key: result.arrays[key].astype(np.float64) for key in measured_first}
    shown, first = [], 0
    for key, values in arrays.items():
        shown.append(_shown(result, key, values, first, arrays))
        first += values.size
    if not shown:
        return None
    flat = np.concatenate([(values / np.abs(values).max()).ravel() for values in arrays.values()])
    bits = (flat.astype(np.float16).view(np.uint16) + (1 << SPARED - 1)) >> SPARED
    high, low = (bits >> 8).astype(np.uint8), bits.astype(np.uint8)
    return Pack(tuple(shown), base64.b64encode(zlib.compress(high.tobytes() + low.tobytes(), 9)).decode())


def _is_map(key: str, values: np.ndarray) -> bool:
    flat = values.ndim == 2 and min(values.shape) >= SMALLEST and values.dtype.kind == "f"
    return flat and not key.endswith("resampled_sizes") and bool(values.any())


def _is_theory(key: str) -> bool:
    return key.startswith("theory")


def _shown(result: Any, key: str, values: np.ndarray, first: int, arrays: dict[str, np.ndarray]) -> Shown:
    box, note = _box(result, key, values.shape)
    contour = _contour(values, box)
    if contour is None:
        note += f"{'; ' if note else ''}no Gaussian fits (r² below {WORTH_A_CONTOUR})"
    rows, columns = values.shape
    peak = float(np.abs(values).max())
    return Shown(key, rows, columns, first, peak, box, note, contour, _beside(key, arrays))


def _beside(key: str, arrays: dict[str, np.ndarray]) -> str | None:
    """Return the key of a map's exact map, its own or one that all of the record share, or of its other moment."""
    parent, _, last = key.rpartition("/")
    moment = "/".join(filter(None, (parent, OTHERS.get(last, last))))
    candidates = (key.replace("map/", "theory/", 1), "theory", moment)
    found = (name for name in candidates if name != key and name in arrays)
    return next((name for name in found if arrays[name].shape == arrays[key].shape), None)


def _box(result: Any, key: str, shape: tuple[int, ...]) -> tuple[tuple[int, int, int, int] | None, str]:
    """Return the TRF's box in a map, and what must be said of it: maps end where the TRF ends, or the result says."""
    if hasattr(result, "trf_box"):
        box = result.trf_box(key)
        return (None, box) if isinstance(box, str) else ((*box[0], *box[1]), "")
    rows, columns = shape
    return (0, rows, 0, columns), ""


def _contour(values: np.ndarray, box: tuple[int, int, int, int] | None) -> Contour | None:
    rows, columns = values.shape
    top, bottom, left, right = box or (0, rows, 0, columns)
    center = ((top + bottom - 1) / 2, (left + right - 1) / 2)
    try:
        fit = fit_gaussian(InfluenceMap(np.abs(values), Statistic.rms, center, ((top, bottom), (left, right)), 1))
    except InvalidInput:  # no Gaussian has such a shape
        return None
    if fit.r_squared < WORTH_A_CONTOUR:
        return None
    variances, directions = np.linalg.eigh(fit.covariance)
    short, long = (RADIUS * float(sigma) for sigma in np.sqrt(variances))
    # The last eigenvector is that of the long axis; angles turn from columns towards rows, as on a screen.
    degrees = math.degrees(math.atan2(directions[0, 1], directions[1, 1]))
    row, column = (round(float(v), 2) for v in fit.center)
    return Contour(row, column, (round(long, 2), round(short, 2)), round(degrees, 1), round(fit.r_squared, 4))
