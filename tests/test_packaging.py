import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterable
from importlib.metadata import distribution, distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]


def test_the_version_is_the_same_wherever_it_stands():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert re.findall(r"(?m)^version: (.*)$", (ROOT / "CITATION.cff").read_text()) == [version]
    assert re.findall(r"(?m)^## ([\d.]+)", (ROOT / "CHANGELOG.md").read_text())[0] == version


def run(*command: object) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def needed(requirements: Iterable[str]) -> set[str]:
    """Return the names of the packages that ``requirements`` bring, no extras asked for, and those that these bring."""
    names, left = set(), list(requirements)
    while left:
        requirement = Requirement(left.pop())
        name = canonicalize_name(requirement.name)
        if name in names or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        names.add(name)
        left += requires(name) or []
    return names


def link(name: str, folder: Path) -> None:
    """Put an installed package into another environment, as links."""
    for file in distribution(name).files or ():
        top = Path(file.parts[0])
        if top.name not in ("..", "__pycache__") and not (folder / top).exists():
            (folder / top).symlink_to(distribution(name).locate_file(top))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # a copy: building leaves folders behind
    shutil.copytree(ROOT / "erf", source / "erf", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, source)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory) -> Path:
    """A fresh environment with our wheel and what it needs, without any extra."""
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    (installed,) = (folder / "lib").glob("python*/site-packages")
    run(sys.executable, "-m", "pip", "--quiet", "install", "--no-deps", "--target", installed, wheel)
    (ours,) = distributions(name="erf", path=[str(installed)])
    for name in needed(ours.requires or ()):
        link(name, installed)
    return folder


NEEDS = {
    "import erf.plotting": "plot",
    "from erf.data import Pictures": "data",
    "from erf.data import camvid": "data",
    "from erf.training import train": "training",
}
PROGRAM = f"""
import erf, torch
network = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 3), torch.nn.Conv2d(1, 1, 3, stride=2))
trf = erf.theoretical_receptive_field(network, input_size=(16, 16))
both = erf.compare(trf, erf.effective_receptive_field(network, torch.ones(2, 1, 16, 16)))
print(trf.size, 1 <= both.erf_size <= 5)
import erf.data, erf.networks, erf.training
print(erf.__file__)
for statement in {[*NEEDS]}:
    try:
        exec(statement)
    except ImportError as error:
        print(isinstance(error, erf.InvalidInput), error)
"""


@pytest.fixture(scope="module")
def printed(environment, tmp_path_factory) -> list[str]:
    """Return the lines that the program prints in that environment, far from the repository."""
    command = [environment / "bin" / "python", "-I", "-c", PROGRAM]
    done = subprocess.run(command, cwd=tmp_path_factory.mktemp("elsewhere"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_bare_wheel_measures_a_network_without_the_repository_and_is_typed(environment, printed):
    assert printed[0] == "(5, 5) True"
    imported = Path(printed[1]).resolve()
    assert imported.is_relative_to(environment.resolve())
    assert (imported.parent / "py.typed").exists()


def test_what_needs_an_extra_names_it_in_one_line(printed):
    for line, extra in zip(printed[2:], NEEDS.values(), strict=True):
        assert re.fullmatch(rf'True \w+ is not installed; this installs it: pip install "erf\[{extra}\]"', line)


def test_a_type_checker_knows_the_type_of_all_that_the_library_has(tmp_path):
    # Pyright finds packages where Python does; it takes those of PYTHONPATH for installed ones.
    places = os.pathsep.join([str(ROOT), sysconfig.get_path("purelib")])
    command = [sys.executable, "-m", "pyright", "--verifytypes", "erf", "--ignoreexternal", "--outputjson"]
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": places}, capture_output=True, text=True
    )
    types = json.loads(done.stdout)["typeCompleteness"]
    assert types["exportedSymbolCounts"]["withKnownType"] > 1000
    assert [symbol["name"] for symbol in types["symbols"] if symbol["isExported"] and not symbol["isTypeKnown"]] == []
    assert types["completenessScore"] == 1


def test_what_is_needed_is_found_through_others():
    assert {"torch", "sympy", "mpmath"} <= needed(["torch>=2"])  # sympy is torch's, mpmath sympy's
    assert "pytest" not in needed(["torch>=2", "numpy"])


def test_the_wheel_holds_the_library_only(environment):
    (installed,) = (environment / "lib").glob("python*/site-packages")

    def files(root: Path) -> set[str]:
        return {path.relative_to(root).as_posix() for path in (root / "erf").rglob("*.*") if path.suffix != ".pyc"}

    assert files(installed) == files(ROOT)
    assert not (installed / "experiments").exists()
    assert not (installed / "tests").exists()
