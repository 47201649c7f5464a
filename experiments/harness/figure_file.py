"""Figures and animations as files, the same bytes for the same picture."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from PIL import Image

from erf.files.atomic_file import atomic_write


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


def encode_animation(frames: Sequence[np.ndarray], milliseconds: int) -> bytes:
    """Return frames ``[H, W, 3]``, uint8, as a GIF that pauses before it starts anew; always the same bytes."""
    images = [Image.fromarray(frame).quantize(64) for frame in frames]
    durations = [milliseconds] * (len(images) - 1) + [5 * milliseconds]
    buffer = io.BytesIO()
    images[0].save(buffer, "GIF", save_all=True, append_images=images[1:], duration=durations, loop=0)
    return buffer.getvalue()
