"""Inset of Figure 1 of the paper: maps by nonlinearity, and their fits at two numbers of runs."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.harness.style import KINDS, PAGE, bar_lengths, entitle, map_row, new_figure
from experiments.nonlinearities.experiment import Result

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
    names = [KINDS[kind].label.replace("random + ", "") for kind in config.kinds]
    fits_of_first = [result.of_kind(kind).r_squared[0] for kind in config.kinds]
    titles = [f"{name}\nr² = {r_squared:.3f}" for name, r_squared in zip(names, fits_of_first, strict=True)]
    map_row(maps, [result.arrays[f"map/{kind}"] for kind in config.kinds], titles)
    _draw_fits(fits.subplots(), result)
    entitle(figure, _message(result), CAPTION, config=config)
    return figure


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
            (place + 0.17, config.runs, fits.r_squared, fits.interval, KINDS[fits.kind].colour),
        ]
        marker, colour = KINDS[fits.kind].marker, KINDS[fits.kind].colour
        for at, runs, values, interval, face in columns:
            mean = float(np.mean(values))
            label = None if place else f"n = {runs} runs"
            axes.plot([at] * len(values), values, marker, color=colour, mfc=face, alpha=0.5, label=label)
            axes.errorbar([at], [mean], bar_lengths([mean], [interval]), fmt="_", ms=12, capsize=4, color="black")
    axes.set_xticks(range(len(result.fits)), [KINDS[fits.kind].label for fits in result.fits])
    axes.set_ylabel("r² of the Gaussian fit")
    axes.grid(axis="y")
    axes.legend(loc="lower left", frameon=False)
