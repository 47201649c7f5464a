"""The page: the claim table, the theory in brief and a section for each reference run, in one file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import markdown

from erf.card.page import rendered
from erf.errors import InvalidInput
from erf.files.atomic_file import atomic_write
from experiments.claims import CLAIMS, Row, Verdict
from experiments.harness.environment import ROOT
from experiments.harness.record import UNCHECKED, is_complete
from experiments.harness.reference_runs import RUNS, STUDIES, command
from experiments.report.figures import Picture, picture, within
from experiments.report.formulas import with_formulas
from experiments.report.section import section

REPORT = "report.html"
SOURCES = Path(__file__).parent
NAME_DOT = re.compile(r"(?<=[a-z])\.(?=[a-z\d])")  # in the name of a module, where a phone may break it
LINK = re.compile(r"(?<!!)\[([^]]*)\]\(([^)]+)\)")
GROWTH = (
    "How time and memory grow with a stack's depth and runs, and with the side of an image. Beside each name: the "
    "exponent of a power law over the three largest values, in brackets what counting operations, or values that must "
    "be kept, gives."
)


@dataclass(frozen=True)
class ClaimRow:
    """A row of the claim table; ``problem`` says which record it lacks, or which is ``damaged``."""

    row: Row
    problem: str
    damaged: bool = False

    @property
    def verdict(self) -> Verdict:
        """That of the row; a damaged record has none, but is not for that unmeasured."""
        return Verdict.damaged if self.damaged else self.row.verdict


@dataclass(frozen=True)
class Speed:
    """How fast it is: a table as HTML, how cost grows, and the records; ``problem`` says why there is no table."""

    table: str
    problem: str
    growth: Picture
    files: tuple[str, ...]


# Returns the table of a benchmark's record in Markdown, or raises InvalidInput.
SpeedTable = Callable[[Path], str]


COMMANDS = {name: command(name) for name in (*RUNS, *STUDIES)}


def write_report(
    folder: Path, commands: Mapping[str, str] = COMMANDS, note: str = "", speed: SpeedTable | None = None
) -> Path:
    """Write ``folder/report.html`` from the records in ``folder`` and return its path.

    Args:
        folder: Holds a folder for each run and study.
        commands: What measures each of them. One without a record, or with a damaged one, is shown as such.
        note: A sentence that stands at the top.
        speed: Makes the table of speed from ``folder/benchmark/benchmark.json``; without it nothing is said of speed.
    """
    path = folder / REPORT
    folder.mkdir(parents=True, exist_ok=True)
    atomic_write(path, render(folder, commands, note, speed).encode())
    return path


def render(
    folder: Path, commands: Mapping[str, str] = COMMANDS, note: str = "", speed: SpeedTable | None = None
) -> str:
    """Return the page of the records in ``folder``."""
    claims = claim_rows(folder)
    sections = [section(folder, name, commands[name]) for name in _as_claimed(commands, claims)]
    _, _, below_title = (ROOT / "docs" / "theory.md").read_text().partition("\n")
    return rendered(
        "report.html.j2",
        SOURCES,
        note=note,
        claims=claims,
        verdicts=Counter(claim.verdict for claim in claims),
        theory=_linked(below_title, folder, commands.keys()),
        sections=sections,
        marked={one.name for one in sections if one.warnings},
        speed=speed and _speed(folder, speed),
        told=lambda experiment: _told(experiment, folder, commands.keys()),
        unchecked=UNCHECKED,
    )


def _as_claimed(names: Collection[str], claims: Sequence[ClaimRow]) -> list[str]:
    """Return the runs in the order of the claims that they decide, then those that decide none."""
    claimed = dict.fromkeys(run for claim in claims for run in claim.row.runs if run in names)
    return [*claimed, *(name for name in names if name not in claimed)]


def claim_rows(folder: Path) -> list[ClaimRow]:
    """Return a row for every claim; those whose record is missing or damaged name it and have no numbers."""
    rows = []
    for claim in CLAIMS:
        try:
            row, problem, damaged = claim(folder), "", False
        except InvalidInput as error:
            row, problem, damaged = claim(Path(folder, "none")), within(error, folder), True
        if not row.parts and not problem:
            missing = [run for run in row.runs if not is_complete(folder / run)]
            problem = f"no record of {', '.join(missing)}"
        rows.append(ClaimRow(row, problem, damaged))
    return rows


def _speed(folder: Path, table: SpeedTable) -> Speed:
    record = folder / "benchmark"
    growth = picture(record, "scaling", folder, GROWTH)
    files = tuple(name for name in ("benchmark.json", "scaling.json") if (record / name).exists())
    try:
        html = _markdown(table(record / "benchmark.json"))
        return Speed(NAME_DOT.sub(".<wbr>", html), "", growth, files)
    except InvalidInput as error:
        return Speed("", within(error, folder), growth, files)


def _told(experiment: str, folder: Path, sections: Set[str]) -> str:
    """Return what the page of docs/experiments/ whose title names it says of an experiment, as HTML; "" without one."""
    for path in sorted((ROOT / "docs" / "experiments").glob("*.md")):
        title, _, text = path.read_text().partition("\n")
        if re.search(rf"\b{experiment}\b", title):
            # The section has its command and its figures itself.
            text = re.sub(r"(?m)^(!\[|    python run.py ).*$", "", text)
            return _linked(text, folder, sections)
    return ""


def _linked(text: str, folder: Path, sections: Set[str]) -> str:
    """Return the text of a page of docs/ as HTML, with links that lead somewhere from the report."""
    return _markdown(LINK.sub(lambda link: _link_here(link, folder, sections), text))


def _link_here(link: re.Match[str], folder: Path, sections: Set[str]) -> str:
    """Return a link of a page of docs/ as it leads there from the report, or else its words alone."""
    words, target = link[1], link[2].removeprefix("experiments/")
    if target.startswith("http"):
        return link[0]
    if target.removesuffix(".md") in sections:
        return f"[{words}](#{target.removesuffix('.md')})"
    file = target.removeprefix("../../results/reference/")
    return f"[{words}]({file})" if file != target and (folder / file).exists() else words


def _markdown(text: str) -> str:
    """Return HTML whose headings fit below the page's; lists need no empty line before them, as on GitHub."""
    html = markdown.markdown(re.sub(r"(?m)^(?=- )", "\n", with_formulas(text)), extensions=["fenced_code", "tables"])
    return re.sub(r"<(/?)h2>", r"<\1h4>", html)
