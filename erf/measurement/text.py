"""A measurement as text that fits the terminal, and as HTML for a notebook."""

from __future__ import annotations

import html
import shutil
import textwrap
from collections.abc import Iterator, Sequence

from erf.card.numbers import axes_text
from erf.card.table import RAW, columns
from erf.card.words import headline, lengths, notes
from erf.measurement.layer import LayerMeasurement, Setting

WIDE = 110  # columns of a terminal from which on a layer takes one line
NO_BREAK = "\N{NO-BREAK SPACE}"


def as_text(layers: Sequence[LayerMeasurement], setting: Setting, width: int | None = None) -> str:
    """Return the table of layers and what must be known about them, in lines of at most ``width`` columns.

    Nothing is cut: a name or number that is longer than that has a line of its own.
    """
    width = width or shutil.get_terminal_size().columns
    rows = list(_in_one_line(layers))
    if width < WIDE or max(map(len, rows)) > width:
        rows = [_filled(line, width, "        ") for line in _in_two_lines(layers)]
    parts = [
        _filled(answer(layers, setting), width),
        _filled(measured_on(layers, setting), width),
        "",
        *rows,
        "",
        _filled(legend(layers), width),
        *(_filled(f"{names}: {note}", width, "  ") for note, names in notes(layers)),
    ]
    return "\n".join(parts)


def _filled(text: str, width: int, indent: str = "") -> str:
    """Return lines of at most ``width`` columns but for longer words; it breaks at no :data:`NO_BREAK`."""
    lines = textwrap.fill(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return lines.replace(NO_BREAK, " ")


def answer(layers: Sequence[LayerMeasurement], setting: Setting) -> str:
    """Return the answer in a sentence or two: how far the deepest layer sees."""
    return f"{setting.network}: {headline(layers[-1])}"


def measured_on(layers: Sequence[LayerMeasurement], setting: Setting) -> str:
    """Return on what was measured, and how."""
    imap = layers[0].map
    return (
        f"On {setting.images}, {axes_text(setting.input_size)} pixels; {imap.statistic} over images and input "
        f"channels, aggregation {imap.aggregation}; mode {setting.mode}, seed {setting.seed}."
    )


def legend(layers: Sequence[LayerMeasurement]) -> str:
    """Return what the columns hold."""
    meanings = "".join(f" {column.title}: {column.meaning}." for column in columns(layers))
    return f"Lengths are in {lengths(layers[0])}.{meanings}"


def _in_one_line(layers: Sequence[LayerMeasurement]) -> Iterator[str]:
    table = columns(layers)
    rows = [["layer", *(column.title for column in table)]]
    rows += [[layer.name, *(column.text(layer) for column in table)] for layer in layers]
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(map(str.ljust, row, widths)).rstrip()


def _in_two_lines(layers: Sequence[LayerMeasurement]) -> Iterator[str]:
    """Yield for each layer its sizes and their ratio, and what is expected; below them the rest."""
    table = columns(layers)
    rest = [column.title for column in table].index(RAW)
    for layer in layers:
        cells = [f"{column.title} {column.text(layer)}".replace(" ", NO_BREAK) for column in table]
        yield f"{layer.name}: {', '.join(cells[:rest])}"
        yield f"{NO_BREAK * 4}{', '.join(cells[rest:])}"


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
