"""Pages of one file: the templates of erf/card/, with their styles and the inspector inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from erf.card.png import MAGMA
from erf.errors import extra

with extra("card"):
    import jinja2

FOLDER = Path(__file__).parent


def rendered(template: str, *folders: Path, **named: Any) -> str:
    """Return the page that a template of ``folders``, or of this folder, makes of what is named.

    All that is inserted is escaped, unless the template says that it is safe.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([*folders, FOLDER]), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template(template).render(named, magma=MAGMA)
