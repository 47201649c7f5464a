"""One style for all figures: sizes as in print, colours that colour-blind readers can tell apart, one colour map.

A figure's label (``figure.set_label``) is its caption, which stands beside the picture as text, never inside of it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from experiments.harness.intervals import Interval

PAGE, COLUMN = 6.75, 3.25  # inches: the width of a paper's text, and of one of its two columns
SHEETS = {  # what is set in points; a sheet for the screen has larger text in a figure as wide
    "paper": {"text": 7, "title": 8, "heading": 9, "line": 1.0, "dpi": 160},
    "screen": {"text": 8, "title": 9, "heading": 10.5, "line": 1.3, "dpi": 160},
}
TEXTS = ("font.size", "axes.labelsize", "xtick.labelsize", "ytick.labelsize", "legend.fontsize")
TEXTS += ("legend.title_fontsize",)


BROKEN = " \n"  # where a text is broken only because its panel is narrow


class Look(NamedTuple):
    """How one of several things is drawn, and what it is called."""

    colour: str  # of Okabe & Ito (2008)
    marker: str
    label: str


KINDS = {
    "uniform": Look("#0072B2", "o", "uniform weights"),
    "random": Look("#D55E00", "s", "random weights"),
    "relu": Look("#009E73", "^", "random + ReLU"),
    "leaky_relu": Look("#CC79A7", "v", "random + leaky ReLU"),
    "tanh": Look("#E69F00", "D", "random + tanh"),
    "sigmoid": Look("#56B4E9", "P", "random + sigmoid"),
}


def use(sheet: str) -> None:
    """Draw all figures from now on by one of SHEETS."""
    sizes = SHEETS[sheet]
    matplotlib.rcParams.update(
        {
            **dict.fromkeys(TEXTS, sizes["text"]),
            "legend.handlelength": 1.5,
            "legend.framealpha": 0.9,
            "axes.titlesize": sizes["title"],
            "figure.titlesize": sizes["heading"],
            "figure.titleweight": "bold",
            "figure.dpi": sizes["dpi"],
            "savefig.dpi": "figure",
            "lines.linewidth": sizes["line"],
            "lines.markersize": 4,
            "errorbar.capsize": 2,
            "axes.linewidth": 0.6,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "grid.alpha": 0.3,
            "grid.linewidth": 0.5,
            "pdf.fonttype": 42,  # whole letters, as publishers ask
        }
    )


use("paper")


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of this size in inches."""
    return Figure(figsize=(width, height), layout="constrained")


def entitle(figure: Figure, message: str, caption: str, **values: Any) -> None:
    """Give a figure its message, one sentence above the panels, and the caption that stands beside it.

    What the caption has in braces, as ``{config.runs}``, is filled in from ``values``.
    """
    width = 72 * figure.get_figwidth() / (0.7 * SHEETS["paper"]["heading"])  # in letters of bold type
    figure.suptitle(textwrap.fill(message, int(width)))
    figure.set_label(" ".join((caption.format(**values) if values else caption).split()))


def fill(text: str, letters: int) -> str:
    """Return a text in lines of at most so many ``letters``, which may be joined again where there is room."""
    return BROKEN.join(textwrap.wrap(text, letters, break_on_hyphens=False))


def joined(text: str) -> str:
    """Return a text without the breaks that ``fill`` made, and without those within a name, after its ``_``."""
    return text.replace(BROKEN, " ").replace("_\n", "_")


def show_map(axes: Axes, values: np.ndarray, sides: tuple[int, int] | None = None) -> None:
    """Draw a map whose peak is 1, of an image with these ``sides`` in pixels, if they are not those of ``values``."""
    extent = sides and (-0.5, sides[1] - 0.5, sides[0] - 0.5, -0.5)
    axes.imshow(values, cmap="magma", vmin=0, vmax=1, interpolation="nearest", extent=extent)
    for axis in (axes.xaxis, axes.yaxis):
        whole_pixels(axis)


def whole_pixels(axis: Axis) -> None:
    """Let the ticks of an axis of rows or columns stand at whole pixels."""
    axis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 2.5, 5, 10], integer=True))


def map_row(part: Figure | SubFigure, maps: Sequence[np.ndarray], titles: Sequence[str], **title: Any) -> list[Axes]:
    """Draw maps of peak 1 side by side, each below its title, with their colour scale."""
    panels = list(part.subplots(1, len(maps), squeeze=False)[0])
    for axes, values, text in zip(panels, maps, titles, strict=True):
        show_map(axes, values)
        axes.set_title(text, **title)
        axes.set_xlabel("column (pixels)")
    panels[0].set_ylabel("row (pixels)")
    map_colour_bar(part, panels)
    return panels


def map_colour_bar(part: Figure | SubFigure, axes: Sequence[Axes], location: str = "right") -> None:
    """Add the colour scale that all maps of one figure share."""
    bar = part.colorbar(ScalarMappable(Normalize(0, 1), "magma"), ax=axes, fraction=0.02, location=location)
    bar.set_label("influence / peak")


def is_colour_bar(axes: Axes) -> bool:
    """Return whether axes are a colour scale, as matplotlib marks them."""
    return axes.get_label() == "<colorbar>"


def from_zero(axes: Axes) -> None:
    """Let the y axis begin at 0 and end above what is drawn, so that no difference looks larger than it is."""
    axes.set_ylim(0, 1.1 * axes.get_ylim()[1])


def bar_lengths(values: Sequence[float] | np.ndarray, intervals: Sequence[Interval | None]) -> np.ndarray:
    """Return how far error bars reach below and above ``values``, ``[2, n]``: to the ends of ``intervals``; None: 0.

    An interval of a biased quantity need not hold the value: then the bar ends at the value on that side.
    """
    low, high = np.array([interval or (value,) * 2 for value, interval in zip(values, intervals, strict=True)]).T
    return np.clip([values - low, high - values], 0, None)


def error_bars(
    axes: Axes, x: Sequence[float] | np.ndarray, rows: Sequence[Any], name: str, scale: Any = 1, **look: Any
) -> None:
    """Draw the number ``name`` of each row, over ``scale``, with bars to the ends of its interval ``name_interval``."""
    values = np.array([getattr(row, name) for row in rows])
    bars = bar_lengths(values, [getattr(row, f"{name}_interval") for row in rows]) / scale
    axes.errorbar(x, values / scale, bars, **look)


def ticks_within(axis: Axis, ticks: Sequence[float]) -> None:
    """Put numbers at those of ``ticks`` that lie on an axis, and at no others."""
    low, high = sorted(axis.get_view_interval())
    within = [tick for tick in ticks if low <= tick <= high]
    axis.set_ticks(within, labels=[f"{tick:g}" for tick in within])
    axis.set_ticks([], minor=True)


def apart(values: Sequence[float], steps: int = 7) -> list[float]:
    """Return those of the rising ``values`` whose ratio is large enough for their numbers on a logarithmic axis."""
    least = (values[-1] / values[0]) ** (1 / steps)
    chosen = [values[0]]
    for value in values[1:]:
        if value / chosen[-1] >= least:
            chosen.append(value)
    return chosen


def log_log(axes: Axes, x: Sequence[float], xlabel: str) -> None:
    """Give both axes logarithmic scales, and the x axis its name and plain numbers at those of ``x`` that have room."""
    axes.set(xscale="log", yscale="log")
    ticks = apart(x)
    axes.set_xticks(ticks, [str(value) for value in ticks])
    axes.minorticks_off()
    axes.set_xlabel(xlabel)
    axes.grid()
