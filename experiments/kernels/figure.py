"""Kernels of any weights: their maps, how fast these become normal, and what the center-low init gains."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from experiments.harness.style import (
    PAGE,
    bar_lengths,
    entitle,
    error_bars,
    log_log,
    map_colour_bar,
    new_figure,
    show_map,
    ticks_within,
)
from experiments.kernels.experiment import Result
from experiments.kernels.profiles import Profile

# Okabe & Ito (2008).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P")
CAPTION = (
    "Profile: how the variance of the weights is spread over the kernel (numbers: relative). Distance: Kolmogorov's, "
    "of the map's marginal to the normal distribution; marks: random weights, lines: the profile itself as weights. "
    "Linear stacks, mean_square over n = {config.runs} draws of weights, seed {config.seed}; bars: 95 % over runs, "
    "those of gains with the same draws at every strength; lines: exact theory. Depth {config.depth} where none is "
    "named. ERF size: of the map averaged over windows of (k - 1)² pixels, the period of the corners' grid."
)


def draw(result: Result) -> Figure:
    """Draw each profile's kernel and map, distances to the normal, sigma over theory, gains and sizes by strength."""
    figure = new_figure(PAGE, 8.2)
    maps, curves = figure.subfigures(2, 1, squeeze=False, height_ratios=[1, 2.4])[:, 0]
    _draw_maps(maps, result)
    (distance, sigma), (gain, size) = curves.subplots(2, 2)
    _draw_distances(distance, result)
    _draw_sigmas(sigma, result)
    _draw_strengths(gain, size, result)
    entitle(figure, message(result), CAPTION, config=result.config)
    return figure


def message(result: Result) -> str:
    """Return the largest gain of the center-low init in sigma."""
    best = max(result.strengths, key=lambda one: one.gain)
    return (
        f"Maps of any kernel become Gaussian with depth; the center-low init widens them up to {best.gain:.2f} times "
        f"({best.kernel_size}x{best.kernel_size} kernels)"
    )


def _look(result: Result, profile: Profile) -> tuple[str, str]:
    place = result.config.profiles.index(profile)
    return COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]


def _draw_maps(part: SubFigure, result: Result) -> None:
    config = result.config
    axes = part.subplots(2, len(config.profiles), squeeze=False, height_ratios=[1, 2.2])
    for (kernel, panel), profile in zip(axes.T, config.profiles, strict=True):
        weights, values = result.arrays[f"kernel/{profile}"], result.arrays[f"map/{profile}"]
        kernel.imshow(weights, cmap="cividis", vmin=0)
        for (row, column), weight in np.ndenumerate(weights):
            dark = weight < weights.max() / 2
            kernel.text(column, row, str(weight), ha="center", va="center", color="w" if dark else "k")
        kernel.set(title=profile, xticks=[], yticks=[])
        show_map(panel, values / values.max())
        panel.set_xlabel("column (pixels)")
    axes[0, 0].set_ylabel("kernel")
    axes[1, 0].set_ylabel(f"depth {config.depths[-1]}, row (pixels)")
    map_colour_bar(part, list(axes[1]))


def _draw_distances(axes: Axes, result: Result) -> None:
    config = result.config
    for distance in result.distances:
        colour, marker = _look(result, distance.profile)
        if distance.random is None or distance.intervals is None or distance.exponent_interval is None:
            axes.plot(distance.depths, distance.fixed, color=colour, lw=0.5, alpha=0.4)
            continue
        low, high = distance.exponent_interval
        label = f"{distance.profile}: slope {distance.exponent:.2f} ({low:.2f} to {high:.2f})"
        bars = bar_lengths(distance.random, distance.intervals)
        axes.plot(distance.depths, distance.fixed, color=colour, lw=1)
        axes.errorbar(distance.depths, distance.random, bars, fmt=marker, ms=3.5, color=colour, label=label)
    log_log(axes, config.depths, "depth")
    ticks_within(axes.yaxis, (0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3))
    axes.set_ylabel("largest difference of the\ndistribution functions")
    smallest, *larger = config.kernel_sizes
    others = f"; faint: {', '.join(f'{k}x{k}' for k in larger)}" if larger else ""
    axes.set_title(f"distance to the normal, {smallest}x{smallest}{others}")
    axes.legend()


def _draw_sigmas(axes: Axes, result: Result) -> None:
    config = result.config
    sizes = config.kernel_sizes
    for place, profile in enumerate(config.profiles):
        at_depth = [r for r in result.random if r.profile is profile and r.depth == config.depth]
        predicted = np.array([r.predicted_sigma for r in at_depth])
        shift = 0.12 * (place - (len(config.profiles) - 1) / 2)
        beside = np.array([sizes.index(r.kernel_size) for r in at_depth]) + shift
        colour, marker = _look(result, profile)
        look = {"fmt": marker, "ms": 3.5, "color": colour, "label": str(profile)}
        error_bars(axes, beside, at_depth, "sigma", predicted, **look)
    axes.axhline(1, color="black", lw=0.8)
    axes.set_xticks(range(len(sizes)), [f"{k}x{k}" for k in sizes])
    axes.set(xlabel="kernel", ylabel="σ / theory", title="σ of random weights over theory's √(n Var[w])")
    axes.grid(axis="y", alpha=0.3)
    axes.legend(ncols=3, loc="upper center", frameon=False, columnspacing=0.8)
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.35 * (high - low))  # room for the legend


def _draw_strengths(gain: Axes, size: Axes, result: Result) -> None:
    for place, kernel_size in enumerate(result.config.kernel_sizes):
        strengths = result.of_size(kernel_size)
        look = {"color": COLOURS[place % len(COLOURS)], "fmt": MARKERS[place % len(MARKERS)], "ms": 3.5}
        x = [s.strength for s in strengths]
        for axes, name in ((gain, "gain"), (size, "size")):
            error_bars(axes, x, strengths, name, label=f"{kernel_size}x{kernel_size}", **look)
            axes.plot(x, [getattr(s, f"predicted_{name}") for s in strengths], color=look["color"], lw=1)
    gain.set(ylabel="σ / σ at strength 0", title="gain of the center-low init in σ")
    size.set(ylabel="ERF size (pixels)", title="its ERF size")
    for axes in (gain, size):
        axes.set_xlabel("strength (0: the standard, 1: the corners alone)")
        axes.grid()
        axes.legend()
