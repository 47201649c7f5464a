"""Figures and animations as files, the same bytes for the same picture."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure, SubFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.transforms import Bbox
from PIL import Image

from erf.files.atomic_file import atomic_write

DIGITS = 9  # of a place in a figure whose side is 1


class RepeatableLayout(ConstrainedLayoutEngine):
    """Constrained layout without last digits: they depend on where in memory objects lie, and SVG files on them."""

    def execute(self, fig: Figure) -> dict[Any, Any] | None:
        """Give each part of the figure its place."""
        grids = super().execute(fig)
        _round_parts(fig)
        for axes in fig.axes:
            is_laid_out = axes.get_in_layout()
            axes.set_position(_rounded(axes.get_position(original=True)), which="original")
            axes.set_in_layout(is_laid_out)
        return grids


def _round_parts(figure: Figure | SubFigure) -> None:
    for part in figure.subfigs:
        part.bbox_relative.set(_rounded(part.bbox_relative))
        _round_parts(part)


def _rounded(box: Bbox) -> Bbox:
    return Bbox(box.get_points().round(DIGITS))


def write_figure(path: Path, figure: Figure, part: Bbox | None = None) -> None:
    """Write ``path.png``, ``path.svg`` and ``path.pdf``, the same bytes for the same figure; of a ``part`` in inches.

    Its label, which is its caption, becomes a text of each file: the Description, in a PDF the Subject.
    """
    layout, caption = figure.get_layout_engine(), figure.get_label() or None
    if isinstance(layout, ConstrainedLayoutEngine):
        figure.set_layout_engine(RepeatableLayout(**layout.get()))
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


def encode_animation(frames: Sequence[np.ndarray], milliseconds: int) -> bytes:
    """Return frames ``[H, W, 3]``, uint8, as a GIF that pauses before it starts anew; always the same bytes."""
    images = [Image.fromarray(frame).quantize(64) for frame in frames]
    durations = [milliseconds] * (len(images) - 1) + [5 * milliseconds]
    buffer = io.BytesIO()
    images[0].save(buffer, "GIF", save_all=True, append_images=images[1:], duration=durations, loop=0)
    return buffer.getvalue()
