"""A measurement as text that fits the terminal, and as HTML for a notebook."""

from __future__ import annotations

import html
import shutil
import textwrap
from collections.abc import Iterator, Sequence

from erf.measurement.layer import LayerMeasurement, Setting
from erf.measurement.words import axes_text, is_infinite, ratio_text, size_text, trf_text

WIDE = 110  # columns of a terminal from which on a layer takes one line
HEADINGS = ("layer", "TRF", "jump", "ERF size (95 %)", "raw", "ratio", "sigma", "r50", "r95")
LEGEND = (
    "In pixels. TRF: theoretical receptive field. ERF size: side of the region above 4.55 % of the center, on the map "
    "averaged over the jump between units, which may make it larger than a small TRF. raw: the same on the map as it "
    "is; ratio: raw over TRF. sigma: of a Gaussian fit. r50, r95: radii that hold 50 and 95 % of the influence."
)
OF_THEORY = "theory: the ERF size that is expected over fresh weights of the same variances."


def as_text(layers: Sequence[LayerMeasurement], setting: Setting, width: int | None = None) -> str:
    """Return the table of layers and what must be known about them, in lines of at most ``width`` columns.

    Nothing is cut: a name or number that is longer than that has a line of its own.
    """
    width = width or shutil.get_terminal_size().columns
    rows = _in_one_line if width >= WIDE else _in_two_lines
    parts = [
        textwrap.fill(headline(layers, setting), width, break_long_words=False),
        textwrap.fill(measured_on(layers, setting), width, break_long_words=False),
        "",
        *rows(layers),
        "",
        textwrap.fill(_legend(layers), width),
    ]
    for names, note in grouped_notes(layers):
        parts.append(textwrap.fill(f"{names}: {note}", width, subsequent_indent="  ", break_long_words=False))
    return "\n".join(parts)


def headline(layers: Sequence[LayerMeasurement], setting: Setting) -> str:
    """Return the answer in one sentence: how far the deepest layer sees."""
    layer = layers[-1]
    size = axes_text(setting.input_size)
    if layer.erf_size is None:
        return f"{setting.network}: no pixel of the image has an influence on {layer.name}."
    infinite = is_infinite(layer.trf_size)
    field = "that spans the image" if infinite else f"of {axes_text(layer.trf_size)}"
    return (
        f"{setting.network}: {layer.name} sees effectively {size_text(layer.erf_size, layer.interval)} pixels, "
        f"of a theoretical field {field}; the image has {size}."
    )


def measured_on(layers: Sequence[LayerMeasurement], setting: Setting) -> str:
    """Return on what was measured, and how."""
    imap = layers[0].map
    return (
        f"On {setting.images}, {axes_text(setting.input_size)} pixels; {imap.statistic} over images and input "
        f"channels, aggregation {imap.aggregation}; mode {setting.mode}, seed {setting.seed}."
    )


def _has_theory(layers: Sequence[LayerMeasurement]) -> bool:
    return layers[0].expected is not None


def _headings(layers: Sequence[LayerMeasurement]) -> tuple[str, ...]:
    return (*HEADINGS, "theory") if _has_theory(layers) else HEADINGS


def _legend(layers: Sequence[LayerMeasurement]) -> str:
    return f"{LEGEND} {OF_THEORY}" if _has_theory(layers) else LEGEND


def _cells(layer: LayerMeasurement) -> tuple[str, ...]:
    expected = () if layer.expected is None else (axes_text([layer.expected.erf_size], 1),)
    return (
        layer.name,
        trf_text(layer),
        axes_text(layer.field.jump),
        size_text(layer.erf_size, layer.interval),
        axes_text([layer.raw_size], 1),
        ratio_text(layer, 2),
        axes_text(layer.sigma, 1),
        axes_text([layer.r50], 1),
        axes_text([layer.r95], 1),
        *expected,
    )


def _in_one_line(layers: Sequence[LayerMeasurement]) -> Iterator[str]:
    rows = [_headings(layers), *map(_cells, layers)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        name, *numbers = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join([name, *numbers]).rstrip()


def _in_two_lines(layers: Sequence[LayerMeasurement]) -> Iterator[str]:
    for layer in layers:
        name, trf, jump, size, raw, ratio, sigma, r50, r95, *expected = _cells(layer)
        theory = "".join(f", theory {cell}" for cell in expected)
        yield f"{name}: ERF {size}, TRF {trf}, ratio {ratio}"
        yield f"    raw {raw}, jump {jump}, sigma {sigma}, r50 {r50}, r95 {r95}{theory}"


def grouped_notes(layers: Sequence[LayerMeasurement]) -> Iterator[tuple[str, str]]:
    """Yield each note once, behind the names of all layers that it is about."""
    names: dict[str, list[str]] = {}
    for layer in layers:
        for note in layer.notes:
            names.setdefault(note, []).append(layer.name)
    return ((", ".join(about), note) for note, about in names.items())


def as_html(layers: Sequence[LayerMeasurement], setting: Setting) -> str:
    """Return the table for a notebook: notes fold without scripts, and one that shows no styles shows the text."""
    rows = "".join(
        f"<tr><th>{html.escape(name)}</th>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells)}</tr>"
        for name, *cells in map(_cells, layers)
    )
    headings = "".join(f"<th>{heading}</th>" for heading in _headings(layers))
    notes = "".join(
        f"<li><b>{html.escape(names)}</b>: {html.escape(note)}</li>" for names, note in grouped_notes(layers)
    )
    folded = f"<details><summary>What to know</summary><p>{_legend(layers)}</p><ul>{notes}</ul></details>"
    return (
        "<div><style>.erf-text {display: none} .erf-table {display: block !important}</style>"
        f'<pre class="erf-text">{html.escape(as_text(layers, setting, 80))}</pre>'
        f'<div class="erf-table" hidden><p><b>{html.escape(headline(layers, setting))}</b><br>'
        f"{html.escape(measured_on(layers, setting))}</p><table><tr>{headings}</tr>{rows}</table>{folded}</div></div>"
    )
