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


def test_the_experiment_of_the_page_runs_and_leaves_the_record_that_theory_predicts(copy):
    sizes, trf_size = [3, 5], 9
    settings = [f"kernel_sizes={sizes}".replace(" ", ""), f"trf_size={trf_size}", "runs=100", "bootstrap=50"]
    printed = run(copy, "run.py", "experiment=equal_field", *settings)
    (folder,) = (copy / "results" / "runs" / "equal_field").iterdir()
    assert str(folder.relative_to(copy) / "result.json") in printed
    record = json.loads((folder / "result.json").read_text())
    assert [point["depth"] for point in record["points"]] == [4, 2]
    for kernel_size, point in zip(sizes, record["points"], strict=True):
        expected = math.sqrt((trf_size - 1) * (kernel_size + 1) / 12)
        assert point["predicted_sigma"] == pytest.approx(expected, rel=1e-12)
        assert point["sigma"] == pytest.approx(expected, rel=0.05)
    assert (folder / "equal_field.png").stat().st_size > 10_000


def test_the_experiment_of_the_page_passes_its_own_test_and_those_of_every_experiment(copy):
    files = [f"tests/experiments/test_{name}.py" for name in ("equal_field", "experiments")]
    printed = run(copy, "-m", "pytest", "-q", "-k", "equal_field or tried_here", *files)
    assert int(re.search(r"(\d+) passed", printed)[1]) >= 10
    assert "skipped" not in printed


def test_the_page_s_code_is_styled_as_all_code(copy):
    new = [path for path, place, _ in BLOCK.findall(PAGE) if not place and path.endswith(".py")]
    assert len(new) == 3
    run(copy, "-m", "ruff", "check", *new)
    run(copy, "-m", "ruff", "format", "--check", *new)
