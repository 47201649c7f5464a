"""The page: the claim table, the theory in brief and a section for each reference run, in one file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import jinja2
import markdown
import msgspec

from erf.atomic_file import atomic_write
from erf.errors import InvalidInput
from experiments.claims import CLAIMS, Row
from experiments.record import ROOT, is_complete
from experiments.reference import RUNS, STUDIES, command
from experiments.report.section import Section, section

REPORT = "report.html"
SOURCES = Path(__file__).parent


@dataclass(frozen=True)
class ClaimRow:
    """A row of the claim table; ``problem`` says which record it lacks."""

    row: Row
    problem: str


COMMANDS = {name: command(name) for name in (*RUNS, *STUDIES)}


def write_report(folder: Path, commands: Mapping[str, str] = COMMANDS, note: str = "") -> Path:
    """Write ``folder/report.html`` from the records in ``folder`` and return its path.

    Args:
        folder: Holds a folder for each run and study.
        commands: What measures each of them. One without a record, or with a damaged one, is shown as such.
        note: A sentence that stands at the top.
    """
    path = folder / REPORT
    folder.mkdir(parents=True, exist_ok=True)
    atomic_write(path, render(folder, commands, note).encode())
    return path


def render(folder: Path, commands: Mapping[str, str] = COMMANDS, note: str = "") -> str:
    """Return the page of the records in ``folder``."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(SOURCES), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    claims = claim_rows(folder)
    return environment.get_template("page.html.j2").render(
        note=note,
        claims=claims,
        verdicts=Counter(claim.row.verdict for claim in claims),
        theory=_markdown(_below_title((ROOT / "docs" / "theory.md").read_text())),
        sections=[section(folder, name, command) for name, command in commands.items()],
        told=_told,
        packed=_packed,
        style=(SOURCES / "page.css").read_text(),
        script=(SOURCES / "page.js").read_text(),
    )


def claim_rows(folder: Path) -> list[ClaimRow]:
    """Return a row for every claim; those whose record is missing or damaged name it and have no numbers."""
    rows = []
    for claim in CLAIMS:
        try:
            row, problem = claim(folder), ""
        except InvalidInput as error:
            row, problem = claim(Path(folder, "none")), str(error).replace(f"{folder}/", "")
        if not row.parts and not problem:
            missing = [run for run in row.runs if not is_complete(folder / run)]
            problem = f"no record of {', '.join(missing)}"
        rows.append(ClaimRow(row, problem))
    return rows


def _told(experiment: str) -> str:
    """Return what the page of docs/experiments/ whose title names it says of an experiment, as HTML; "" without one."""
    for path in sorted((ROOT / "docs" / "experiments").glob("*.md")):
        title, _, text = path.read_text().partition("\n")
        if re.search(rf"\b{experiment}\b", title):
            # The section has its command and its figures itself.
            return _markdown(re.sub(r"(?m)^(!\[|    python run.py ).*$", "", text))
    return ""


def _below_title(page: str) -> str:
    return page.partition("\n")[2]


def _markdown(text: str) -> str:
    """Return HTML whose headings fit below the page's; lists need no empty line before them, as on GitHub."""
    html = markdown.markdown(re.sub(r"(?m)^(?=- )", "\n", text), extensions=["fenced_code", "tables"])
    return re.sub(r"<(/?)h2>", r"<\1h4>", html)


def _packed(shown: Section) -> str:
    """Return a section's maps as JSON that may stand in a script element."""
    return msgspec.json.encode(shown.maps).decode().replace("<", "\\u003c")
