"""A summary for the terminal as tables of HTML."""

from __future__ import annotations

from html import escape
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text


def as_html(summary: Any) -> str:
    """Return a table, a text, or a group of these as HTML."""
    if isinstance(summary, Group):
        return "\n".join(map(as_html, summary.renderables))
    if isinstance(summary, Table):
        return _table(summary)
    return f"<p>{_words(summary)}</p>"


def _table(table: Table) -> str:
    caption = f"<caption>{_words(table.title)}</caption>" if table.title else ""
    heading = "".join(f'<th scope="col">{_words(column.header)}</th>' for column in table.columns)
    rows = zip(*(column.cells for column in table.columns), strict=True)
    body = "\n".join(f"<tr>{''.join(f'<td>{_words(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table>{caption}\n<thead><tr>{heading}</tr></thead>\n<tbody>\n{body}\n</tbody></table>"


def _words(text: Any) -> str:
    """Return what the terminal would show of a text, without its colours."""
    return escape((text if isinstance(text, Text) else Text.from_markup(text)).plain)
