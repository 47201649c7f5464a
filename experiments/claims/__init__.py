"""The claim table: each claim of the paper, what the reference records say of it, and the verdict by a fixed rule.

The rules were fixed before anything was measured, but for two tolerances that they left open: F1's "1 - r_squared falls
like 1 / runs" got its +-0.1 after a first run had given an exponent of -0.95, and T1's measured maps their 1e-5. A
claim has parts; it is reproduced when all hold, reproduced with a qualification when some do, which the row names, and
not reproduced when none does.
"""

from __future__ import annotations

from pathlib import Path

from experiments.claims import architecture, center_low, connections, growth, kernels, shape, theory, training
from experiments.claims.row import Part, Row, Verdict
from experiments.reference import REFERENCE

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


def rows(folder: Path = REFERENCE) -> list[Row]:
    """Return all rows from the records in ``folder``, those whose record is missing without numbers.

    Raises:
        InvalidInput: A record is damaged.
    """
    return [claim(folder) for claim in CLAIMS]


def table(folder: Path = REFERENCE) -> str:
    """Return the claim table in Markdown."""
    header = "| id | the paper says | we measure (95 % interval; n) | verdict | command | figure |"
    return "\n".join([header, "|---" * 6 + "|", *(row.markdown() for row in rows(folder))])
