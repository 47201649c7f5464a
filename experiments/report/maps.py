"""The maps of a record, as the page's inspector takes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from erf import GaussianFit, InfluenceMap, InvalidInput, fit_gaussian
from erf.card.inspector import Entry, Pack, contour_of, pack
from erf.card.png import of_shares
from erf.maps.statistic import Statistic

SMALLEST = 3  # side in pixels
OTHERS = {"before": "after", "after": "before"}


def largest(result: Any) -> dict[str, str]:
    """Return the measured maps of a result that have the most pixels, as pictures, by their names in words."""
    measured = {key: v for key, v in result.arrays.items() if _is_map(key, v) and not _is_theory(key)}
    most = max((values.size for values in measured.values()), default=0)
    return {
        _in_words(result, key): of_shares(np.abs(v) / np.abs(v).max()) for key, v in measured.items() if v.size == most
    }


def _in_words(result: Any, key: str) -> str:
    """Return what the map of this key is of, as the result says or as the key does."""
    if _is_theory(key):
        _, _, measured = key.partition("/")
        return f"theory, {_in_words(result, f'map/{measured}')}" if measured else "theory"
    if hasattr(result, "map_in_words"):
        return result.map_in_words(key)
    return key.removeprefix("map/").replace("/", ", ").replace("_", " ")


def packed(result: Any) -> Pack | None:
    """Return the maps among the arrays of a result; None if it has none."""
    keys = [key for key, values in result.arrays.items() if _is_map(key, values)]
    arrays = {key: result.arrays[key].astype(np.float64) for key in sorted(keys, key=_is_theory)}  # measured ones first
    return pack([_entry(result, key, arrays) for key in arrays]) if arrays else None


def _is_map(key: str, values: np.ndarray) -> bool:
    flat = values.ndim == 2 and min(values.shape) >= SMALLEST and values.dtype.kind == "f"
    return flat and not key.endswith("resampled_sizes") and bool(values.any())


def _is_theory(key: str) -> bool:
    return key.startswith("theory")


def _entry(result: Any, key: str, arrays: dict[str, np.ndarray]) -> Entry:
    values = arrays[key]
    box, note = _box(result, key, values.shape)
    return Entry(
        key, values, box, note, contour_of(_fit(values, box)), _beside(key, arrays), name=_in_words(result, key)
    )


def _beside(key: str, arrays: dict[str, np.ndarray]) -> str | None:
    """Return the key of a map's exact map, its own or one that all of the record share, or of its other moment."""
    moment = "/".join(OTHERS.get(part, part) for part in key.split("/"))
    candidates = (key.replace("map/", "theory/", 1), "theory", moment)
    present = (name for name in candidates if name != key and name in arrays)
    return next((name for name in present if arrays[name].shape == arrays[key].shape), None)


def _box(result: Any, key: str, shape: tuple[int, ...]) -> tuple[tuple[int, int, int, int] | None, str]:
    """Return the TRF's box in a map, and what must be said of it: maps end where the TRF ends, or the result says."""
    if hasattr(result, "trf_box"):
        box = result.trf_box(key)
        return (None, box) if isinstance(box, str) else ((*box[0], *box[1]), "")
    rows, columns = shape
    return (0, rows, 0, columns), ""


def _fit(values: np.ndarray, box: tuple[int, int, int, int] | None) -> GaussianFit | None:
    rows, columns = values.shape
    top, bottom, left, right = box or (0, rows, 0, columns)
    center = ((top + bottom - 1) / 2, (left + right - 1) / 2)
    try:
        return fit_gaussian(InfluenceMap(np.abs(values), Statistic.rms, center, ((top, bottom), (left, right)), 1))
    except InvalidInput:  # no Gaussian has such a shape
        return None
