"""The border of a region of pixels, as the path of an SVG."""

from __future__ import annotations

import numpy as np


def outline(region: np.ndarray) -> str:
    """Return the path along the pixels' edges that encloses what is true in ``region [rows, columns]``.

    Pixel (i, j) is the square from (j, i) to (j + 1, i + 1). Edges of one line that touch are one stroke.
    """
    padded = np.pad(region, 1).astype(np.int8)
    across = runs(np.diff(padded, axis=0)[:, 1:-1] != 0)
    down = runs(np.diff(padded, axis=1)[1:-1].T != 0)
    strokes = [f"M{start} {line}h{length}" for line, start, length in across]
    return "".join(strokes + [f"M{line} {start}v{length}" for line, start, length in down])


def runs(places: np.ndarray) -> np.ndarray:
    """Return line, start and length of each run of what is true along the lines ``[lines, places]``."""
    turns = np.diff(np.pad(places, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    lines, starts = np.nonzero(turns == 1)
    _, ends = np.nonzero(turns == -1)
    return np.stack([lines, starts, ends - starts], axis=1)
