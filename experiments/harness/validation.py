"""Rules that settings of several experiments share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

from erf.errors import InvalidInput

LARGEST = 2**31 - 1  # of what is counted or measured; as in erf.arguments, which loads torch


def require_allowed(key: str, value: Any, rules: Mapping[str, Any]) -> None:
    """Raise InvalidInput unless a setting's value is what the rules of its :func:`option` allow; None keeps all."""
    if value is None:
        return
    if rules.get("distinct"):
        require_choices(key, value)
    if (first := rules.get("increasing_from")) is not None:
        require_increasing(key, value, first)
    if (least := rules.get("least")) is not None:
        require_at_least(least, **{key: min(value) if isinstance(value, list) else value})


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


@contextmanager
def typed_as(**keys: str) -> Iterator[None]:
    """Let an InvalidInput that begins with a setting which follows from another, begin with the other, as it is typed.

    Args:
        keys: What is typed, for each setting that follows from it.
    """
    try:
        yield
    except InvalidInput as error:
        key, _, rest = str(error).partition("=")
        if key not in keys:
            raise
        raise InvalidInput(f"{keys[key]}={rest}") from error
