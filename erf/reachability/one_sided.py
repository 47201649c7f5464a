"""The end of its field at which a unit stands where networks look to one side only, as causal ones do."""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from erf.reachability.digit import Floats


class Side(StrEnum):
    """Of a field: its first pixel along an axis, or its last."""

    first = "first"
    last = "last"


def standing_side(firsts: Floats, lasts: Floats, law: tuple[int, int] | None, size: int) -> Side | None:
    r"""Return the end of their fields at which all units along an axis stand; None where that is at neither.

    Fields repeat every *period* units, moved by *shift* pixels; without upsampling the period is 1 and the shift is the
    jump. With unit u at pixel :math:`u \cdot shift / period`, units stand at the last pixel where all of these lie in
    the image, and every field ends within one shift of there and begins more than two shifts before, or
    at the image's border. They stand at the first pixel where that holds in the mirrored image. No padding that is the
    same on both sides, nor a network without padding, has such fields.

    Args:
        firsts: First pixel of each unit's field, in the order of the units.
        lasts: Last pixel of each.
        law: Period and shift of the fields; None if they do not repeat: then the ends are taken to be evenly spaced.
        size: Pixels of the image along the axis.
    """
    if _end_at_units(firsts, lasts, law, size):
        return Side.last
    return Side.first if _end_at_units(size - 1 - lasts[::-1], size - 1 - firsts[::-1], law, size) else None


def _end_at_units(firsts: Floats, lasts: Floats, law: tuple[float, float] | None, size: int) -> bool:
    period, shift = law or (1, np.diff(lasts).mean() if len(lasts) > 1 else 0)
    if shift <= 0:
        return False
    units = shift / period * np.arange(len(lasts))
    begin_before = units - firsts > 2 * shift
    at_units = (np.abs(lasts - units) <= shift).all() and units.max() < size
    return bool(at_units and begin_before.any() and (begin_before | (firsts <= 0)).all())
