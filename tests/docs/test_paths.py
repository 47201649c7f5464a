"""Files and folders that pages name are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATH = re.compile(r"(?<![\w./-])(?:erf|experiments|conf|scripts|tests|docs|results/reference)/[\w./-]*")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def named(text: str) -> set[str]:
    """Return the paths of the repository that a text names in backticks; NAME stands for any name."""
    return {path.rstrip(".") for code in re.findall(r"`([^`\n]+)`", text) for path in PATH.findall(code)}


def is_there(path: str) -> bool:
    return any(ROOT.glob(path.rstrip("/").replace("NAME", "*")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_paths_that_a_page_names_are_there(page):
    text = page.read_text()
    missing = [path for path in sorted(named(text)) if not is_there(path)]
    assert [path for path in missing if f"### `{path}`" not in text] == []  # a file that the page gives in full


def test_a_path_that_is_not_there_is_seen():
    paths = named("`erf/maps/`, `experiments/NAME/about.py` and `python scripts/report.py`; `erf/nothing.py`, erf/none")
    assert paths == {"erf/maps/", "experiments/NAME/about.py", "scripts/report.py", "erf/nothing.py"}
    assert [path for path in paths if not is_there(path)] == ["erf/nothing.py"]
