"""The worked example of docs/add_an_experiment.md, in a copy of the repository."""

import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "add_an_experiment.md").read_text()
BLOCK = re.compile(r"^### `([^`]+)`\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILES = dict(BLOCK.findall(PAGE))
PARTS = (
    "CITATION.cff",
    "LICENSE",
    "erf",
    "experiments",
    "conf",
    "scripts",
    "docs",
    "run.py",
    "pyproject.toml",
    "mkdocs.yml",
    "README.md",
)
TESTS = ("__init__.py", "conftest.py", "figures.py", "browser", "experiments", "erf")
REFERENCE = Path("results") / "reference"


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A copy of it as it is."""
    folder = tmp_path_factory.mktemp("copy")
    for part in (*PARTS, *(f"tests/{name}" for name in TESTS)):
        source, target = ROOT / part, folder / part
        target.parent.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    (folder / REFERENCE).parent.mkdir()
    (folder / REFERENCE).symlink_to(ROOT / REFERENCE)
    return folder


@pytest.fixture(scope="module")
def before(repository):
    """Its files."""
    return {path: path.read_bytes() for path in repository.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def copy(repository, before):
    """The copy with the page's files written."""
    for path, text in FILES.items():
        assert repository / path not in before
        (repository / path).parent.mkdir(exist_ok=True)
        (repository / path).write_text(text)
    return repository


def run(folder, *command):
    environment = os.environ | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1", "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


SIZES, TRF_SIZE = [3, 5], 9
RUN = ["experiment=equal_field", "kernel_sizes=[3,5]", f"trf_size={TRF_SIZE}", "runs=100", "bootstrap=50"]
TESTS_OF_IT = ["-q", "-k", "equal_field", "tests/experiments/equal_field", "tests/experiments/test_experiments.py"]
# Both in one process, as it takes seconds to begin; pytest comes first, as it wants to import the modules itself.
TEST_AND_RUN = f"""
import sys, pytest
code = pytest.main({TESTS_OF_IT})
from experiments.harness.cli import main
sys.exit(code or main({RUN}))
"""


@pytest.fixture(scope="module")
def printed(copy):
    """What the tests of the page's experiment, and then a run of it, print."""
    return run(copy, "-c", TEST_AND_RUN)


@pytest.fixture(scope="module")
def site(copy, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    run(copy, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", folder)
    return folder


def test_the_experiment_of_the_page_runs_and_leaves_the_record_that_theory_predicts(copy, printed):
    (folder,) = (copy / "results" / "runs" / "equal_field").iterdir()
    assert str(folder.relative_to(copy) / "result.json") in printed
    record = json.loads((folder / "result.json").read_text())
    assert [point["depth"] for point in record["points"]] == [4, 2]
    for kernel_size, point in zip(SIZES, record["points"], strict=True):
        expected = math.sqrt((TRF_SIZE - 1) * (kernel_size + 1) / 12)
        assert point["predicted_sigma"] == pytest.approx(expected, rel=1e-12)
        assert point["sigma"] == pytest.approx(expected, rel=0.05)
    assert (folder / "equal_field.png").stat().st_size > 10_000


def test_the_experiment_of_the_page_passes_its_own_test_and_those_of_every_experiment(printed):
    assert int(re.search(r"(\d+) passed", printed)[1]) >= 9


@pytest.mark.slow
def test_its_page_is_in_the_navigation_and_in_the_overview_and_its_series_among_the_tags(site):
    assert (site / "experiments" / "index.html").read_text().count('href="equal_field/"') >= 2
    assert "metrics/sigma_KERNEL" in (site / "tags" / "index.html").read_text()


def test_it_adds_one_folder_with_its_tests_its_values_and_one_page():
    places = {path.rpartition("/")[0] if path.endswith(".py") else path for path in FILES}
    assert places == {
        "experiments/equal_field",
        "tests/experiments/equal_field",
        "conf/experiment/equal_field.yaml",
        "conf/scale/smallest/equal_field.yaml",
        "docs/experiments/equal_field.md",
    }


def test_it_changes_no_file_that_was_there(before, printed):
    assert len(before) > 300
    assert [path for path, content in before.items() if path.read_bytes() != content] == []


@pytest.mark.slow
def test_the_site_with_its_page_changes_none_either(before, site):
    assert [path for path, content in before.items() if path.read_bytes() != content] == []


def test_the_page_s_code_is_styled_as_all_code(copy):
    new = [path for path in FILES if path.endswith(".py")]
    assert len(new) == 6
    run(copy, "-m", "ruff", "check", *new)
    run(copy, "-m", "ruff", "format", "--check", *new)
