"""The page on installing says what pyproject.toml and constraints.txt say."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "install.md").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pins(file: str) -> dict[str, str]:
    """Return the version of each package, by its name, that a file of constraints has."""
    versions = re.findall(r"(?m)^([\w.-]+)==(\S+)$", (ROOT / file).read_text())
    return {canonicalize_name(name): version for name, version in versions}


PINS = pins("constraints.txt")


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


def test_ray_runs_with_the_versions_of_the_tests_but_where_its_plugin_needs_older_ones():
    rays = pins("constraints-ray.txt")
    assert {name for name, version in rays.items() if PINS.get(name, version) != version} == {
        "cloudpickle",
        "python-dateutil",
    }
    for extra in ("experiments", "ray"):
        for requirement in map(Requirement, PROJECT["optional-dependencies"][extra]):
            assert requirement.name == "erf" or requirement.specifier.contains(
                rays[canonicalize_name(requirement.name)]
            )
