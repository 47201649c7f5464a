"""What was expected of trainings before they were run, judged by their intervals (docs/experiments/growth_start.md)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from erf.networks.start import Start
from experiments.harness.intervals import Mean

HALF_HEIGHT = "half_height_size"
READ_ALIKE = "no sign hangs on how the map is read, except at half height"


class Outcome(StrEnum):
    """What came of an expectation."""

    holds = "holds"
    fails = "fails"
    undecided = "undecided"
    not_measured = "not measured"


class NotTrained(LookupError):
    """A study has no trainings of the kind that is asked for."""


@dataclass(frozen=True)
class Condition:
    """That a number lies between ``low`` and ``high``, by its interval.

    Without an interval nothing is decided, unless the number counts ``alone``.
    """

    what: str
    number: Mean
    low: float = -math.inf
    high: float = math.inf
    alone: bool = False
    digits: int = 2

    @property
    def outcome(self) -> Outcome:
        """Whether all of the interval lies inside, none of it, or some."""
        value, interval = self.number.value, self.number.interval
        if interval is None and not self.alone:
            return Outcome.undecided
        low, high = interval or (value, value)
        if self.low < low and high < self.high:
            return Outcome.holds
        return Outcome.fails if high <= self.low or self.high <= low else Outcome.undecided

    def in_words(self) -> str:
        """Return what was measured."""
        return f"{self.what} {self.number.in_words(self.digits)}"


Conditions = Callable[[Any], Iterable[Condition]]  # of a study


@dataclass(frozen=True)
class Judged:
    """An expectation by its number and text, what was measured, and what came of it."""

    number: int
    expected: str
    measured: str
    outcome: Outcome


@dataclass(frozen=True)
class Expectation:
    """One line of the prediction: its number there, its text, and the conditions that a study has to meet."""

    number: int
    text: str
    conditions: Conditions

    def judge(self, study: Any) -> Judged:
        """Return what came of it: it holds if all conditions do, and fails if one does."""
        try:
            conditions = list(self.conditions(study))
        except NotTrained as missing:
            return Judged(self.number, self.text, str(missing), Outcome.not_measured)
        outcomes = {condition.outcome for condition in conditions}
        outcome = next(one for one in (Outcome.fails, Outcome.undecided, Outcome.holds) if one in outcomes)
        return Judged(self.number, self.text, "; ".join(one.in_words() for one in conditions), outcome)


def grows(start: Start, width: int | None = None) -> Conditions:
    """Return that the ERF of an arm grows."""
    return lambda study: [Condition("after - before", study.arm(start, width).growth, low=0)]


def shrinks(start: Start, width: int | None = None) -> Conditions:
    """Return that the ERF of an arm shrinks."""
    return lambda study: [Condition("after - before", study.arm(start, width).growth, high=0)]


def two_approach(one: Start, other: Start, width: int | None = None) -> Conditions:
    """Return that the gap between two arms ends under a quarter of what it was."""

    def conditions(study: Any) -> Iterable[Condition]:
        ratio = study.gap(one, other, width).ratio
        if ratio is None:
            raise NotTrained("two trainings start from the same size")
        return [Condition("gap after / before", ratio, -0.25, 0.25)]

    return conditions


def is_as_good(one: Start, other: Start, margin: float) -> Conditions:
    """Return that the validation metrics of two arms differ by less than ``margin``."""
    return lambda study: [Condition("difference", study.gap(one, other).validation, -margin, margin)]


def of_one_sign(*starts: Start, width: int | None = None) -> Conditions:
    """Return that by all measures but one the mean growth of each arm has the same sign; at half height it may not."""

    def conditions(study: Any) -> Iterable[Condition]:
        for arm in (study.arm(start, width) for start in starts):
            agreeing, known = (len({*names} - {HALF_HEIGHT}) for names in (arm.agreeing, arm.growths))
            text = f"{arm.way.name}: measures of the first one's sign, of {known}:"
            yield Condition(text, Mean(agreeing, None), low=known - 0.5, alone=True, digits=0)

    return conditions
