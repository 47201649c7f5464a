"""The reference on the site has each public name once, and docstrings become Markdown that says the same."""

import pkgutil
import re
from collections import Counter
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from scripts.docs_reference import as_markdown
from tests.test_public import PUBLIC

PAGES = Path(__file__).parents[2] / "docs" / "reference"


def entries(module: str) -> list[str]:
    """Return the names that the page of a public module documents."""
    return re.findall(r"(?m)^::: (.+)$", (PAGES / f"{module.removeprefix('erf.')}.md").read_text())


@pytest.mark.parametrize("module", PUBLIC)
def test_each_public_name_is_documented_on_the_page_of_a_module_that_has_it(module):
    documented = [pkgutil.resolve_name(name) for page in PUBLIC for name in entries(page)]
    exported = {name: pkgutil.resolve_name(f"{module}.{name}") for name in import_module(module).__all__}
    names = {name for name, one in exported.items() if not isinstance(one, ModuleType)}
    assert len(names) > 2
    assert {name for name in names if not any(one is exported[name] for one in documented)} == set()


def test_no_name_is_documented_twice():
    assert [path.stem for path in sorted(PAGES.glob("*.md"))] == sorted(name.removeprefix("erf.") for name in PUBLIC)
    counts = Counter(id(pkgutil.resolve_name(name)) for page in PUBLIC for name in entries(page))
    assert len(counts) > 80
    assert set(counts.values()) == {1}


def test_an_example_becomes_code_where_it_stands():
    text = "Say.\n\n    >>> 1 + 1\n    2\n\n>>> print(\n...     3)\n3"
    assert as_markdown(text) == (
        "Say.\n\n    ```pycon\n    >>> 1 + 1\n    2\n    ```\n\n```pycon\n>>> print(\n...     3)\n3\n```"
    )


def test_names_of_the_library_become_links_and_others_code():
    text = as_markdown("As :func:`erf.compare`, :attr:`size` and :class:`BasicBlock`.")
    assert text == "As [`erf.compare`][erf.compare], `size` and `BasicBlock`."


def test_formulas_become_pictures():
    text = as_markdown("With\n\n.. math:: a = b, \\quad\n          c = \\frac{1}{2}\n\nand :math:`x_i`.")
    assert re.findall('aria-label="([^"]+)"', text) == ["a = b,", r"c = \dfrac{1}{2}", "x_i"]
    svg = "<svg .*</svg>"
    assert re.fullmatch(rf'With\n\n<div class="formula">{svg} {svg}</div>\n\nand {svg}\.', text)
