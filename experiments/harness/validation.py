"""Rules that settings of several experiments share."""

from __future__ import annotations

from itertools import pairwise

from erf import InvalidInput


def require_at_least(least: float, **values: float) -> None:
    """Raise InvalidInput for the first value, named by its key, that is smaller."""
    for key, value in values.items():
        if not value >= least:
            raise InvalidInput(f"{key}={value} is too small; allowed: {least} or more")


def require_choices(key: str, values: list) -> None:
    """Raise InvalidInput unless the list has an entry and none twice."""
    if not values or len(set(values)) < len(values):
        raise InvalidInput(f"{key}=[{','.join(map(str, values))}]: allowed is a list of different values, at least one")


def require_increasing(key: str, values: list[int], least: int) -> None:
    """Raise InvalidInput unless the list has an entry, begins at ``least`` or more and increases."""
    if not values or values[0] < least or any(a >= b for a, b in pairwise(values)):
        raise InvalidInput(f"{key}={values}: allowed are increasing whole numbers from {least}, at least one")
