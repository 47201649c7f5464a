"""What is known of each network: its layers' fields, what the judges say of them, and the package's table."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from experiments.harness.environment import Environment

Outcome = Literal["exact", "assumptions", "refused", "fault", "not run"]
WORST_FIRST: tuple[Outcome, ...] = ("not run", "fault", "refused", "assumptions", "exact")


@dataclass(frozen=True)
class Judgement:
    """What one judge says, see :class:`erf.agreement.agreement.Finding`."""

    judge: str
    agrees: bool | None
    words: str


@dataclass(frozen=True)
class Layer:
    """One layer's field.

    Attributes:
        name: In the network.
        outcome: Whether it is exact, rests on assumptions, or is refused.
        sentences: The assumptions, or the one of the refusal.
        judgements: By the judges that were asked.
    """

    name: str
    outcome: Outcome
    sentences: tuple[str, ...] = ()
    judgements: tuple[Judgement, ...] = ()


@dataclass(frozen=True)
class Row:
    """One network.

    Attributes:
        package: It comes from.
        name: There.
        sentence: Why there is no answer at all; empty where there is.
        outcome: Of its layers' fields, the worst; "not run" where it cannot be made or does not run by itself.
        size: Of its input, per axis.
        seconds: Of CPU, for the fields of all layers at once.
        mib: By how much that raised the peak of resident memory.
        layers: Those of ``experiment=measure``.
        unjudged: Why judging ended early; empty where it did not.
    """

    package: str
    name: str
    outcome: Outcome
    sentence: str = ""
    size: tuple[int, ...] = ()
    seconds: float | None = None
    mib: float | None = None
    layers: tuple[Layer, ...] = ()
    unjudged: str = ""

    def answers(self, *judges: str) -> list[bool]:
        """Return what these judges said where they could be asked."""
        asked = [judgement for layer in self.layers for judgement in layer.judgements if judgement.judge in judges]
        return [judgement.agrees for judgement in asked if judgement.agrees is not None]

    @property
    def wrong(self) -> bool:
        """Whether a judge disagrees, or erf itself found that it fails."""
        return self.outcome == "fault" or not all(self.answers("outside", "edges", "autograd", "slow"))


@dataclass(frozen=True)
class Record:
    """All networks so far.

    Attributes:
        environment: Of the command that wrote the record last; rows may be older.
        absent: The packages that cannot be loaded, as where they or what they need are not installed.
        listed: How many networks the others have, one of each family.
        rows: What is known of those that were measured.
    """

    environment: Environment
    absent: tuple[str, ...]
    listed: int
    rows: tuple[Row, ...]


def worst(layers: Sequence[Layer]) -> Outcome:
    """Return the worst outcome of layers."""
    return next(outcome for outcome in WORST_FIRST if outcome in {layer.outcome for layer in layers})


HEADER = ("package", "networks", "exact", "with assumptions", "refused", "poisoned", "maps", "wrong", "CPU s", "MiB")


def table(record: Record) -> str:
    """Return a row for each package and one for all: counts, and medians of time and memory."""
    packages = dict.fromkeys(row.package for row in record.rows)
    lines = [_line(name, [row for row in record.rows if row.package == name]) for name in packages]
    lines.append(_line("all", record.rows))
    return "\n".join([f"| {' | '.join(HEADER)} |", "|---|" + "---:|" * (len(HEADER) - 1), *lines])


def summary(record: Record) -> str:
    """Return the table, and how much of what there is it is about."""
    ran = sum(row.outcome != "not run" for row in record.rows)
    judged = sum(any(layer.judgements for layer in row.layers) for row in record.rows)
    absent = f" Not loaded: {', '.join(record.absent)}." if record.absent else ""
    return (
        f"{table(record)}\n\nTried: {len(record.rows)} of {record.listed} networks. {ran} of them run; "
        f"{judged} were judged.{absent}"
    )


def sentence(record: Record) -> str:
    """Return what the README says of it."""
    ran = [row for row in record.rows if row.outcome != "not run"]
    exact, assumed, refused = (
        sum(row.outcome == outcome for row in ran) for outcome in ("exact", "assumptions", "refused")
    )
    failed = len(ran) - exact - assumed - refused
    return (
        f"Tried on {len(ran)} networks of other packages ([which](docs/coverage.md)): {exact} have exact fields,\n"
        f"{assumed} rest on an assumption that is named, {refused} are refused with a reason, "
        f"and erf fails on {failed or 'none'}."
    )


def _line(name: str, rows: Sequence[Row]) -> str:
    ran = [row for row in rows if row.outcome != "not run"]
    counts = [sum(row.outcome == outcome for row in ran) for outcome in ("exact", "assumptions", "refused")]
    poisoned = sum(bool(row.answers("outside", "edges")) for row in ran)
    maps = sum(len(row.answers("autograd")) for row in ran)
    measured = [(row.seconds, row.mib) for row in ran if row.seconds is not None and row.mib is not None]
    medians = [f"{statistics.median(values):.2g}" for values in zip(*measured, strict=True)] or ["-", "-"]
    cells = (name, len(ran), *counts, poisoned, maps, sum(row.wrong for row in ran), *medians)
    return f"| {' | '.join(map(str, cells))} |"
