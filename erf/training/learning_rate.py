"""Learning rates by step: a schedule is a function of the step alone, so there is no state to keep."""

from __future__ import annotations

import math
from enum import StrEnum

# Of one_cycle, as in Smith and Topin (2018) and torch's OneCycleLR: where it starts and ends, relative to the peak and
# to the start, and the share of the steps in which it rises.
START, END, RISE = 1 / 25, 1e-4, 0.3


class Schedule(StrEnum):
    """How the learning rate goes from the first step to the last."""

    one_cycle = "one_cycle"
    cosine = "cosine"

    def learning_rate(self, step: int, steps: int, peak: float) -> float:
        r"""Return the learning rate of ``step``, counted from 0, of ``steps``.

        cosine falls from the peak to 0 after the last step; one_cycle rises from peak / 25 to the peak in the first
        30 % of the steps, then falls to 1e-4 of its start, both along half a cosine:

        .. math:: \eta = b + (a - b) (1 + \cos \pi t) / 2

        from a at t = 0 to b at t = 1.
        """
        if self is Schedule.cosine:
            return _between(peak, 0.0, step / steps)
        top, last, start = RISE * steps - 1, steps - 1, START * peak
        if step <= top:
            return _between(start, peak, step / top)
        return _between(peak, END * start, (step - top) / (last - top))


def _between(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
