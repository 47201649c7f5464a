"""What mkdocs does beside its own: tables, formulas, notebooks, pages of experiments, files that pages link to.

Pages are written for the repository, where a link may leave docs/. The site has such a file under the same path, so
that both are read without a server of the repository.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from posixpath import dirname, join, normpath, relpath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

sys.path.insert(0, str(Path(__file__).parents[1]))  # experiments are not installed

from experiments.claims import CLAIMS, OURS
from experiments.harness.about import about
from experiments.harness.experiment import experiment_names, experiment_of
from experiments.report.formulas import with_formulas

ROOT = Path(__file__).parents[1]
DOCS = "docs"
WIDE = re.compile(r"(?m)^\|([^|\n]*\|){7,}$")
TABLE = re.compile("<table>(.*?)</table>", re.DOTALL)
FIGURE = re.compile(r'<p>(<img [^>]*src="([^":]+)"[^>]*>)</p>')
FIRST_NUMBER = re.compile(r"(?s)(\A<tr>\s*<td[^>]*)(?=>[\d.,]+</td>)")
CODE = re.compile("(?<=<pre>)(.*?)(?=</pre>)", re.DOTALL)
IN_COLUMNS = re.compile(r"(?m)(?!^\.\.\.)^.*\S {2,}[^\s#]")
LINK = re.compile(r"(?<=\]\()((?:\.\./)+[^)#\s]+)")
CLAIMS_PAGE = "claims.md"
SERIES_HERE = "<!-- series -->"
EXPERIMENTS_HERE = re.compile(r"<!-- experiments -->\n.*?<!-- end of experiments -->\n", re.DOTALL)
EXPERIMENTS = ROOT / DOCS / "experiments"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the page of each experiment into the navigation, below the overview."""
    (below,) = [part["Experiments"] for part in config.nav or [] if "Experiments" in part]
    below[1:1] = [{title: f"experiments/{page.name}"} for title, page in experiment_pages().items()]
    return config


def experiment_pages() -> dict[str, Path]:
    """Return the pages of docs/experiments/ that tell of experiments, by the experiments that their titles name."""
    pages = {}
    for page in sorted(EXPERIMENTS.glob("*.md")):
        title = page.read_text().partition("\n")[0]
        if names := [name for name in experiment_names() if re.search(rf"\b{name}\b", title)]:
            pages[", ".join(names)] = page
    return pages


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each notebook, and every file outside docs/ that a page links to."""
    for notebook in [file for file in files if file.src_uri.endswith(".ipynb")]:
        page = notebook_page(json.loads(notebook.content_string))
        files.append(File.generated(config, f"{notebook.src_uri.removesuffix('.ipynb')}.md", content=page))
    outside = {path for page in files.documentation_pages() for path in _links_outside(page)}
    for path in sorted(outside):
        files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Return a page's text as the site shows it."""
    if WIDE.search(markdown):
        page.meta["hide"] = ["toc"]  # the table needs its room
    text = re.sub(SERIES_HERE, lambda _: _series(), markdown)
    text = EXPERIMENTS_HERE.sub(lambda _: _experiments(), text)
    text = with_formulas(text).replace(".ipynb)", ".md)")
    return _each_outside(text, page.file.src_uri, lambda path: relpath(path, dirname(page.file.src_uri) or "."))


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Return a page's HTML with what its style needs: labelled tables, figures that open, code that may be wrapped."""
    name = ' class="cards"' if page.file.src_uri == CLAIMS_PAGE else ""
    html = TABLE.sub(lambda table: f"<table{name}>{labelled(table[1])}</table>", html)
    return wrapping(FIGURE.sub(r'<p><a href="\2" title="the figure alone, in its own size">\1</a></p>', html))


def labelled(table: str) -> str:
    """Return a table's HTML in which each cell names its column; a row's first is marked if it is but a number."""
    titles = re.findall(r"<th\b[^>]*>(.*?)</th>", table)
    titles = [re.sub("<[^>]+>", "", title).replace('"', "&quot;") for title in titles]

    def row(cells: re.Match) -> str:
        columns = iter(titles)
        named = re.sub("<td", lambda _: f'<td data-label="{next(columns)}"', cells[0])
        return FIRST_NUMBER.sub(r"\1 data-number", named, count=1)

    return re.sub("<tr>.*?</tr>", row, table, flags=re.DOTALL)


def wrapping(html: str) -> str:
    """Return HTML in which lines of code that are too long are wrapped, but not where words stand in columns."""

    def code(block: re.Match) -> str:
        columns = IN_COLUMNS.search(re.sub("<[^>]+>", "", block[0]))
        return block[0] if columns else block[0].replace("<code", '<code data-wraps="yes"')

    return CODE.sub(code, html)


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


def _series() -> str:
    """Return the tables of all that the experiments log."""
    parts = []
    for name in experiment_names():
        rows = [f"| `{one.tag}` | {one.step} | {one.meaning} |" for one in about(name).series]
        parts.append("\n".join([f"### {name}", "", "| tag | step | meaning |", "|---|---|---|", *rows]))
    return "\n\n".join(parts)


def _experiments() -> str:
    """Return the table of all experiments."""
    rows = []
    for title, page in experiment_pages().items():
        names = title.split(", ")
        rows.append(f"| [{title}]({page.name}) | {about(names[0]).question} | {_claims_of(names) or '-'} |")
    return "\n".join(["| experiment | question | claims |", "|---|---|---|", *rows, ""])


def _claims_of(names: list[str]) -> str:
    """Return the ids of the claims that runs of these experiments decide."""
    rows = [claim(Path("none")) for claim in (*CLAIMS, *OURS)]
    return ", ".join(row.id for row in rows if {experiment_of(run) for run in row.runs} & {*names})


def _links_outside(page: File) -> list[str]:
    paths: list[str] = []
    _each_outside(page.content_string, page.src_uri, lambda path: paths.append(path) or path)
    for path in paths:
        if not (ROOT / path).is_file() or path.endswith(".md"):
            raise PluginError(
                f"{DOCS}/{page.src_uri}: links to {path}; allowed are files, but no paths outside {DOCS}/"
            )
    return paths


def _each_outside(markdown: str, page: str, replaced: Callable[[str], str]) -> str:
    """Replace the target, a path in the repository, of each link of ``page`` that leaves docs/."""

    def target(link: re.Match) -> str:
        path = normpath(join(DOCS, dirname(page), link[0]))
        return link[0] if path.startswith(f"{DOCS}/") else replaced(path)

    return LINK.sub(target, markdown)
