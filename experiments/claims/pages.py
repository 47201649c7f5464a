"""The pages that show what was measured: claims between two marks, single numbers where the text has them."""

from __future__ import annotations

from pathlib import Path

from erf.errors import InvalidInput
from erf.files.atomic_file import atomic_write
from experiments.claims import highlights, short_table, table
from experiments.claims.numbers import has_numbers, with_numbers
from experiments.harness.environment import ROOT

README, CLAIMS_PAGE = ROOT / "README.md", ROOT / "docs" / "claims.md"
BEGIN, END = "<!-- claims: written by scripts/reproduce.py -->", "<!-- end of claims -->"
RESULTS = "<!-- results: written by scripts/reproduce.py -->", "<!-- end of results -->"


def write_claims() -> tuple[Path, ...]:
    """Write tables and numbers of the reference's records into the pages that have them, and return their paths."""
    tables = {README: short_table(), CLAIMS_PAGE: table()}
    for page, text in tables.items():
        atomic_write(page, with_claims(page.read_text(), text).encode())
    atomic_write(README, with_block(README.read_text(), *RESULTS, highlights()).encode())
    for page in pages_with_numbers():
        atomic_write(page, with_numbers(page.read_text()).encode())
    return (*tables, *pages_with_numbers())


def pages_with_numbers() -> list[Path]:
    """Return the pages of docs/ whose text has numbers of records."""
    return [page for page in sorted(ROOT.glob("docs/**/*.md")) if has_numbers(page.read_text())]


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
    _, mark, after = rest.partition(end)
    if not mark:
        raise InvalidInput(f"the page lacks the marks {begin} and {end}")
    return f"{before}{begin}\n{text}\n{end}{after}"
