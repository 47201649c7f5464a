"""What a row of the claim table is: parts, each of which holds or not, and the verdict that follows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from experiments.claims.cost import Cost, cost
from experiments.harness.experiment import experiment_of
from experiments.harness.intervals import Interval
from experiments.harness.record import is_complete
from experiments.harness.reference import reference
from experiments.harness.reference_runs import command, record_type


class Verdict(StrEnum):
    """What the records say of a claim."""

    reproduced = "reproduced"
    qualified = "reproduced with a qualification"
    not_reproduced = "not reproduced"
    not_measured = "not measured yet"
    damaged = "record damaged"  # only in the report: elsewhere it is an error

    @property
    def brief(self) -> str:
        """The same in few letters, for a column of a table that a phone shows."""
        return BRIEF.get(self, self)


BRIEF = {Verdict.reproduced: "yes", Verdict.qualified: "in part", Verdict.not_reproduced: "no"}


@dataclass(frozen=True)
class Part:
    """One condition of a claim's rule.

    Attributes:
        measured: What was measured, in words.
        holds: Whether the condition does; None where something is told only beside.
        intervals: 95 % intervals of the random numbers that it is about, by which another measurement is compared.
            Exact numbers, and those without an interval such as a largest deviation, have none.
        brief: The same in few words, for the table; empty where ``measured`` is short.
        shown: Whether the table shows it in any case. One that fails, or that once failed, it always shows.
        answer: The one number that the README gives of the claim, in its words; empty in all parts but one.
        at_first: The same by the rule as it was first put, or by what was first measured; None where nothing changed.
    """

    measured: str
    holds: bool | None
    intervals: tuple[Interval, ...] = ()
    brief: str = ""
    shown: bool = True
    answer: str = ""
    at_first: Part | None = None

    @property
    def changed(self) -> bool:
        """Whether it was decided otherwise at first."""
        return self.at_first is not None and self.at_first.holds is not self.holds

    def markdown(self) -> str:
        """Return it in few words; marked if it fails, and with what was decided at first if that is another thing."""
        text = f"{'**not:** ' if self.holds is False else ''}{self.brief or self.measured}"
        return f"{text} [at first, {self.at_first.markdown()}]" if self.at_first and self.changed else text


@dataclass(frozen=True)
class Row:
    """One claim: its id, what the paper says, the statistic that is measured, the parts of its rule, and their runs.

    There are no parts where one of the records is missing. ``plain`` says what the paper does for one who has not read
    it. ``note`` says in words what qualifies the reference's; ``cost`` is that of its runs.
    """

    id: str
    paper: str
    plain: str
    statistic: str
    parts: tuple[Part, ...]
    runs: tuple[str, ...]
    note: str = ""
    cost: Cost | None = None

    @property
    def verdict(self) -> Verdict:
        """All parts hold, some do, or none does."""
        if not self.parts:
            return Verdict.not_measured
        held = [part.holds for part in self.parts if part.holds is not None]
        if all(held):
            return Verdict.reproduced
        return Verdict.qualified if any(held) else Verdict.not_reproduced

    @property
    def settled_later(self) -> bool:
        """Whether something of the rule was settled or changed after a first measurement."""
        return any(part.at_first for part in self.parts)

    def short_markdown(self) -> str:
        """Return the row of the README's table: the claim in plain words, one number, the verdict and its doubts."""
        verdict = self.verdict.brief
        if self.verdict is Verdict.qualified:
            verdict += f": {self.tally()}"
        return f"| **{self.id}** {self.plain} | {self.answer()} | {verdict} |"

    def answer(self) -> str:
        """Return the one number that the README gives; empty where a record is missing."""
        return next((part.answer for part in self.parts if part.answer), "")

    def markdown(self) -> str:
        """Return the row of the table in docs/claims.md."""
        commands = "<br>".join(f"`{command(run)}`" for run in self.runs)
        figures = "<br>".join(f"[{run}]({_figure(run)})" for run in self.runs) if self.parts else ""
        minutes = self.cost or "-"
        cells = (self.id, self.paper, self.headline(), self.verdict, self.statistic, minutes, commands, figures)
        return f"| {' | '.join(map(str, cells))} |"

    def headline(self) -> str:
        """Return the parts that the table shows in Markdown and, where it leaves some out, how many of all hold."""
        texts = [part.markdown() for part in self.shown()]
        return "; ".join([*texts, self.tally()] if len(texts) < len(self.parts) else texts)

    def shown(self) -> list[Part]:
        """Return the parts that a table shows: those that fail or once failed, and those that are always shown."""
        return [part for part in self.parts if part.shown or part.holds is False or part.changed]

    def folded(self) -> bool:
        """Return whether a table says less than all: it leaves parts out, or gives them in few words."""
        return len(self.shown()) < len(self.parts) or any(part.brief for part in self.parts)

    def tally(self) -> str:
        """Return how many of the parts hold, in words."""
        held = [part.holds for part in self.parts if part.holds is not None]
        if len(held) == 1:
            return f"its one part {'holds' if held[0] else 'does not hold'}"
        return f"{'all' if all(held) else f'{sum(held)} of'} {len(held)} parts hold"


def _figure(run: str) -> str:
    return f"../results/reference/{run}/{experiment_of(run)}.png"


Claim = Callable[[Path], Row]  # given the folder of records
Parts = TypeVar("Parts", bound=Callable[..., Iterator[Part]])


class Claims(list[Claim]):
    """The claims of one chapter, in their order."""

    def add(
        self, id: str, paper: str, plain: str, statistic: str, runs: Sequence[str], note: str = ""
    ) -> Callable[[Parts], Parts]:
        """Add a claim that reference runs and studies decide.

        The function below it yields the parts of its rule: it takes their records in this order.
        """

        def decided_by(parts: Parts) -> Parts:
            def row(folder: Path) -> Row:
                if not all(is_complete(folder / run) for run in runs):
                    return Row(id, paper, plain, statistic, (), tuple(runs))
                decided = tuple(parts(*(reference(run, record_type(run), folder) for run in runs)))
                own_note = note if decided else ""
                return Row(id, paper, plain, statistic, decided, tuple(runs), own_note, cost(runs, folder))

            self.append(row)
            return parts

        return decided_by


def meets(interval: Interval, low: float, high: float) -> bool:
    """Return whether an interval and the range from ``low`` to ``high`` have a number in common."""
    return interval[0] <= high and interval[1] >= low


def inside(interval: Interval, low: float, high: float) -> bool:
    """Return whether an interval lies in the range from ``low`` to ``high``."""
    return low <= interval[0] and interval[1] <= high
