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
from pathlib import Path

from experiments.claims import architecture, center_low, connections, growth, kernels, shape, theory, training
from experiments.claims.row import Part, Row, Verdict
from experiments.harness.reference import REFERENCE

__all__ = ["CLAIMS", "Part", "Row", "Verdict", "rows", "table"]

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

READ_SO = """Of a claim with many parts, the table shows those that fail (**not:**) and the least clear of the others;
report.html has all. Where a rule had left something open that was chosen after measuring, or more was measured because
the first record was not clear, *at first* says what comes out without that."""


def rows(folder: Path = REFERENCE) -> list[Row]:
    """Return all rows from the records in ``folder``, those whose record is missing without numbers.

    Raises:
        InvalidInput: A record is damaged.
    """
    return [claim(folder) for claim in CLAIMS]


def table(folder: Path = REFERENCE) -> str:
    """Return the claim table in Markdown, how it is read, and the notes on its rows."""
    columns = ("id", "the paper says", "we measure (95 % interval; n)", "verdict", "statistic", "command", "figure")
    header = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    found = rows(folder)
    notes = [f"\n{textwrap.fill(f'**{row.id}**: {row.note}', 120)}" for row in found if row.note]
    return "\n".join([READ_SO, "", *header, *(row.markdown() for row in found), *notes])
