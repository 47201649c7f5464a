"""One style for all figures: colours that colour-blind readers can tell apart, one colour map for maps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure, SubFigure

from experiments.harness.intervals import Interval

# Okabe & Ito (2008).
KIND_COLOURS = {
    "uniform": "#0072B2",
    "random": "#D55E00",
    "relu": "#009E73",
    "leaky_relu": "#CC79A7",
    "tanh": "#E69F00",
    "sigmoid": "#56B4E9",
}
KIND_LABELS = {
    "uniform": "uniform weights",
    "random": "random weights",
    "relu": "random + ReLU",
    "leaky_relu": "random + leaky ReLU",
    "tanh": "random + tanh",
    "sigmoid": "random + sigmoid",
}


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of this size in inches."""
    return Figure(figsize=(width, height), dpi=150, layout="constrained")


def show_map(axes: Axes, values: np.ndarray, sides: tuple[int, int] | None = None) -> None:
    """Draw a map whose peak is 1, of an image with these ``sides`` in pixels, if they are not those of ``values``."""
    extent = sides and (-0.5, sides[1] - 0.5, sides[0] - 0.5, -0.5)
    axes.imshow(values, cmap="magma", vmin=0, vmax=1, interpolation="nearest", extent=extent)
    axes.tick_params(labelsize=7)


def map_colour_bar(
    part: Figure | SubFigure, axes: Sequence[Axes], location: str = "right", fontsize: float | None = None
) -> None:
    """Add the colour scale that all maps of one figure share."""
    bar = part.colorbar(ScalarMappable(Normalize(0, 1), "magma"), ax=axes, fraction=0.02, location=location)
    bar.set_label("influence / peak", fontsize=fontsize)
    bar.ax.tick_params(labelsize=fontsize)


def bar_lengths(values: Sequence[float] | np.ndarray, intervals: Sequence[Interval | None]) -> np.ndarray:
    """Return how far error bars reach below and above ``values``, ``[2, n]``: to the ends of ``intervals``; None: 0.

    An interval of a biased quantity need not hold the value: then the bar ends at the value on that side.
    """
    low, high = np.array([interval or (value,) * 2 for value, interval in zip(values, intervals, strict=True)]).T
    return np.clip([values - low, high - values], 0, None)


def log_log(axes: Axes, x: list[int], xlabel: str) -> None:
    """Give both axes logarithmic scales, and the x axis plain numbers at ``x`` and its name."""
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(x, [str(value) for value in x])
    axes.minorticks_off()
    axes.set_xlabel(xlabel)
    axes.grid(alpha=0.3)
