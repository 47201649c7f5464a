"""What the pages send a user to is public, names in docstrings are there, and no module is hidden by its namesake."""

import ast
import json
import pkgutil
import re
import symtable
from importlib import import_module
from operator import attrgetter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PUBLIC = ["erf"] + [
    f"erf.{name}" for name in ("compatibility", "data", "inits", "networks", "plotting", "theory", "training")
]
FOR_DEVELOPERS = ROOT / "docs" / "add_an_experiment.md"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "docs").glob("*.ipynb"))]
PAGES.remove(FOR_DEVELOPERS)
SOURCES = sorted(path for folder in ("erf", "experiments", "scripts") for path in (ROOT / folder).rglob("*.py"))
DOTTED = re.compile(r"(?<![\w./-])erf(?:\.[A-Za-z]\w*)+")
IMPORT = re.compile(r"\bfrom (erf[\w.]*) import (\([^)]*\)|[^\n#]+)")
FILES = {"erf.py", "erf.gif"}  # OpenERF's, and one that a training leaves


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def text_of(page: Path) -> str:
    """Return the text of a page, of a notebook that of its cells."""
    if page.suffix == ".md":
        return page.read_text()
    return "\n\n".join("".join(cell["source"]) for cell in json.loads(page.read_text())["cells"])


def names_in(text: str) -> set[str]:
    """Return what a text names of the library, by its full name."""
    imported = {
        f"{module}.{name.split()[0]}"
        for module, names in IMPORT.findall(text)
        for name in names.strip("() \n").rstrip(",").split(",")
    }
    return (imported | set(DOTTED.findall(text))) - FILES


def is_public(name: str) -> bool:
    """Return whether it is a public module, stands in the ``__all__`` of one, or belongs to what does."""
    parts = name.split(".")
    modules = 2 if ".".join(parts[:2]) in PUBLIC else 1
    module, names = import_module(".".join(parts[:modules])), parts[modules:]
    return not names or (names[0] in module.__all__ and is_there(name))


def is_there(name: str) -> bool:
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True


def test_pages_send_no_one_to_what_is_not_public():
    internal = {relative(page): {name for name in names_in(text_of(page)) if not is_public(name)} for page in PAGES}
    assert {page: names for page, names in internal.items() if names} == {}


def test_the_table_of_moves_leads_to_what_is_public():
    new = "\n".join(re.findall(r"(?m)^\| `erf.* \| (.*) \|$", (ROOT / "CHANGELOG.md").read_text()))
    assert len(names_in(new)) > 15
    assert [name for name in sorted(names_in(new)) if not is_public(name)] == []


def test_what_docstrings_and_messages_name_is_there():
    missing = {relative(path): {name for name in _in_strings(path) if not is_there(name)} for path in SOURCES}
    assert {path: names for path, names in missing.items() if names} == {}


def _in_strings(path: Path) -> set[str]:
    constants = [node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)]
    return {name for text in constants if isinstance(text, str) for name in DOTTED.findall(text)} - FILES


def test_what_is_internal_or_not_there_is_seen():
    text = "`erf.seeds.derive`, erf.InfluenceMap.values, [erf](erf.md)\nerf.theory.variance(layers). See erf/maps.\n"
    text += (
        "from erf.maps.statistic import (\n    Statistic,\n)\nfrom erf import theory, compare as against  # and more\n"
    )
    public = {"erf.theory", "erf.compare", "erf.theory.variance"}
    internal = {"erf.seeds.derive", "erf.maps.statistic", "erf.maps.statistic.Statistic"}
    assert names_in(text) == public | internal | {"erf.InfluenceMap.values", "erf.md"}
    assert all(map(is_public, public))
    assert not any(map(is_public, internal))
    assert all(map(is_there, public | internal))
    assert not any(map(is_there, ["erf.maps.nothing", "erf.theory.nothing", "erf.InfluenceMap.nothing"]))
    assert not is_public("erf.InfluenceMap.nothing")


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_module_lists_what_it_has(name):
    module = import_module(name)
    assert len(set(module.__all__)) == len(module.__all__) > 1
    assert all(attrgetter(one)(module) is not None for one in module.__all__)


def test_the_reference_has_all_that_erf_exports():
    named = names_in((ROOT / "docs" / "library.md").read_text())
    assert [
        name for name in import_module("erf").__all__ if not any(f"{one}.".startswith(f"erf.{name}.") for one in named)
    ] == []


def hidden(root: Path) -> list[str]:
    """Return the modules below a package to whose names their own package gives something else."""
    namesakes = []
    for init in sorted(root.rglob("__init__.py")):
        package = ".".join(init.parent.relative_to(root.parent).parts)
        modules = {
            path.stem for path in init.parent.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
        }
        namesakes += [f"{package}.{name}" for name in sorted(modules & _bound(init.read_text(), package))]
    return namesakes


def _bound(source: str, package: str) -> set[str]:
    """Return the names that the package's own file gives to anything but its modules."""
    symbols = symtable.symtable(source, package, "exec").get_symbols()
    modules = {
        alias.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and node.module == package
        for alias in node.names
    }
    return {symbol.get_name() for symbol in symbols if symbol.is_assigned() or symbol.is_imported()} - modules


@pytest.mark.parametrize("package", ["erf", "experiments"])
def test_no_module_is_hidden_by_something_else_of_its_name(package):
    assert hidden(ROOT / package) == []


def test_a_hidden_module_is_seen(tmp_path):
    package = tmp_path / "p"
    (package / "room").mkdir(parents=True)
    (package / "__init__.py").write_text("from p import a, room\nfrom p.a import b\n")
    (package / "room" / "__init__.py").write_text("def c(): ...\nd = 1\n")
    for path in ("a.py", "b.py", "room/c.py", "room/d.py", "room/e.py"):
        (package / path).touch()
    assert hidden(package) == ["p.b", "p.room.c", "p.room.d"]
