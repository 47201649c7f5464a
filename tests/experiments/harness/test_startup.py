"""What run.py loads before it says anything, and what it says where something is missing or broken."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.harness.experiment import experiment_names
from tests.test_imports import imports

ROOT = Path(__file__).parents[3]
SLOW = {"torchvision", "lightning_fabric", "torchmetrics", "matplotlib", "tensorboard"}  # each takes seconds to load
BUILT_ON = {
    "growth_controls": {"cifar10"},
    "growth_start": {"camvid", "cifar10"},
    "magnitudes_and_signs": {"camvid", "cifar10", "growth_start"},
}


def ran(*arguments: str, root: Path = ROOT, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *options, root / "run.py", *arguments]
    return subprocess.run(command, cwd=root, capture_output=True, text=True)


LISTING = """
import atexit, json, runpy, sys
path, *sys.argv = sys.argv[1:]
atexit.register(lambda: open(path, "w").write(json.dumps([*sys.modules])))
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def loaded_by(path: Path, *arguments: str) -> tuple[set[str], subprocess.CompletedProcess[str]]:
    """Return the modules that ``run.py`` has loaded at its end, noted down in ``path``, and what it did."""
    done = ran(*arguments, options=("-c", LISTING, str(path)))
    return set(json.loads(path.read_text())), done


def experiments_in(modules: set[str]) -> set[str]:
    return {name for name in experiment_names() if f"experiments.{name}.experiment" in modules}


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["experiment=erf_growht"],
        *(pytest.param(each, marks=pytest.mark.slow) for each in (["--help"], ["experiment=erf_growht", "-m"])),
    ],
)
def test_a_list_and_a_misspelt_name_load_neither_torch_nor_an_experiment(arguments, tmp_path):
    modules, done = loaded_by(tmp_path / "modules", *arguments)
    assert "hydra" in modules
    assert not modules & {"torch", "scipy", *SLOW}
    assert experiments_in(modules) == set()
    refused = len(arguments) > 0 and arguments != ["--help"]
    assert done.returncode == refused
    assert ("experiment='erf_growht' is unknown; nearest: erf_growth; allowed: " in done.stderr) == refused


@pytest.mark.slow
def test_help_of_an_experiment_loads_that_one_alone(tmp_path):
    modules, done = loaded_by(tmp_path / "modules", "experiment=erf_growth", "--help")
    assert done.returncode == 0
    assert "torch" in modules
    assert experiments_in(modules) == {"erf_growth"}
    assert not modules & {*SLOW, "scipy.stats", "scipy.optimize", "scipy.ndimage"}


def test_no_experiment_loads_what_draws_logs_or_takes_seconds_before_it_runs():
    code = "import json, sys\nfrom experiments.harness.experiment import experiment_names, load\n"
    code += "for name in experiment_names(): load(name)\nprint(json.dumps([*sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    modules = set(json.loads(done.stdout))
    assert experiments_in(modules) == set(experiment_names())
    assert not modules & {*SLOW, "hydra"}


@pytest.mark.parametrize("name", experiment_names())
def test_an_experiment_imports_no_other_but_those_it_is_built_on(name):
    named = set().union(*(imports(path) for path in (ROOT / "experiments" / name).glob("*.py")))
    others = {
        other for other in experiment_names() if any(f"{one}.".startswith(f"experiments.{other}.") for one in named)
    }
    assert others - {name} == BUILT_ON.get(name, set())


@pytest.fixture(scope="module")
def broken(tmp_path_factory) -> Path:
    """A copy of the project whose experiment kernels does not import, nor what is said about subsampling."""
    root = tmp_path_factory.mktemp("broken")
    for name in ("experiments", "conf"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "run.py", root)
    (root / "erf").symlink_to(ROOT / "erf")
    (root / "experiments" / "kernels" / "experiment.py").write_text("import nothing_of_this_name\n")
    (root / "experiments" / "subsampling" / "about.py").write_text("SERIES = 1 / 0\n")
    return root


def test_what_does_not_import_is_listed(broken):
    done = ran(root=broken)
    assert (done.returncode, done.stderr) == (0, "")
    for name in experiment_names():
        assert any(line.startswith(f" {name} ") for line in done.stdout.splitlines())
    assert done.stdout.count("does not import: ZeroDivisionError: division by zero") == 1


@pytest.mark.slow
def test_what_does_not_import_breaks_no_other_experiment(broken):
    done = ran("experiment=growth_start", "--help", root=broken)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_does_not_import_says_where(broken):
    done = ran("experiment=kernels", "--help", root=broken)
    assert done.returncode == 1
    assert "nothing_of_this_name" in done.stderr


def test_outside_of_the_environment_one_line_says_how_to_activate_it():
    done = ran("experiment=erf_growth", options=("-I", "-S"))
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert (
        "has no torch, hydra, rich; activate the environment (. .venv/bin/activate), or make it (make)" in done.stderr
    )
