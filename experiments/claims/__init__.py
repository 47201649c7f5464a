"""The claim table: each claim of the paper, what the reference records say of it, and the verdict by a fixed rule.

The rules were fixed before anything was measured, but for those that FIXED names: a part that was settled or changed
later keeps beside it what the other reading says (`Part.at_first`). A claim has parts; it is reproduced when all hold,
reproduced with a qualification when some do, which the row names, and not reproduced when none does.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from experiments.claims import (
    architecture,
    center_low,
    connections,
    expected,
    growth,
    kernels,
    shape,
    theory,
    training,
)
from experiments.claims.row import Part, Row, Verdict
from experiments.harness.reference import REFERENCE

__all__ = ["CLAIMS", "OURS", "Part", "Row", "Verdict", "highlights", "own_rows", "rows", "short_table", "table"]

CHAPTERS = shape, growth, training, theory, architecture, kernels, connections, center_low
CLAIMS = tuple(claim for chapter in CHAPTERS for claim in chapter.CLAIMS)

HIGHLIGHTS = ("F2", "F2b", "F3b")  # growth with depth, with strides, and in training

# Claims of our own, which no count of the paper's has.
OURS = expected.CLAIMS

READ_SO = """How to read the table:

- A claim may have many parts. The table shows the parts that fail, marked **not:**, and the least clear of the others.
  report.html shows all parts.
- *At first* says what came out before a rule was settled or changed, where that differs.
- CPU minutes are those of the row's runs: seconds by the clock times threads, from each record's environment.json. A
  run that several rows need counts in each of them. *At least* marks records that leave out a part, because it was done
  before an interruption or on a GPU."""

FIXED = """The rules of {unchanged} of {all} rows were fixed before anything was measured. In the others ({ids})
something was settled or changed after a first measurement:

- F1: the tolerance of 0.1 for "falls like 1 / runs",
- T1, T3: the 1e-5 by which rounding may move measured maps of fixed weights,
- T3: the largest depth of its random stacks,
- F2: 200 runs at large depths, where 20 had been too few,
- F3a, F3b: what is compared."""


def rows(folder: Path = REFERENCE) -> list[Row]:
    """Return all rows from the records in ``folder``, those whose record is missing without numbers.

    Raises:
        InvalidInput: A record is damaged.
    """
    return [claim(folder) for claim in CLAIMS]


def own_rows(folder: Path = REFERENCE) -> list[Row]:
    """Return likewise the rows of the claims of our own."""
    return [claim(folder) for claim in OURS]


def table(folder: Path = REFERENCE) -> str:
    """Return in Markdown how to read the claim table, it and the notes on its rows, and the same of our own claims."""
    claims, ours = rows(folder), _lines("we say", own_rows(folder))
    lines = _lines("the paper says", claims)
    return "\n".join([READ_SO, "", fixed(claims), "", *lines, "", "## Claims of our own", "", *ours])


def fixed(claims: Sequence[Row]) -> str:
    """Return how many rules were fixed before anything was measured, and what was settled later in the others."""
    later = [row.id for row in claims if row.settled_later]
    return FIXED.format(unchanged=len(claims) - len(later), all=len(claims), ids=", ".join(later))


def _lines(says: str, claims: Sequence[Row]) -> list[str]:
    """Return the lines of a table of claims, and of the notes on its rows."""
    measured = "we measure (95 % interval; n)"
    columns = ("id", says, measured, "verdict", "statistic", "CPU minutes", "command", "figure")
    notes = [f"\n{textwrap.fill(f'**{ids}**: {note}', 120)}" for note, ids in _notes(claims).items()]
    return [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|", *(row.markdown() for row in claims), *notes]


def short_table(folder: Path = REFERENCE) -> str:
    """Return how many claims have which verdict, and the claim table in three columns, in Markdown."""
    claims = rows(folder)
    counts = Counter(row.verdict for row in claims)
    tally = ", ".join(f"{counts[verdict]} {verdict} ({verdict.brief})" for verdict in Verdict if counts[verdict])
    header = ["| the paper says | we measure (95 % interval) | holds |", "|---|---|---|"]
    return "\n".join([f"Of {len(claims)} claims: {tally}.", "", *header, *(row.short_markdown() for row in claims)])


def highlights(folder: Path = REFERENCE) -> str:
    """Return the lines in which the README says what was found, in Markdown: a claim in plain words and its number."""
    return "\n".join(f"- {row.plain}. We measure: **{row.answer()}**." for row in rows(folder) if row.id in HIGHLIGHTS)


def _notes(claims: Sequence[Row]) -> dict[str, str]:
    """Return the notes, each with the ids of the rows that it stands for."""
    notes: dict[str, str] = {}
    for row in claims:
        if row.note:
            notes[row.note] = ", ".join(filter(None, (notes.get(row.note), row.id)))
    return notes
