"""Figures and animations as files, the same bytes for the same picture."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from PIL import Image

from erf.files.atomic_file import atomic_write
from experiments.harness.style import COLUMN

MARGIN = 0.04  # inches, at both sides of a panel that stands alone


def write_figure(path: Path, figure: Figure, part: Bbox | None = None) -> None:
    """Write ``path.png``, ``path.svg`` and ``path.pdf``, the same bytes for the same figure; of a ``part`` in inches.

    Its label, which is its caption, becomes a text of each file: the Description, in a PDF the Subject.
    """
    caption = figure.get_label() or None
    kinds = {
        "png": {"Software": None, "Description": caption},
        "svg": {"Date": None, "Description": caption},
        "pdf": {"CreationDate": None, "Subject": caption},
    }
    with matplotlib.rc_context({"svg.hashsalt": "erf"}):
        for format, metadata in kinds.items():
            buffer = io.BytesIO()
            figure.savefig(buffer, format=format, metadata=metadata, bbox_inches=part)
            atomic_write(path.with_name(f"{path.name}.{format}"), buffer.getvalue())


def write_columns(path: Path, figure: Figure) -> list[Path]:
    """Write each panel of curves that fits one column of a paper as a figure of its own: ``path_column_1.png``, ...

    Text keeps its size; a panel that is a little too wide becomes narrower. A figure whose legend stands outside of its
    panels has no such form.

    Returns:
        The paths that were written, without their endings.
    """
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    panels = [axes for axes in _panels(figure) if _narrowed(axes)]
    paths = [path.with_name(f"{path.name}_column_{number}") for number, _ in enumerate(panels, 1)]
    for written, axes in zip(paths, panels, strict=True):
        for child in (*figure.get_children(), *figure.get_axes()):
            child.set_visible(child in (axes, axes.figure, figure.patch))
        box = _inches(axes)
        middle = (box.x0 + box.x1) / 2
        write_figure(written, figure, Bbox([[middle - COLUMN / 2, box.y0], [middle + COLUMN / 2, box.y1]]))
    return paths


def _panels(figure: Figure) -> list[Axes]:
    """Return the panels with curves that need no legend and no labels but their own."""
    if figure.legends or any(part.legends for part in figure.subfigs):
        return []
    panels = [axes for axes in figure.get_axes() if axes.lines and not axes.images]
    return [axes for axes in panels if axes.get_xlabel() and axes.get_ylabel()]


def _narrowed(axes: Axes) -> bool:
    """Make a panel as narrow as a column and return whether it is: it may lose a fifth of its width, but no title."""
    excess = _inches(axes).width + 2 * MARGIN - COLUMN
    width = axes.get_window_extent().width / axes.figure.dpi
    if 0 < excess <= 0.2 * width:
        place = axes.get_position()
        axes.set_position((place.x0, place.y0, place.width * (1 - excess / width), place.height))
    return _inches(axes).width <= COLUMN - MARGIN


def _inches(axes: Axes) -> Bbox:
    """Return where a panel with its labels is."""
    box = axes.get_tightbbox()
    assert box, "a panel that is drawn is somewhere"
    return box.transformed(axes.figure.dpi_scale_trans.inverted())


def encode_animation(frames: Sequence[np.ndarray], milliseconds: int) -> bytes:
    """Return frames ``[H, W, 3]``, uint8, as a GIF that pauses before it starts anew; always the same bytes."""
    images = [Image.fromarray(frame).quantize(64) for frame in frames]
    durations = [milliseconds] * (len(images) - 1) + [5 * milliseconds]
    buffer = io.BytesIO()
    images[0].save(buffer, "GIF", save_all=True, append_images=images[1:], duration=durations, loop=0)
    return buffer.getvalue()
