"""Formulas in TeX as pictures that stand in the page itself, so that a reader needs no script and no font."""

from __future__ import annotations

import re
from functools import cache
from html import escape

import numpy as np
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path
from matplotlib.textpath import TextPath
from matplotlib.transforms import Bbox

from erf.errors import InvalidInput

BLOCK = re.compile(r"(?m)^( *)```math\n(.*?)^ *```$", re.DOTALL)
FONT = FontProperties(math_fontfamily="stix")
EM = 100  # units of a picture
LETTERS = {int(Path.MOVETO): "M", int(Path.LINETO): "L", int(Path.CURVE3): "Q", int(Path.CURVE4): "C"}


def with_formulas(markdown: str) -> str:
    """Return Markdown in which each block of ``math`` is a picture for each of its formulas."""
    return BLOCK.sub(lambda block: block[1] + displayed(block[2]), markdown)


def displayed(tex: str) -> str:
    r"""Return formulas as HTML on a line of their own; ``\quad`` ends one."""
    formulas = re.split(r"\s*\\quad\s*", " ".join(tex.split()).replace(r"\frac", r"\dfrac"))
    return f'<div class="formula">{" ".join(map(inline, formulas))}</div>'


@cache
def inline(tex: str) -> str:
    """Return one formula as an SVG that stands in a line of text, in its size and colour.

    Raises:
        InvalidInput: It is not in the part of TeX that matplotlib sets.
    """
    try:
        path = TextPath((0, 0), f"${tex}$", size=EM, prop=FONT)
    except ValueError as error:
        raise InvalidInput(f"formula {tex!r}: {str(error).splitlines()[-1]}") from error
    # The curves of this font reach as far as their vertices: to search each curve for its extremes takes long.
    outline = path.vertices[path.codes != Path.CLOSEPOLY]
    box = Bbox([outline.min(0), outline.max(0)])
    drawn = "".join(_segment(points, int(code)) for points, code in path.iter_segments(simplify=False))
    size = f"width:{box.width / EM:.2f}em;height:{box.height / EM:.2f}em;vertical-align:{box.y0 / EM:.2f}em"
    view = f"{box.x0:.0f} {-box.y1:.0f} {box.width:.0f} {box.height:.0f}"
    return (
        f'<svg role="img" aria-label="{escape(tex)}" viewBox="{view}" style="{size}"><path d="{drawn}" '
        'fill="currentColor"/></svg>'
    )


def _segment(points: np.ndarray, code: int) -> str:
    if code == Path.CLOSEPOLY:
        return "Z"
    return LETTERS[code] + " ".join(f"{x:.0f} {-y:.0f}" for x, y in points.reshape(-1, 2))
