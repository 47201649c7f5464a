"""The claim table in the README, between two marks."""

from __future__ import annotations

from pathlib import Path

from erf.atomic_file import atomic_write
from erf.errors import InvalidInput
from experiments.claims import table
from experiments.harness.environment import ROOT

README = ROOT / "README.md"
BEGIN, END = "<!-- claims: written by scripts/reproduce.py -->", "<!-- end of claims -->"


def write_claims() -> Path:
    """Write the table of the reference's records into the README and return its path."""
    atomic_write(README, with_claims(README.read_text(), table()).encode())
    return README


def with_claims(readme: str, claims: str) -> str:
    """Return ``readme`` with the claim table between its marks replaced.

    Raises:
        InvalidInput: The marks are not there.
    """
    return with_block(readme, BEGIN, END, claims)


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
