"""Dropout leaves the width of the mean_square map where it is; that of mean_abs shrinks in narrow stacks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from erf.networks.conv_stack import Dropout
from experiments.dropout.experiment import MARGIN, Point, Result
from experiments.harness.intervals import Interval
from experiments.harness.style import (
    BROKEN,
    PAGE,
    bar_lengths,
    entitle,
    map_colour_bar,
    new_figure,
    show_map,
    whole_pixels,
)

# Okabe & Ito (2008).
COLOURS = {Dropout.elementwise: "#0072B2", Dropout.spatial: "#D55E00"}
MARKERS = {Dropout.elementwise: "o", Dropout.spatial: "x"}
NARROW_COLOURS = ("#CC79A7", "#E69F00", "#56B4E9", "#009E73")
CAPTION = (
    "Random linear stacks, depth {config.depth}, n = {config.runs} runs a point, seed {config.seed}; dropout on while "
    "measuring, with masks of its own for each run. Maps and rows: mean_square. σ: root of the mean of both axes' "
    "variances; bars: 95 % over runs. Grey: the margin of ± {margin:.0%} within which shapes count as equal."
)

Curve = tuple[Sequence[Point], str, str]  # points by rate, colour, label


def draw(result: Result) -> Figure:
    """Draw maps without and with the most dropout, and sigma against the rate for both statistics."""
    config = result.config
    figure = new_figure(PAGE, 5.2)
    maps, curves = figure.subfigures(2, 1, squeeze=False, height_ratios=[1, 1.15])[:, 0]
    _draw_maps(maps, result)
    wide = [(result.of(d, config.channels), COLOURS[d], f"{d}, {config.channels} channels") for d in Dropout]
    theory, zero, absolute = curves.subplots(1, 3)
    _draw_ratios(
        theory, wide, lambda p: (p.mean_square.sigma / p.mean_square.predicted_sigma, p.mean_square.over_theory)
    )
    _draw_ratios(zero, wide, lambda p: (p.mean_square.sigma / p.mean_square.zero_sigma, p.mean_square.over_zero))
    narrow = list(zip(config.narrow, NARROW_COLOURS * len(config.narrow), strict=False))
    others = [(result.of(Dropout.elementwise, n), colour, f"elementwise, {_channels(n)}") for n, colour in narrow]
    _draw_ratios(absolute, wide + others, lambda p: (p.mean_abs.sigma / p.mean_abs.zero_sigma, p.mean_abs.over_zero))
    theory.set(title="mean_square, over theory", ylabel="σ / σ of exact theory")
    zero.set(title="mean_square", ylabel="σ / σ without dropout")
    absolute.set(title="mean_abs", ylabel="σ / σ without dropout")
    curves.legend(*absolute.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    entitle(figure, message(result), CAPTION, config=config, margin=MARGIN)
    return figure


def message(result: Result) -> str:
    """Return how far dropout moves sigma at most, of mean_square in wide stacks."""
    points = [point for dropout in Dropout for point in result.of(dropout, result.config.channels)]
    most = max(abs(point.mean_square.sigma / point.mean_square.zero_sigma - 1) for point in points)
    return f"Dropout moves the width σ of the mean_square map by {100 * most:.1f} % at most"


def _channels(number: int) -> str:
    return "1 channel" if number == 1 else f"{number} channels"


def _draw_maps(part: SubFigure, result: Result) -> None:
    *panels, rows = part.subplots(1, 4, width_ratios=[1, 1, 1, 1.5])
    rates = result.config.rates
    settings = [(Dropout.elementwise, rates[0]), *((dropout, rates[-1]) for dropout in Dropout)]
    for axes, (dropout, rate) in zip(panels, settings, strict=True):
        values = result.arrays[f"map/{dropout}/{rate}"]
        show_map(axes, values / values.max())
        axes.set(title=f"{dropout},{BROKEN}rate {rate:g}" if rate else "no dropout", xlabel="column (pixels)")
    panels[0].set_ylabel("row (pixels)")
    map_colour_bar(part, panels)
    exact = result.arrays["theory"]
    middle = len(exact) // 2
    rows.semilogy(exact[middle], color="black", lw=1, label="exact theory")
    for dropout in Dropout:
        values = result.arrays[f"map/{dropout}/{rates[-1]}"]
        rows.semilogy(
            values[middle],
            MARKERS[dropout],
            ms=4,
            mfc="none",
            color=COLOURS[dropout],
            label=f"{dropout}, rate {rates[-1]:g}",
        )
    rows.set(title="central row", xlabel="column (pixels)", ylabel="E[g²]")
    whole_pixels(rows.xaxis)
    low, high = rows.get_ylim()
    rows.set_ylim(low * (low / high) ** 0.5, high)  # room for the legend
    rows.legend(loc="lower center", frameon=False)


def _draw_ratios(axes: Axes, curves: Sequence[Curve], ratio: Callable[[Point], tuple[float, Interval | None]]) -> None:
    """Draw one ratio of each curve's points against the rate, beside one another where rates are equal."""
    axes.axhspan(1 - MARGIN, 1 + MARGIN, color="0.9")
    axes.axhline(1, color="black", lw=0.8)
    for place, (points, colour, label) in enumerate(curves):
        rates = np.array([p.rate for p in points])
        beside = (place - (len(curves) - 1) / 2) * 0.012 * rates.max()
        values = np.array([ratio(p)[0] for p in points])
        bars = bar_lengths(values, [ratio(p)[1] for p in points])
        axes.errorbar(rates + beside, values, bars, fmt="o-", lw=0.8, ms=4, color=colour, label=label)
    axes.set_xlabel("dropout rate")
    axes.grid(axis="y")
