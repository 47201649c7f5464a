"""The end of its field at which a unit stands where networks look to one side only, as causal ones do."""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from erf.reachability.digit import Floats


class Side(StrEnum):
    """Of a field: its first pixel along an axis, or its last."""

    first = "first"
    last = "last"


def standing_side(firsts: Floats, lasts: Floats, jump: float | None, size: int) -> Side | None:
    r"""Return the end of their fields at which all units along an axis stand; None where that is at neither.

    With unit u at pixel :math:`u \cdot jump`, they stand at the last pixel where every field ends within one jump of
    there and begins more than two jumps before, or at the image's border, and where no field leaves the image by more
    than one jump at its end. They stand at the first pixel where that holds in the mirrored image. No padding that is
    the same on both sides, nor a network without padding, has such fields.

    Args:
        firsts: First pixel of each unit's field, in the order of the units.
        lasts: Last pixel of each.
        jump: Pixels between neighbouring units, which is looked at where there is one unit.
        size: Pixels of the image along the axis.
    """
    if _end_at_units(firsts, lasts, jump, size):
        return Side.last
    return Side.first if _end_at_units(size - 1 - lasts[::-1], size - 1 - firsts[::-1], jump, size) else None


def _end_at_units(firsts: Floats, lasts: Floats, jump: float | None, size: int) -> bool:
    step = float(np.diff(lasts).mean()) if len(lasts) > 1 else jump
    if not step or step < 0:
        return False
    units = step * np.arange(len(lasts))
    begin_before = units - firsts > 2 * step
    at_units = (np.abs(lasts - units) <= step).all() and lasts.max() < size + step
    return bool(at_units and begin_before.any() and (begin_before | (firsts <= 0)).all())
