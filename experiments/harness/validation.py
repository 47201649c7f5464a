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
    if rules.get("distinct") and (not value or len(set(value)) < len(value)):
        raise InvalidInput(f"{key}=[{','.join(map(str, value))}]: allowed is a list of different values, at least one")
    if (first := rules.get("increasing_from")) is not None:
        require_increasing(key, value, first)
    if (least := rules.get("least")) is not None:
        smallest = min(value) if isinstance(value, list) else value
        if not smallest >= least:
            raise InvalidInput(f"{key}={smallest} is too small; allowed: {least} or more")


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
