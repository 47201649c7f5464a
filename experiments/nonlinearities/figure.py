"""Inset of Figure 1 of the paper: maps by nonlinearity, and their fits at two numbers of runs."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.harness.style import (
    KIND_COLOURS,
    KIND_LABELS,
    KIND_MARKERS,
    PAGE,
    bar_lengths,
    entitle,
    map_colour_bar,
    new_figure,
    show_map,
)
from experiments.nonlinearities.experiment import Result
from experiments.stacks.paper_stacks import Kind

CAPTION = (
    "Depth {config.depth}, {config.statistic}, seed {config.seed}. Maps: mean of {config.runs} runs that are not 0 "
    "everywhere, peak 1, with r² of the Gaussian fit. Below: r² of each of {config.groups} groups of n = "
    "{config.fewer_runs} runs (hollow) and of n = {config.runs} runs (filled); bars: their mean with its 95 % interval."
)


def draw(result: Result) -> Figure:
    """Draw a map for each kind, above the fits of all groups of runs."""
    config = result.config
    figure = new_figure(PAGE, 4)
    maps, fits = figure.subfigures(2, 1, squeeze=False)[:, 0]
    axes = maps.subplots(1, len(config.kinds), squeeze=False)[0]
    for one, kind in zip(axes, config.kinds, strict=True):
        show_map(one, result.arrays[f"map/{kind}"])
        one.set(title=f"{_short(kind)}\nr² = {result.of_kind(kind).r_squared[0]:.3f}", xlabel="column (pixels)")
    axes[0].set_ylabel("row (pixels)")
    map_colour_bar(maps, list(axes))
    _draw_fits(fits.subplots(), result)
    entitle(figure, _message(result), CAPTION, config=config)
    return figure


def _short(kind: Kind) -> str:
    return KIND_LABELS[kind].replace("random + ", "")


def _message(result: Result) -> str:
    config = result.config
    fewer, all_runs = (
        min(float(np.mean(getattr(fits, name))) for fits in result.fits) for name in ("fewer_r_squared", "r_squared")
    )
    return (
        f"Whatever the nonlinearity, a mean over {config.runs} runs is Gaussian to r² = {all_runs:.3f} or more; "
        f"over {config.fewer_runs} runs r² falls to {fewer:.3f}"
    )


def _draw_fits(axes: Axes, result: Result) -> None:
    config = result.config
    for place, fits in enumerate(result.fits):
        columns = [
            (place - 0.17, config.fewer_runs, fits.fewer_r_squared, fits.fewer_interval, "none"),
            (place + 0.17, config.runs, fits.r_squared, fits.interval, KIND_COLOURS[fits.kind]),
        ]
        marker, colour = KIND_MARKERS[fits.kind], KIND_COLOURS[fits.kind]
        for at, runs, values, interval, face in columns:
            mean = float(np.mean(values))
            axes.plot([at] * len(values), values, marker, color=colour, mfc=face, alpha=0.5)
            axes.errorbar([at], [mean], bar_lengths([mean], [interval]), fmt="_", ms=12, capsize=4, color="black")
            axes.annotate(f"n = {runs}", (at, 0.03), xycoords=("data", "axes fraction"), ha="center")
    low, high = axes.get_ylim()
    axes.set_ylim(low - 0.15 * (high - low), high)  # room for the numbers of runs
    axes.set_xticks(range(len(result.fits)), [KIND_LABELS[fits.kind] for fits in result.fits])
    axes.set_ylabel("r² of the Gaussian fit")
    axes.grid(axis="y")
