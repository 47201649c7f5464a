"""What erf says names nothing that a user without the repository does not have."""

import ast
from pathlib import Path

import erf


def texts(source: str) -> list[str]:
    """Return all strings of a module, docstrings included."""
    nodes = ast.walk(ast.parse(source))
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def test_no_text_names_a_page_by_its_path():
    files = sorted(Path(erf.__file__).parent.rglob("*.py"))
    assert [path.name for path in files if any("docs/" in text for text in texts(path.read_text()))] == []


def test_a_path_is_seen():
    assert texts('SAID = f"as {1} in docs/theory.md"')[-1] == " in docs/theory.md"
