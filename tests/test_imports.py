"""Which modules may import which: imports point one way, also those that are for types alone."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Set
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LIGHT = {"torch", "numpy", "scipy", "erf"}
HEAVY = {"PIL", "hydra", "omegaconf", "tensorboard", "matplotlib", "lightning_fabric", "torchmetrics", "safetensors"}
MEASURING = {"experiments.harness.logbook", "experiments.harness.tensorboard_logbook", "experiments.harness.record"}
MEASURING |= {"experiments.harness.cli", "torch"}
# What must not know what: of each pair the first may be imported by the second, never the other way round.
BELOW = (
    ("erf.arguments", "erf.reachability"),
    ("erf.reachability", "erf.maps"),
    ("erf.maps", "erf.agreement"),
    ("erf.maps", "erf.metrics"),
    ("erf.maps", "erf.theory"),
    ("erf.metrics", "erf.networks"),
    ("erf.theory", "erf.networks"),
    ("erf.networks", "erf.stacks"),
    ("erf.metrics", "erf.training"),
    ("erf.metrics", "erf.layers"),
    ("erf.layers", "erf.card"),
    ("erf.card", "erf.measurement"),
    ("erf.measurement", "erf.command"),
    ("experiments.harness", "experiments.stacks"),
    ("experiments.harness", "experiments.trainings"),
    ("experiments.claims", "experiments.report"),
)


# A fresh interpreter runs these one after the other: to begin takes it longer than all the rest.
STEPS = {
    "bare": "import erf, erf.errors",
    "torch": "import torch, numpy, scipy.special",
    "interval": "from erf.metrics.jackknife import Estimate; Estimate(2.0, (1.0, 2.0, 3.0)).interval",
    "scipy": "import scipy.optimize, scipy.stats, scipy.signal, scipy.ndimage",
    "library": "from erf import *; import erf.networks, erf.data, erf.training",
    "matplotlib": "import matplotlib",
}


@pytest.fixture(scope="module")
def loaded() -> dict[str, set[str]]:
    """Return the modules that it has loaded after each step."""
    code = "import json, sys\n"
    for step in STEPS.values():
        code += f"{step}\nprint(json.dumps([*sys.modules]))\n"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return dict(zip(STEPS, map(set, map(json.loads, done.stdout.splitlines())), strict=True))


def top_level(modules: Set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


@pytest.mark.parametrize(("before", "after"), [("torch", "interval"), ("scipy", "library")])
def test_the_library_loads_torch_numpy_and_scipy_alone(before, after, loaded):
    """What they load themselves, and Python's own modules, are not ours."""
    assert {"torch", "erf"} <= loaded[after]
    new = top_level(loaded[after]) - top_level(loaded[before])
    assert new - set(sys.stdlib_module_names) <= LIGHT


def test_erf_alone_loads_nothing_before_its_first_use(loaded):
    assert "erf" in loaded["bare"]
    assert not loaded["bare"] & {"torch", "numpy", "scipy"}


def test_an_interval_does_without_scipys_distributions(loaded):
    """Their import takes longer than a small network's measurement."""
    assert "erf.metrics.jackknife" in loaded["interval"]
    assert "scipy.stats" not in loaded["interval"]
    assert "scipy.stats" in loaded["scipy"]


def test_what_is_loaded_is_seen(loaded):
    assert loaded["matplotlib"] & HEAVY - loaded["library"] == {"matplotlib", "PIL"}


def imports(path: Path) -> frozenset[str]:
    """Return every module that the file names in an import statement, at its top or in a function."""
    return imports_in(path.read_text())


@cache
def imports_in(code: str) -> frozenset[str]:
    """Return the same of the text of a file, which several tests read."""
    return frozenset(imported_by([parsed(code)]))


parsed = cache(ast.parse)


@pytest.fixture(scope="module", autouse=True)
def no_trees_left():
    """Leave none of the million nodes behind, which the garbage collector would search in all later tests."""
    yield
    parsed.cache_clear()


def imported_by(nodes: Iterable[ast.AST]) -> set[str]:
    names = set()
    for node in (inner for outer in nodes for inner in ast.walk(outer)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def optional_imports(path: Path) -> set[tuple[str, str]]:
    """Return the top-level modules imported under ``with extra(NAME)``, and NAME; what is for types alone has none."""
    return {
        (module.partition(".")[0], extra)
        for node in ast.walk(parsed(path.read_text()))
        for extra in _extras(node)
        for module in imported_by(node.body)  # pyright: ignore[reportAttributeAccessIssue]
    }


def _extras(node: ast.AST) -> list[str]:
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return [""]
    texts = [ast.unparse(item.context_expr) for item in node.items] if isinstance(node, ast.With) else []
    return [name for text in texts for name in re.findall(r"^extra\('(\w+)'\)$", text)]


def within(names: Set[str], modules: set[str]) -> set[str]:
    return {name for name in names for module in modules if f"{name}.".startswith(f"{module}.")}


def sources(folder: str, pattern: str = "*.py") -> list[Path]:
    return sorted((ROOT / folder).rglob(pattern))


@pytest.mark.parametrize("path", sources("erf"), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_library_knows_nothing_of_the_experiments(path):
    assert not within(imports(path), {"experiments", "scripts", "run", "hydra", "omegaconf", "tensorboard"})
    assert path.name == "plotting.py" or not within(imports(path), {"matplotlib"})


@pytest.mark.parametrize("path", sources("erf"), ids=lambda path: str(path.relative_to(ROOT)))
def test_what_the_library_can_do_without_is_imported_by_the_extra_that_installs_it(path):
    packages = {name.partition(".")[0] for name in imports(path)} - set(sys.stdlib_module_names) - LIGHT
    assert packages == {module for module, _ in optional_imports(path)} - LIGHT
    assert "erf" not in {node.module for node in ast.walk(parsed(path.read_text())) if isinstance(node, ast.ImportFrom)}


def test_each_extra_installs_what_is_imported_by_it():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    installs = {name: {canonicalize_name(Requirement(line).name) for line in lines} for name, lines in extras.items()}
    named = {
        pair
        for folder in ("erf", "experiments", "scripts")
        for path in sources(folder)
        for pair in optional_imports(path)
    }
    assert {extra for _, extra in named} == {"", "plot", "data", "card", "training", "cli", "timm", "benchmark"}
    packages = packages_distributions()
    for module, extra in named:
        assert not extra or installs[extra] & {canonicalize_name(name) for name in packages[module]}


@pytest.mark.parametrize("path", sources("experiments"), ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_command_line_knows_hydra(path):
    assert path.name in ("arguments.py", "cli.py") or not within(imports(path), {"hydra"})
    assert path.parent.name == "harness" or within(imports(path), {"omegaconf"}) <= {"omegaconf", "omegaconf.MISSING"}
    assert not within(imports(path), {"scripts", "run"})


@pytest.mark.parametrize("path", sources("experiments", "*figure.py"), ids=lambda path: str(path.relative_to(ROOT)))
def test_figures_measure_nothing(path):
    assert not within(imports(path), MEASURING)


@pytest.mark.parametrize("path", sources("experiments/report"), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_report_knows_no_experiment_by_name(path):
    folders = {about.parent.name for about in sources("experiments", "about.py")} - {"harness"}
    assert not within(imports(path), {f"experiments.{name}" for name in folders})


def arrows(root: Path, depth: int | None = None) -> set[tuple[str, str]]:
    """Return who imports whom in a package, a package by its own statements; of names cut to ``depth`` parts."""
    files = {
        ".".join(path.relative_to(root.parent).with_suffix("").parts).removesuffix(".__init__"): path
        for path in root.rglob("*.py")
    }
    cut = lambda name: ".".join(name.split(".")[:depth])  # noqa: E731
    pairs = set()
    for name, path in files.items():
        named = imports(path) & files.keys()
        # A package that is named only on the way to one of its modules is not what is imported.
        named -= {one for one in named for other in named if other.startswith(f"{one}.")} - _imported_names(path, files)
        pairs |= {(cut(name), cut(other)) for other in named if cut(name) != cut(other)}
    return pairs


def _imported_names(path: Path, files: dict[str, Path]) -> set[str]:
    """Return the modules of which the file imports something that is no module."""
    return {
        node.module
        for node in ast.walk(parsed(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module
        if any(f"{node.module}.{alias.name}" not in files for alias in node.names)
    }


def cycle(arrows: set[tuple[str, str]]) -> list[str]:
    """Return names of which each imports the next and the last the first; none where there is no such circle."""
    left = set(arrows)
    while ends := {a for pair in left for a in pair} - {a for a, _ in left}:
        left = {(a, b) for a, b in left if b not in ends}
    if not left:
        return []
    path = [min(a for a, _ in left)]
    while path[-1] not in path[:-1]:
        path.append(min(b for a, b in left if a == path[-1]))
    return path[path.index(path[-1]) :]


@pytest.mark.parametrize("package", ["erf", "experiments"])
@pytest.mark.parametrize("depth", [2, None], ids=["rooms", "modules"])
def test_imports_go_round_in_no_circle(package, depth):
    rooms = {(a, b) for a, b in arrows(ROOT / package, depth) if package not in (a, b)}
    assert len(rooms) > 30
    assert not cycle(rooms)


@pytest.mark.parametrize("package", ["erf", "experiments"])
def test_what_lies_below_knows_nothing_of_what_lies_above(package):
    rooms = arrows(ROOT / package, 2)
    above = {low: {high for below, high in BELOW if below == low} for low, _ in BELOW}
    for low in above:
        for high in list(above[low]):
            above[low] |= above.get(high, set())
    assert not [(low, high) for low, high in rooms if high in above.get(low, set())]


@pytest.mark.parametrize("name", ["erf", "experiments"])
def test_a_folder_fits_one_screen(name):
    entries = {path.name for path in (ROOT / name).iterdir()} - {"__pycache__", "__init__.py"}
    assert len(entries) <= 24


def test_the_rules_can_be_broken(tmp_path):
    path = tmp_path / "bad.py"
    path.write_text("def f():\n    from experiments.harness import logbook\n    import matplotlib.pyplot\n")
    assert within(imports(path), MEASURING) == {"experiments.harness.logbook"}
    assert within(imports(path), {"matplotlib"}) == {"matplotlib.pyplot"}


def test_an_optional_import_is_seen_with_its_extra(tmp_path):
    path = tmp_path / "optional.py"
    path.write_text('def f():\n    with extra("plot"):\n        import a.b\n        from c import d\nimport e\n')
    assert optional_imports(path) == {("a", "plot"), ("c", "plot")}
    path.write_text("if TYPE_CHECKING:\n    from a import b\n")
    assert optional_imports(path) == {("a", "")}


def test_a_circle_is_seen_where_it_is_for_types_alone(tmp_path):
    package = tmp_path / "p"
    (package / "room").mkdir(parents=True)
    (package / "a.py").write_text("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from p.room.b import B\n")
    (package / "room" / "b.py").write_text("from p import c\n")
    (package / "c.py").write_text("import p.a\n")
    assert cycle(arrows(package)) == ["p.a", "p.room.b", "p.c", "p.a"]
    (package / "c.py").write_text("")
    assert arrows(package) == {("p.a", "p.room.b"), ("p.room.b", "p.c")}
    assert cycle(arrows(package)) == []
