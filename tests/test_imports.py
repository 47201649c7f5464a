import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = {"hydra", "omegaconf", "tensorboard", "matplotlib", "lightning_fabric", "torchmetrics", "safetensors"}
MEASURING = {"experiments.logbook", "experiments.record", "experiments.cli", "torch"}


def modules_after(statement: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter has loaded after ``statement``."""
    code = f"{statement}\nimport json, sys\nprint(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_the_library_needs_nothing_that_only_experiments_or_training_need():
    assert not modules_after("import erf") & HEAVY


def test_the_check_can_fail():
    assert modules_after("import matplotlib") & HEAVY == {"matplotlib"}


def imports(path: Path) -> set[str]:
    """Return every module that the file names in an import statement, at its top or in a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def within(names: set[str], modules: set[str]) -> set[str]:
    return {name for name in names for module in modules if f"{name}.".startswith(f"{module}.")}


def sources(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("path", sources("erf"), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_library_knows_nothing_of_the_experiments(path):
    assert not within(imports(path), {"experiments", "scripts", "run", "hydra", "omegaconf", "tensorboard"})
    assert path.name == "plotting.py" or not within(imports(path), {"matplotlib"})


@pytest.mark.parametrize("path", sources("experiments"), ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_command_line_knows_hydra(path):
    known = within(imports(path), {"hydra", "omegaconf"})
    assert path.name == "cli.py" or known <= {"omegaconf", "omegaconf.MISSING"}
    assert not within(imports(path), {"scripts", "run"})


@pytest.mark.parametrize("path", sources("experiments/figures"), ids=lambda path: str(path.relative_to(ROOT)))
def test_figures_measure_nothing(path):
    assert not within(imports(path), MEASURING)


def test_the_rules_can_be_broken(tmp_path):
    path = tmp_path / "bad.py"
    path.write_text("def f():\n    from experiments import logbook\n    import matplotlib.pyplot\n")
    assert within(imports(path), MEASURING) == {"experiments.logbook"}
    assert within(imports(path), {"matplotlib"}) == {"matplotlib.pyplot"}
