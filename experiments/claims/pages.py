"""The pages that show the claims, between two marks: the README in short, docs/claims.md in full."""

from __future__ import annotations

from pathlib import Path

from erf.errors import InvalidInput
from erf.files.atomic_file import atomic_write
from experiments.claims import highlights, short_table, table
from experiments.harness.environment import ROOT

README, CLAIMS_PAGE = ROOT / "README.md", ROOT / "docs" / "claims.md"
BEGIN, END = "<!-- claims: written by scripts/reproduce.py -->", "<!-- end of claims -->"
RESULTS = "<!-- results: written by scripts/reproduce.py -->", "<!-- end of results -->"


def write_claims() -> tuple[Path, ...]:
    """Write the tables of the reference's records into both pages and return their paths."""
    tables = {README: short_table(), CLAIMS_PAGE: table()}
    for page, text in tables.items():
        atomic_write(page, with_claims(page.read_text(), text).encode())
    atomic_write(README, with_block(README.read_text(), *RESULTS, highlights()).encode())
    return tuple(tables)


def with_claims(page: str, claims: str) -> str:
    """Return ``page`` with the claim table between its marks replaced.

    Raises:
        InvalidInput: The marks are not there.
    """
    return with_block(page, BEGIN, END, claims)


def with_block(page: str, begin: str, end: str, text: str) -> str:
    """Return a page with what stands between two marks replaced.

    Raises:
        InvalidInput: The marks are not there.
    """
    before, _, rest = page.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise InvalidInput(f"the page lacks the marks {begin} and {end}")
    return f"{before}{begin}\n{text}\n{end}{after}"
