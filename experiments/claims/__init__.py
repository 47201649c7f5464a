"""The claim table: each claim of the paper, what the reference records say of it, and the verdict by a fixed rule.

The rules were fixed before anything was measured, but for what they left open: F1's "1 - r_squared falls like 1 / runs"
got its +-0.1 after a first run had given an exponent of -0.95, measured maps of fixed weights their 1e-5, T3's random
stacks their largest depth, and F2's large depths 200 runs after 20 had been too few. Such a part keeps beside it what
the other reading says (`Part.at_first`). So do F3a and F3b, whose rule was changed, as `training` says. A claim has
parts; it is reproduced when all hold, reproduced with a qualification when some do, which the row names, and not
reproduced when none does.
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

__all__ = ["CLAIMS", "OURS", "Part", "Row", "Verdict", "own_rows", "rows", "short_table", "table"]

CLAIMS = (
    *shape.CLAIMS,
    *growth.CLAIMS,
    *training.CLAIMS,
    *theory.CLAIMS,
    *architecture.CLAIMS,
    *kernels.CLAIMS,
    *connections.CLAIMS,
    *center_low.CLAIMS,
)

# Claims of our own, which no count of the paper's has.
OURS = expected.CLAIMS

READ_SO = """A claim may have many parts. The table shows the parts that fail (**not:**) and the least clear of the
others; report.html shows all. Some rules were settled, or changed, after a first measurement: *at first* says what came
out before that."""


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
    ours = _lines("we say", own_rows(folder))
    return "\n".join([READ_SO, "", *_lines("the paper says", rows(folder)), "", "## Claims of our own", "", *ours])


def _lines(says: str, claims: Sequence[Row]) -> list[str]:
    """Return the lines of a table of claims, and of the notes on its rows."""
    columns = ("id", says, "we measure (95 % interval; n)", "verdict", "statistic", "command", "figure")
    notes = [f"\n{textwrap.fill(f'**{ids}**: {note}', 120)}" for note, ids in _notes(claims).items()]
    return [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|", *(row.markdown() for row in claims), *notes]


def short_table(folder: Path = REFERENCE) -> str:
    """Return how many claims have which verdict, and the claim table in three columns, in Markdown."""
    claims = rows(folder)
    counts = Counter(row.verdict for row in claims)
    tally = ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])
    header = ["| the paper says | we measure (95 % interval) | verdict |", "|---|---|---|"]
    return "\n".join([f"Of {len(claims)} claims: {tally}.", "", *header, *(row.short_markdown() for row in claims)])


def _notes(claims: Sequence[Row]) -> dict[str, str]:
    """Return the notes, each with the ids of the rows that it stands for."""
    notes: dict[str, str] = {}
    for row in claims:
        if row.note:
            notes[row.note] = ", ".join(filter(None, (notes.get(row.note), row.id)))
    return notes
