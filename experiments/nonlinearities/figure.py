"""Inset of Figure 1 of the paper: maps by nonlinearity, and their fits at two numbers of runs."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.harness.style import KIND_COLOURS, KIND_LABELS, bar_lengths, map_colour_bar, new_figure, show_map
from experiments.nonlinearities.experiment import Result

CAPTION = (
    "Depth {depth}, {statistic}, seed {seed}. Maps: mean of {runs} runs that are not 0 everywhere, peak 1. "
    "Dots: each of {groups} groups of runs; bars: mean with its 95 % interval."
)


def draw(result: Result) -> Figure:
    """Draw a map for each kind, above the fits of all groups of runs."""
    config = result.config
    figure = new_figure(2.4 * len(config.kinds), 6)
    maps, fits = figure.subfigures(2, 1, squeeze=False)[:, 0]
    axes = maps.subplots(1, len(config.kinds), squeeze=False)[0]
    for one, kind in zip(axes, config.kinds, strict=True):
        show_map(one, result.arrays[f"map/{kind}"])
        one.set_title(f"{KIND_LABELS[kind]}\nr² = {result.of_kind(kind).r_squared[0]:.3f}")
        one.set_xlabel("column (pixels)")
    axes[0].set_ylabel("row (pixels)")
    map_colour_bar(maps, list(axes))
    _draw_fits(fits.subplots(), result)
    caption = CAPTION.format(
        depth=config.depth, statistic=config.statistic, seed=config.seed, runs=config.runs, groups=config.groups
    )
    figure.set_label(caption)
    return figure


def _draw_fits(axes: Axes, result: Result) -> None:
    config = result.config
    ticks: list[tuple[float, str]] = []
    for place, fits in enumerate(result.fits):
        columns = [
            (place - 0.17, config.fewer_runs, fits.fewer_r_squared, fits.fewer_interval),
            (place + 0.17, config.runs, fits.r_squared, fits.interval),
        ]
        for at, runs, values, interval in columns:
            mean = float(np.mean(values))
            axes.plot([at] * len(values), values, ".", color=KIND_COLOURS[fits.kind], alpha=0.35)
            bars = bar_lengths([mean], [interval])
            axes.errorbar([at], [mean], bars, fmt="_", capsize=4, color=KIND_COLOURS[fits.kind])
            ticks.append((at, f"{runs} runs\n{KIND_LABELS[fits.kind]}" if runs == config.runs else f"{runs} runs"))
    places, labels = zip(*ticks, strict=True)
    axes.set_xticks(places, labels)
    axes.set_ylabel("r² of the Gaussian fit")
    axes.grid(axis="y", alpha=0.3)
