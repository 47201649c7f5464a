"""Figure 1 of the paper: maps by kind and depth, their cross-sections over theory, and the fit against runs."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import LogLocator

from experiments.gaussian_shape.experiment import Result
from experiments.harness.style import KIND_COLOURS, KIND_LABELS, bar_lengths, map_colour_bar, new_figure, show_map
from experiments.stacks.paper_stacks import Kind

CAPTION = (
    "Maps: {statistic} over {runs} runs (n: those not 0 everywhere), seed {seed}, peak 1, each on its whole TRF. "
    "Cross-sections: the central row, maps scaled to the sum of theory's (black). σ: of the Gaussian fit, rows and "
    "columns averaged."
)


def draw(result: Result) -> Figure:
    """Draw a map and its central row for each kind and depth, and 1 - r_squared against the number of runs."""
    config = result.config
    rows, columns = len(config.kinds), len(config.depths)
    figure = new_figure(2.6 * columns, 3.9 * rows + 3.2)
    *parts, fall = figure.subfigures(rows + 1, 1, height_ratios=[3.9] * rows + [3.0], squeeze=False)[:, 0]
    for part, kind in zip(parts, config.kinds, strict=True):
        _draw_kind(part, result, kind)
    _draw_fall(fall.subplots(), result)
    figure.supxlabel(
        CAPTION.format(statistic=config.statistic, runs=config.runs, seed=config.seed), fontsize=8, wrap=True
    )
    return figure


def _draw_kind(part: SubFigure, result: Result, kind: Kind) -> None:
    part.suptitle(KIND_LABELS[kind], fontsize=11)
    axes = part.subplots(2, len(result.config.depths), squeeze=False, height_ratios=[2.4, 1])
    for column, depth in enumerate(result.config.depths):
        if column:
            axes[1, column].sharey(axes[1, 0])
        _draw_map(axes[0, column], result, kind, depth)
        _draw_row(axes[1, column], result, kind, depth)
    axes[0, 0].set_ylabel("row (pixels)")
    axes[1, 0].set_ylim(bottom=0)  # of all, which share it
    axes[1, 0].set_ylabel("influence /\ntheory's peak", fontsize=8)
    map_colour_bar(part, list(axes[0]))


def _draw_map(axes: Axes, result: Result, kind: Kind, depth: int) -> None:
    panel = result.panel(kind, depth)
    axes.set_title(
        f"depth {depth}, n = {panel.runs}\nr² = {panel.r_squared:.3f}\n"
        f"σ = {np.mean(panel.sigma):.2f}, theory {panel.predicted_sigma:.2f}",
        fontsize=8,
    )
    show_map(axes, result.arrays[f"map/{kind}/{depth}"])
    axes.set_xlabel("column (pixels)", fontsize=8)


def _draw_row(axes: Axes, result: Result, kind: Kind, depth: int) -> None:
    values, exact = (result.arrays[f"{part}/{kind}/{depth}"] for part in ("map", "theory"))
    middle = len(values) // 2
    # The measured peak is the largest of many noisy pixels, so both are compared at equal sums.
    scale = exact.sum() / values.sum()
    axes.plot(values[middle] * scale, color=KIND_COLOURS[kind], lw=1)
    axes.plot(exact[middle], color="black", lw=0.8)
    axes.set_xlabel("column (pixels)", fontsize=8)
    axes.tick_params(labelsize=7)


def _draw_fall(axes: Axes, result: Result) -> None:
    exponents = {fall.kind: fall for fall in result.falls}
    for kind in dict.fromkeys(groups.kind for groups in result.groups):
        groups = result.of_kind(kind)
        label = KIND_LABELS[kind]
        if kind in exponents:
            low, high = exponents[kind].interval
            label += f": slope {exponents[kind].exponent:.2f} ({low:.2f} to {high:.2f})"
        misfit = [1 - g.r_squared for g in groups]
        bars = bar_lengths(misfit, [g.interval and (1 - g.interval[1], 1 - g.interval[0]) for g in groups])
        axes.errorbar(
            [g.runs for g in groups], misfit, bars, fmt="o-", ms=4, capsize=2, color=KIND_COLOURS[kind], label=label
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(result.config.group_runs, [str(runs) for runs in result.config.group_runs])
    axes.minorticks_off()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 3)))  # the curves cross hardly a power of ten
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("runs in one map")
    axes.set_ylabel("1 - r²")
    axes.set_title(
        f"How Gaussian a map looks is a matter of the number of runs (depth {result.config.group_depth}; "
        "bars: 95 % over groups of runs)",
        fontsize=9,
    )
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
