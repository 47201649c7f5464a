"""How long what scripts/reproduce.py still has to measure will take."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import ClassVar

from erf.errors import InvalidInput
from experiments.harness.record import read_environment
from experiments.harness.reference import REFERENCE
from scripts.evidence import FULL


@dataclass
class Pace:
    """How long runs take here, in units of how long they took when the reference was recorded.

    The pace assumed before the first run is done weighs as much as ``WEIGHT`` seconds of the reference.
    """

    assumed: float
    _taken: float = field(default=0.0, init=False)
    _expected: float = field(default=0.0, init=False)

    WEIGHT: ClassVar[float] = 200.0

    def done(self, name: str, share: float, seconds: float) -> None:
        """Note that ``share`` of the run ``name`` was measured in ``seconds``."""
        self._taken += seconds
        self._expected += share * expected_seconds(name)

    def left(self, shares: Mapping[str, float]) -> float:
        """Return the seconds that these shares of runs, by name, will take."""
        pace = (self._taken + self.assumed * self.WEIGHT) / (self._expected + self.WEIGHT)
        return pace * sum(share * expected_seconds(name) for name, share in shares.items())


def expected_seconds(name: str) -> float:
    """Return how long the reference run ``name`` took; where it has no record, the mean of those that have one."""
    known = {}
    for run in FULL.names():
        with suppress(InvalidInput):  # missing or damaged: it may be what is measured again
            known[run] = read_environment(REFERENCE / run).seconds
    return known.get(name, sum(known.values()) / max(len(known), 1))
