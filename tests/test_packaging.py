import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_the_version_is_the_same_wherever_it_stands():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert re.findall(r"(?m)^version: (.*)$", (ROOT / "CITATION.cff").read_text()) == [version]
    assert re.findall(r"(?m)^## ([\d.]+)", (ROOT / "CHANGELOG.md").read_text())[0] == version


def run(*command: object) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> Path:
    """A fresh environment with our wheel; the other packages are those of this environment."""
    folder = tmp_path_factory.mktemp("packaging")
    source = folder / "source"  # a copy: building leaves folders behind
    shutil.copytree(ROOT / "erf", source / "erf", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, source)
    run(sys.executable, "-m", "venv", "--without-pip", folder / "venv")
    (installed,) = (folder / "venv" / "lib").glob("python*/site-packages")
    (wheel,) = folder.glob("*.whl")
    run(sys.executable, "-m", "pip", "--quiet", "install", "--no-deps", "--target", installed, wheel)
    (installed / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "venv"


def test_the_wheel_imports_without_the_repository_and_is_typed(environment, tmp_path):
    code = "import erf, erf.plotting; print(erf.__file__)"
    python = environment / "bin" / "python"
    printed = subprocess.run([python, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert printed.returncode == 0, printed.stderr
    imported = Path(printed.stdout.strip()).resolve()
    assert imported.is_relative_to(environment.resolve())
    assert (imported.parent / "py.typed").exists()


def test_the_wheel_holds_the_library_only(environment):
    (installed,) = (environment / "lib").glob("python*/site-packages")
    packaged = {path.relative_to(installed).as_posix() for path in (installed / "erf").rglob("*.py")}
    assert packaged == {path.relative_to(ROOT).as_posix() for path in (ROOT / "erf").rglob("*.py")}
    assert not (installed / "experiments").exists()
    assert not (installed / "tests").exists()
