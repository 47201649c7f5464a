"""Figure 1 of the paper: maps by kind and depth, their cross-sections over theory, and the fit against runs."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import LogLocator

from experiments.gaussian_shape.experiment import Result
from experiments.harness.style import (
    KINDS,
    PAGE,
    bar_lengths,
    entitle,
    log_log,
    map_colour_bar,
    new_figure,
    show_map,
    whole_pixels,
)
from experiments.stacks.paper_stacks import Kind

CAPTION = (
    "Maps: {config.statistic} over n of {config.runs} runs (those that are not 0 everywhere), seed {config.seed}, peak "
    "1, on the whole TRF. Cross-sections: the central row, maps scaled to the sum of the exact map's (black, dashed). "
    "Fitted σ: of the Gaussian fitted to the map, rows and columns averaged; exact σ: root of the exact map's "
    "variance. r²: of the fit. Last panel: depth {config.group_depth}, maps of groups of other runs, bars: 95 % over "
    "groups."
)


def draw(result: Result) -> Figure:
    """Draw a map and its central row for each kind and depth, and 1 - r_squared against the number of runs."""
    config = result.config
    rows = len(config.kinds)
    figure = new_figure(PAGE, 2.3 * rows + 2.1)
    *parts, fall = figure.subfigures(rows + 1, 1, height_ratios=[2.3] * rows + [1.7], squeeze=False)[:, 0]
    for part, kind in zip(parts, config.kinds, strict=True):
        _draw_kind(part, result, kind)
    _draw_fall(fall.subplots(), result)
    entitle(figure, _message(result), CAPTION, config=config)
    return figure


def _message(result: Result) -> str:
    """Return what the maps at the largest depth and, where it is known, the fall of the misfit say."""
    depth = max(result.config.depths)
    fits = [result.panel(kind, depth).r_squared for kind in result.config.kinds]
    fall = f"; 1 - r² falls as runs to the power {result.falls[0].exponent:.2f}" if result.falls else ""
    return f"ERFs are close to Gaussian: r² is {min(fits):.3f} or more at depth {depth}{fall}"


def _draw_kind(part: SubFigure, result: Result, kind: Kind) -> None:
    runs = sorted({result.panel(kind, depth).runs for depth in result.config.depths})
    count = f"{runs[0]}" if len(runs) == 1 else f"{runs[0]} to {runs[-1]}"
    part.suptitle(f"{KINDS[kind].label}, n = {count}", color=KINDS[kind].colour)
    axes = part.subplots(2, len(result.config.depths), squeeze=False, height_ratios=[2.3, 1])
    for column, depth in enumerate(result.config.depths):
        if column:
            axes[1, column].sharey(axes[1, 0])
            axes[1, column].tick_params(labelleft=False)
        _draw_map(axes[0, column], result, kind, depth)
        _draw_row(axes[1, column], result, kind, depth)
    axes[0, 0].set_ylabel("row (pixels)")
    axes[1, 0].set_ylim(bottom=0)  # of all, which share it
    axes[1, 0].set_ylabel("influence /\nexact peak")
    map_colour_bar(part, list(axes[0]))


def _draw_map(axes: Axes, result: Result, kind: Kind, depth: int) -> None:
    panel = result.panel(kind, depth)
    axes.set_title(
        f"depth {depth}, r² = {panel.r_squared:.3f}\n"
        f"σ: fit {np.mean(panel.sigma):.2f}, exact {panel.predicted_sigma:.2f}",
        fontsize="medium",
    )
    show_map(axes, result.arrays[f"map/{kind}/{depth}"])


def _draw_row(axes: Axes, result: Result, kind: Kind, depth: int) -> None:
    values, exact = (result.arrays[f"{part}/{kind}/{depth}"] for part in ("map", "theory"))
    middle = len(values) // 2
    # The measured peak is the largest of many noisy pixels, so both are compared at equal sums.
    scale = exact.sum() / values.sum()
    axes.plot(values[middle] * scale, color=KINDS[kind].colour, lw=2, label="measured")
    axes.plot(exact[middle], color="black", lw=0.8, ls="--", label="exact")
    axes.set_xlabel("column (pixels)")
    whole_pixels(axes.xaxis)


def _draw_fall(axes: Axes, result: Result) -> None:
    exponents = {fall.kind: fall for fall in result.falls}
    for kind in dict.fromkeys(groups.kind for groups in result.groups):
        groups = result.of_kind(kind)
        label = KINDS[kind].label
        if kind in exponents:
            low, high = exponents[kind].interval
            label += f": slope {exponents[kind].exponent:.2f} ({low:.2f} to {high:.2f})"
        misfit = [1 - g.r_squared for g in groups]
        bars = bar_lengths(misfit, [g.interval and (1 - g.interval[1], 1 - g.interval[0]) for g in groups])
        runs = [g.runs for g in groups]
        axes.errorbar(runs, misfit, bars, fmt=f"{KINDS[kind].marker}-", color=KINDS[kind].colour, label=label)
    log_log(axes, result.config.group_runs, "runs in one map")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 3)))  # the curves cross hardly a power of ten
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set(
        ylabel="1 - r²", title=f"The more runs in a map, the more Gaussian it looks (depth {result.config.group_depth})"
    )
    axes.legend(loc="lower left", frameon=False)
