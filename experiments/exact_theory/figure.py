"""Measured mean_square maps of random stacks over exact theory."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from experiments.exact_theory.experiment import Result
from experiments.harness.style import KINDS, PAGE, entitle, error_bars, new_figure

SEEN = 1e-3  # of the peak: residuals are drawn where the exact map has as much, elsewhere they are noise
CAPTION = (
    "Depth {config.depth}, mean_square over n = {config.runs} runs, seed {config.seed}, maps of sum 1. Below: measured "
    "over exact along the same row, where the exact map has at least 0.1 % of its peak. σ: root of the mean of both "
    "axes' variances, with its 95 % interval over runs."
)


def draw(result: Result) -> Figure:
    """Draw the central rows on a logarithmic scale, their residuals, and each stack's sigma over the predicted one."""
    figure = new_figure(PAGE, 3.6)
    axes = figure.subplot_mosaic(
        [["rows", "sigmas"], ["residuals", "sigmas"]], width_ratios=[2.4, 1], height_ratios=[2, 1]
    )
    _draw_rows(axes["rows"], axes["residuals"], result)
    _draw_sigmas(axes["sigmas"], result)
    entitle(figure, _message(result), CAPTION, config=result.config)
    return figure


def _message(result: Result) -> str:
    largest = max((random.largest_deviation for random in result.random), default=0.0)
    pixels = result.arrays["theory"].size
    return (
        f"Measured maps agree with exact theory: at none of {pixels:,} pixels more than {largest:.1f} "
        "standard errors off"
    )


def _draw_rows(rows: Axes, residuals: Axes, result: Result) -> None:
    exact = result.arrays["theory"]
    row = exact[len(exact) // 2]
    at = np.flatnonzero(row >= SEEN * row.max())
    rows.semilogy(row, color="black", lw=1, label="exact theory")
    for random in result.random:
        label = f"{KINDS[random.kind].label}: at most {random.largest_deviation:.1f} standard errors away"
        marker, colour = KINDS[random.kind].marker, KINDS[random.kind].colour
        values = result.arrays[str(random.kind)][len(exact) // 2]
        rows.semilogy(values, marker, color=colour, mfc="none", label=label)
        residuals.plot(at, values[at] / row[at], marker, color=colour, mfc="none", label=KINDS[random.kind].label)
    residuals.axhline(1, color="black", lw=0.8)
    residuals.set(xlim=rows.get_xlim(), xlabel="column (pixels)", ylabel="measured /\nexact")
    rows.set_ylabel("E[g²], central row")
    rows.legend(loc="lower center")
    for axes in (rows, residuals):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid()


def _draw_sigmas(axes: Axes, result: Result) -> None:
    for place, random in enumerate(result.random):
        look = {"fmt": KINDS[random.kind].marker, "capsize": 4, "color": KINDS[random.kind].colour}
        error_bars(axes, [place], [random], "sigma", random.predicted_sigma, **look)
    axes.axhline(1, color="black", lw=0.8)
    names = [
        KINDS[random.kind].label.replace(" + ", "\n+ ").replace(" weights", "\nweights") for random in result.random
    ]
    axes.set_xticks(range(len(names)), names)
    axes.set(xlim=(-0.5, len(names) - 0.5), ylabel="σ measured / exact")
    axes.grid(axis="y")
