"""Two measurements of the claims, at different seeds: do their numbers agree, and their verdicts?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
import scipy

from erf.errors import InvalidInput
from experiments.claims.row import Row, Verdict
from experiments.harness.intervals import Interval
from experiments.harness.paired import holm

NORMAL = 1.96  # standard errors on either side of a 95 % interval
LEVEL = 0.05


@dataclass(frozen=True)
class Comparison:
    """One claim measured twice.

    Attributes:
        id: Of the claim.
        before, after: Both verdicts.
        numbers: How many random numbers of the claim were compared.
        largest: The largest of their differences, in units of 1.96 sqrt(se_new^2 + se_old^2); 0 without numbers.
        held: How many of the first measurement's intervals hold the second's value, the middle of its own interval. Of
            95 % intervals, with the same error in both, 83 % are expected to: the second value has its error, too.
        p: Probability of a largest difference as large, by Bonferroni over the claim's numbers.
        adjusted: The same by Holm over all claims compared.
    """

    id: str
    before: Verdict
    after: Verdict
    numbers: int
    largest: float
    held: int
    p: float
    adjusted: float = 1.0

    @property
    def agrees(self) -> bool:
        """Whether the numbers do, all claims taken together at 5 %, and the verdict is the same."""
        return self.adjusted >= LEVEL and self.before is self.after

    def in_words(self) -> str:
        """Return why both measurements agree or differ, in one line."""
        same = self.before is self.after
        verdicts = f"{self.before} both times" if same else f"{self.before}, then {self.after}"
        if not self.numbers:
            return f"{verdicts}; nothing random to compare"
        differences = f"the largest of {self.numbers} differences" if self.numbers > 1 else "the one difference"
        held = f"{self.held} of {self.numbers} intervals hold the new value"
        return f"{verdicts}; {differences} is {self.largest:.2f} of its 95 % margin (p = {self.adjusted:.3f}); {held}"


def compare(before: Sequence[Row], after: Sequence[Row]) -> list[Comparison]:
    """Return a comparison for each claim that both measurements have numbers for.

    Raises:
        InvalidInput: A claim's numbers are not as many in both, as at other settings.
    """
    old = {row.id: row for row in before if row.parts}
    compared = [_compare(old[row.id], row) for row in after if row.parts and row.id in old]
    adjusted = holm([one.p for one in compared])
    return [replace(one, adjusted=p) for one, p in zip(compared, adjusted, strict=True)]


def _compare(before: Row, after: Row) -> Comparison:
    old, new = (list(chain.from_iterable(part.intervals for part in row.parts)) for row in (before, after))
    if len(old) != len(new):
        raise InvalidInput(f"claim {after.id} has {len(old)} numbers in one measurement and {len(new)} in the other")
    largest = max((_difference(*pair) for pair in zip(old, new, strict=True)), default=0.0)
    p = min(1.0, len(new) * 2 * float(scipy.stats.norm.sf(NORMAL * largest)))
    held = sum(low <= sum(interval) / 2 <= high for (low, high), interval in zip(old, new, strict=True))
    return Comparison(after.id, before.verdict, after.verdict, len(new), largest, held, p if new else 1.0)


def _difference(old: Interval, new: Interval) -> float:
    """Return how far the middles of two intervals lie apart, in roots of the sum of their squared half widths."""
    apart = abs(sum(new) - sum(old)) / 2
    width = float(np.hypot(old[1] - old[0], new[1] - new[0])) / 2
    if not width:  # both exact
        return float("inf") if apart else 0.0
    return apart / width
