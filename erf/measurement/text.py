"""A measurement as text that fits the terminal, and as HTML for a notebook."""

from __future__ import annotations

import html
import shutil
import textwrap
from collections.abc import Sequence

from erf.card.sentences import headline, lengths, notes
from erf.card.table import RAW, columns
from erf.layers.measured_layer import LayerMeasurement, Setting
from erf.layers.numbers import axes_text
from erf.maps.precision import Precision

WIDE = 110  # columns of a terminal from which on a layer takes one line
NO_BREAK = "\N{NO-BREAK SPACE}"


def as_text(layers: Sequence[LayerMeasurement], setting: Setting, width: int | None = None) -> str:
    """Return the table of layers and what must be known about them, in lines of at most ``width`` columns.

    Nothing is cut: a name or number that is longer than that has a line of its own.
    """
    width = width or shutil.get_terminal_size().columns
    table = columns(layers)
    titles = [column.title for column in table]
    rows = [[layer.name, *(column.text(layer) for column in table)] for layer in layers]
    parts = [
        filled(answer(layers, setting), width),
        filled(measured_on(layers, setting), width),
        "",
        *laid_out(["layer", *titles], rows, titles.index(RAW) + 1, width),
        "",
        filled(legend(layers), width),
        *(filled(f"{names}: {note}", width, "  ") for note, names in notes(layers)),
    ]
    return "\n".join(parts)


def filled(text: str, width: int, indent: str = "") -> str:
    """Return lines of at most ``width`` columns but for longer words; no :data:`NO_BREAK` ends one, no % begins one."""
    text = text.replace(" %", f"{NO_BREAK}%")
    lines = textwrap.fill(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return lines.replace(NO_BREAK, " ")


def answer(layers: Sequence[LayerMeasurement], setting: Setting) -> str:
    """Return the answer in a sentence or two: how far the deepest layer sees."""
    return f"{setting.network}: {headline(layers[-1])}"


def measured_on(layers: Sequence[LayerMeasurement], setting: Setting) -> str:
    """Return on what was measured, and how."""
    imap = layers[0].map
    precision = "" if setting.precision == Precision.as_is else f", precision {setting.precision}"
    return (
        f"On {setting.images}, {axes_text(setting.input_size)} pixels; {imap.statistic} over images and input "
        f"channels, aggregation {imap.aggregation}; mode {setting.mode}, seed {setting.seed}{precision}."
    )


def legend(layers: Sequence[LayerMeasurement]) -> str:
    """Return what the columns hold."""
    meanings = "".join(f" {column.title}: {column.meaning}." for column in columns(layers))
    return f"Lengths are in {lengths(layers[0])}.{meanings}"


def laid_out(titles: Sequence[str], rows: Sequence[Sequence[str]], second: int, width: int) -> list[str]:
    """Return the lines of a table: one for each row where they fit a wide terminal, else two, with titles in them.

    Args:
        titles: Of the columns, the first of which has the rows' names.
        rows: Their cells.
        second: Index of the column at which a second line begins.
        width: Of the terminal.
    """
    widths = [max(map(len, cells)) for cells in zip(titles, *rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in (titles, *rows)]
    if width >= WIDE and max(map(len, lines)) <= width:
        return lines
    return [filled(line, width, "        ") for row in rows for line in _two_lines(titles, row, second)]


def _two_lines(titles: Sequence[str], row: Sequence[str], second: int) -> tuple[str, str]:
    cells = [f"{title} {cell}".replace(" ", NO_BREAK) for title, cell in zip(titles, row, strict=True)]
    return f"{row[0]}: {', '.join(cells[1:second])}", f"{NO_BREAK * 4}{', '.join(cells[second:])}"


def as_html(layers: Sequence[LayerMeasurement], setting: Setting) -> str:
    """Return the table for a notebook: notes fold without scripts, and one that shows no styles shows the text."""
    table = columns(layers)
    rows = "".join(
        f"<tr><th>{html.escape(layer.name)}</th>"
        f"{''.join(f'<td>{html.escape(column.text(layer))}</td>' for column in table)}</tr>"
        for layer in layers
    )
    headings = "".join(f"<th>{title}</th>" for title in ("layer", *(column.title for column in table)))
    known = "".join(f"<li><b>{html.escape(names)}</b>: {html.escape(note)}</li>" for note, names in notes(layers))
    folded = f"<details><summary>What to know</summary><p>{html.escape(legend(layers))}</p><ul>{known}</ul></details>"
    return (
        "<div><style>.erf-text {display: none} .erf-table {display: block !important}</style>"
        f'<pre class="erf-text">{html.escape(as_text(layers, setting, 80))}</pre>'
        f'<div class="erf-table" hidden><p><b>{html.escape(answer(layers, setting))}</b><br>'
        f"{html.escape(measured_on(layers, setting))}</p><table><tr>{headings}</tr>{rows}</table>{folded}</div></div>"
    )
