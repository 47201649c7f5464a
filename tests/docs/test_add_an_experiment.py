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
BLOCK = re.compile(r"^### `([^`]+)`([^\n]*)\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PARTS = ("erf", "experiments", "conf", "scripts", "docs", "run.py", "pyproject.toml", "mkdocs.yml", "README.md")
TESTS = ("__init__.py", "conftest.py", "experiments", "erf")
# Where the page says that a block is put into a file that is there.
PLACES = {
    "tests/experiments/test_experiments.py": "TOY = {\n",
    "docs/tags.md": "|---|---|---|---|\n",
    "mkdocs.yml": "      - Overview: experiments/index.md\n",
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The repository with the page's files written and its additions made."""
    folder = tmp_path_factory.mktemp("copy")
    for part in (*PARTS, *(f"tests/{name}" for name in TESTS)):
        source, target = ROOT / part, folder / part
        target.parent.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "pictures"))
        else:
            shutil.copy(source, target)
    for path, place, text in BLOCK.findall(PAGE):
        if place:
            before = (folder / path).read_text()
            assert before.count(PLACES[path]) == 1
            text = before.replace(PLACES[path], PLACES[path] + text)
        else:
            assert not (folder / path).exists()
        (folder / path).write_text(text)
    return folder


def run(folder, *command):
    environment = os.environ | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


SIZES, TRF_SIZE = [3, 5], 9
RUN = ["experiment=equal_field", "kernel_sizes=[3,5]", f"trf_size={TRF_SIZE}", "runs=100", "bootstrap=50"]
TESTS_OF_IT = ["-q", "-k", "equal_field or tried_here"]
TESTS_OF_IT += [f"tests/experiments/test_{name}.py" for name in ("equal_field", "experiments")]
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
    assert int(re.search(r"(\d+) passed", printed)[1]) >= 10
    assert "skipped" not in printed


def test_the_page_s_code_is_styled_as_all_code(copy):
    new = [path for path, place, _ in BLOCK.findall(PAGE) if not place and path.endswith(".py")]
    assert len(new) == 3
    run(copy, "-m", "ruff", "check", *new)
    run(copy, "-m", "ruff", "format", "--check", *new)
