"""How signed influences of many runs become one map; the paper leaves the choice open (section 2)."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal, TypeVar

import numpy as np
from torch import Tensor

from erf.arguments import shown
from erf.errors import InvalidInput
from erf.spelling import today

Array = TypeVar("Array", np.ndarray, Tensor)
E = TypeVar("E", bound=StrEnum)


class Statistic(StrEnum):
    r"""A map's value at a pixel, from the samples g of the influence there.

    Members are lower-case, here and in every enumeration of choices, because their names are what a user types.
    ``mean_abs`` is E|g|, ``rms`` is sqrt(E[g^2]), ``mean_square`` is E[g^2] and ``signed_mean`` is E[g].
    """

    mean_abs = "mean_abs"
    rms = "rms"
    mean_square = "mean_square"
    signed_mean = "signed_mean"

    def moment(self, influence: Array) -> Array:
        """Return what is averaged over samples: |g|, g^2 or g, in the shape of ``influence``."""
        if self is Statistic.signed_mean:
            return influence
        magnitude: Any = abs(influence)
        return magnitude if self is Statistic.mean_abs else magnitude * magnitude

    def from_mean_moment(self, mean: Array) -> Array:
        """Return the statistic from the averaged moment."""
        return mean**0.5 if self is Statistic.rms else mean

    def to_mean_moment(self, values: Array) -> Array:
        """Return the averaged moment that ``values`` of this statistic came from."""
        return values**2 if self is Statistic.rms else values


StatisticName = Statistic | Literal["mean_abs", "rms", "mean_square", "signed_mean"]


def choice(kind: type[E], value: str, argument: str) -> E:
    """Return the member of the enumeration ``kind`` called ``value``.

    Raises:
        InvalidInput: No member is called so; the message lists those that are.
    """
    if isinstance(value, str) and value not in list(kind):
        value = today(value)
    if not isinstance(value, str) or value not in list(kind):
        raise InvalidInput(f"{argument}={shown(value)} is unknown; allowed: {', '.join(kind)}")
    return kind(value)


def set_choices(settings: object, **kinds: type[StrEnum]) -> None:
    """Give these fields of a frozen dataclass their members: a plain string is equal to one, but not the same object.

    Raises:
        InvalidInput: As :func:`choice`.
    """
    for name, kind in kinds.items():
        object.__setattr__(settings, name, choice(kind, getattr(settings, name), name))
