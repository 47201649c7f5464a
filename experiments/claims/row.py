"""What a row of the claim table is: parts, each of which holds or not, and the verdict that follows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from experiments.intervals import Interval
from experiments.record import is_complete
from experiments.reference import R, command, experiment_of, reference


class Verdict(StrEnum):
    """What the records say of a claim."""

    reproduced = "reproduced"
    qualified = "reproduced with a qualification"
    not_reproduced = "not reproduced"
    not_measured = "not measured yet"


@dataclass(frozen=True)
class Part:
    """One condition of a claim's rule.

    Attributes:
        measured: What was measured, in words.
        holds: Whether the condition does; None where something is told only beside.
        intervals: 95 % intervals of the random numbers that it is about, by which another measurement is compared.
            Exact numbers, and those without an interval such as a largest deviation, have none.
    """

    measured: str
    holds: bool | None
    intervals: tuple[Interval, ...] = ()


@dataclass(frozen=True)
class Row:
    """One claim: its id, what the paper says, the parts of its rule, and the reference runs they come from.

    There are no parts where one of the records is missing.
    """

    id: str
    paper: str
    parts: tuple[Part, ...]
    runs: tuple[str, ...]

    @property
    def verdict(self) -> Verdict:
        """All parts hold, some do, or none does."""
        if not self.parts:
            return Verdict.not_measured
        held = [part.holds for part in self.parts if part.holds is not None]
        if all(held):
            return Verdict.reproduced
        return Verdict.qualified if any(held) else Verdict.not_reproduced

    def markdown(self) -> str:
        """Return the row of a Markdown table; failed parts are marked."""
        measured = "; ".join(f"**not:** {p.measured}" if p.holds is False else p.measured for p in self.parts)
        commands = "<br>".join(f"`{command(run)}`" for run in self.runs)
        figures = "<br>".join(f"[{run}]({_figure(run)})" for run in self.runs) if self.parts else ""
        return f"| {self.id} | {self.paper} | {measured} | {self.verdict} | {commands} | {figures} |"


def _figure(run: str) -> str:
    return f"results/reference/{run}/{experiment_of(run)}.png"


Claim = Callable[[Path], Row]  # given the folder of records


def claim(id: str, paper: str, run: str, kind: type[R], parts: Callable[[R], Iterator[Part]]) -> Claim:
    """Return the row of a claim that one reference run, with a result of ``kind``, decides."""
    return claim_of_runs(id, paper, {run: kind}, parts)


def claim_of_runs(id: str, paper: str, runs: Mapping[str, type], parts: Callable[..., Iterator[Part]]) -> Claim:
    """Return the row of a claim that several reference runs decide: ``parts`` takes their results in this order."""

    def row(folder: Path) -> Row:
        found = ()
        if all(is_complete(folder / run) for run in runs):
            found = tuple(parts(*(reference(run, kind, folder) for run, kind in runs.items())))
        return Row(id, paper, found, tuple(runs))

    return row


def meets(interval: Interval, low: float, high: float) -> bool:
    """Return whether an interval and the range from ``low`` to ``high`` have a number in common."""
    return interval[0] <= high and interval[1] >= low


def inside(interval: Interval, low: float, high: float) -> bool:
    """Return whether an interval lies in the range from ``low`` to ``high``."""
    return low <= interval[0] and interval[1] <= high
