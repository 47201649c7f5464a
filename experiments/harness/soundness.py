"""Whether a record is as it was written: checksums of its files, and what its numbers and arrays must agree in."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from erf.errors import InvalidInput

# The sides of an array: numbers, and letters for any number, the same wherever a record has the same letter.
Sides = tuple[int | str, ...]


def checksums(files: Mapping[str, bytes]) -> dict[str, str]:
    """Return the SHA-256 of each of ``files``, by name."""
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def require_numbers(result: Any) -> None:
    """Raise InvalidInput unless a result's numbers fit together, as far as its layout and metrics need them."""
    try:
        with warnings.catch_warnings(action="error"):  # numpy warns of means of nothing
            result.layout()
            getattr(result, "metrics", dict)()  # a study has none
    except (LookupError, StopIteration, ArithmeticError, TypeError, ValueError, RuntimeWarning) as error:
        raise InvalidInput("is damaged: its numbers do not fit together") from error


def require_arrays(result: Any) -> None:
    """Raise InvalidInput unless a result has the arrays of its layout, all finite, but for NaN in those of ``GAPS``."""
    layout: dict[str, Sides] = result.layout()
    if differing := sorted(layout.keys() ^ result.arrays.keys()):
        what = "is missing" if differing[0] in layout else "does not belong there"
        raise InvalidInput(f"is damaged: array {differing[0]} {what}")
    known: dict[str, int] = {}
    for name, sides in layout.items():
        array = result.arrays[name]
        expected = tuple(_side(side, known, array.shape, axis) for axis, side in enumerate(sides))
        if array.shape != expected:
            raise InvalidInput(f"is damaged: array {name} has the shape {list(array.shape)}, not {list(expected)}")
        if array.dtype.kind not in "biuf" or not np.isfinite(_without_gaps(result, name, array)).all():
            raise InvalidInput(f"is damaged: array {name} holds what is not a finite number")


def _side(side: int | str, known: dict[str, int], shape: tuple[int, ...], axis: int) -> int:
    """Return the length of a side; the first array with a letter says what it stands for."""
    if isinstance(side, int):
        return side
    return known.setdefault(side, shape[axis] if axis < len(shape) else 0)


def _without_gaps(result: Any, name: str, array: np.ndarray) -> np.ndarray:
    gaps = name.partition("/")[0] in getattr(result, "GAPS", ())
    return array[~np.isnan(array)] if gaps else array
