"""What mkdocs does beside its own: the claim table, the notebooks, and files of the repository that pages link to.

Pages are written for the repository, where a link may leave docs/. The site has such a file under the same path, so
that both are read without a server of the repository.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from posixpath import dirname, join, normpath, relpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
DOCS = "docs"
LINK = re.compile(r"(?<=\]\()((?:\.\./)+[^)#\s]+)")
CLAIMS = re.compile(r"<!-- claims: .*?-->\n(.*?)<!-- end of claims -->", re.DOTALL)
CLAIMS_HERE = "<!-- claims -->"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each notebook, and every file outside docs/ that a page links to."""
    for notebook in [file for file in files if file.src_uri.endswith(".ipynb")]:
        page = notebook_page(json.loads(notebook.content_string))
        files.append(File.generated(config, _page_of(notebook.src_uri), content=page))
    outside = {path for page in files.documentation_pages() for path in _links_outside(page)}
    for path in sorted(outside):
        files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Return a page's text as the site shows it."""
    if CLAIMS_HERE in markdown:
        page.meta["hide"] = ["toc"]  # the table needs its room
    text = _with_claims(markdown).replace(".ipynb)", ".md)")
    return _each_outside(text, page.file.src_uri, lambda path: relpath(path, dirname(page.file.src_uri) or "."))


def notebook_page(notebook: dict) -> str:
    """Return a notebook as Markdown: its text, its code, and what each cell printed and drew."""
    parts = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        parts += [_shown(output) for output in cell.get("outputs", [])]
    return "\n\n".join(parts) + "\n"


def _shown(output: dict) -> str:
    data = output.get("data", {})
    if "image/png" in data:
        return f"![what the cell above draws](data:image/png;base64,{''.join(data['image/png']).replace(chr(10), '')})"
    return f"```text\n{''.join(output.get('text') or data['text/plain']).rstrip()}\n```"


def _page_of(notebook: str) -> str:
    return f"{notebook.removesuffix('.ipynb')}.md"


def _with_claims(markdown: str) -> str:
    """Put the README's claim table where a page wants it."""
    if CLAIMS_HERE not in markdown:
        return markdown
    table = CLAIMS.search((ROOT / "README.md").read_text())
    if not table:
        raise PluginError("README.md: it has no claim table between its two comments")
    return markdown.replace(CLAIMS_HERE, table[1].replace("](", "](../"))


def _links_outside(page: File) -> list[str]:
    found: list[str] = []
    _each_outside(_with_claims(page.content_string), page.src_uri, lambda path: found.append(path) or path)
    for path in found:
        if not (ROOT / path).is_file() or path.endswith(".md"):
            raise PluginError(
                f"{DOCS}/{page.src_uri}: links to {path}; allowed are files, but no pages outside {DOCS}/"
            )
    return found


def _each_outside(markdown: str, page: str, replaced: Callable[[str], str]) -> str:
    """Replace the target, a path in the repository, of each link of ``page`` that leaves docs/."""

    def target(link: re.Match) -> str:
        path = normpath(join(DOCS, dirname(page), link[0]))
        return link[0] if path.startswith(f"{DOCS}/") else replaced(path)

    return LINK.sub(target, markdown)
