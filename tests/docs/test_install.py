"""The page on installing says what pyproject.toml and constraints.txt say."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "install.md").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = dict(re.findall(r"(?m)^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text()))


def rows(header: str) -> list[list[str]]:
    """Return the cells of the table whose header starts with ``header``."""
    table = re.search(rf"(?m)^\| {header}.*\n\|[-|]+\n((?:\|.*\n)+)", PAGE)
    assert table
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table[1].splitlines()]


def brought(requirements: list[str]) -> set[str]:
    """Return the packages that an extra names, and the extras of erf that it joins."""
    parts = [Requirement(one) for one in requirements]
    return {name for part in parts for name in (part.extras if part.name == "erf" else {part.name})}


def test_each_extra_brings_what_the_page_says():
    said = {extra.strip("`"): set(re.findall("`([^`]+)`", packages)) for extra, packages, _ in rows(r"extra \|")}
    assert said == {name: brought(packages) for name, packages in PROJECT["optional-dependencies"].items()}


def test_oldest_and_newest_versions_are_those_allowed_and_pinned():
    (_, oldest, _), *packages = rows("package ")
    assert f">={oldest}" == PROJECT["requires-python"]
    allowed = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["cli"]
    assert len(packages) == 4
    for package, oldest, newest in packages:
        assert f"{package}>={oldest}" in allowed
        assert PINS[package] == newest
