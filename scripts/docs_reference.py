"""Docstrings as the site's Markdown: examples as code, formulas as pictures, names of the library as links."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from griffe import Extension, Object

sys.path.insert(0, str(Path(__file__).parents[1]))  # experiments are not installed

from experiments.report.formulas import displayed, inline

PARAGRAPH = r".*(?:\n(?! *$).+)*"
EXAMPLE = re.compile(rf"(?m)^( *)(>>> {PARAGRAPH})")
FORMULA = re.compile(rf"(?m)^( *)\.\. math:: ({PARAGRAPH})")
ROLE = re.compile(r":(\w+):`([^`]+)`")


class Docstrings(Extension):
    """Rewrites each docstring before it is read as Markdown."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Rewrite that of ``obj``."""
        if obj.docstring:
            obj.docstring.value = as_markdown(obj.docstring.value)


def as_markdown(docstring: str) -> str:
    """Return a docstring whose examples, formulas and names the site can show."""
    text = EXAMPLE.sub(r"\1```pycon\n\1\2\n\1```", docstring)
    text = FORMULA.sub(lambda formula: formula[1] + displayed(formula[2]), text)
    return ROLE.sub(lambda role: _named(*role.groups()), text)


def _named(role: str, name: str) -> str:
    if role == "math":
        return inline(name)
    return f"[`{name}`][{name}]" if name.startswith("erf.") else f"`{name}`"
