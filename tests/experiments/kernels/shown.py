"""What the figure shows of a record."""

import numpy as np

from experiments.kernels.figure import COLOURS, message
from tests.figures import Panel, Shown, image, level, line, points, words


def shown(result):
    config = result.config
    return Shown(
        [*_maps(result), _distances(result), _sigmas(result), *_strengths(result)],
        message(result),
        [f"over n = {config.runs} draws of weights, seed {config.seed}", f"Depth {config.depth} where"],
        colour_bars=[("influence / peak", 0, 1)],
    )


def _maps(result):
    config = result.config
    kernels, maps = [], []
    for profile in config.profiles:
        weights, values = result.arrays[f"kernel/{profile}"], result.arrays[f"map/{profile}"]
        numbers = [words(str(weights[row, column]), column, row) for row, column in np.ndindex(*weights.shape)]
        first = not kernels
        kernels.append(
            Panel([image(weights, limits=(0, weights.max())), *numbers], profile, "", "kernel" if first else "")
        )
        ylabel = f"depth {config.depths[-1]}, row (pixels)" if first else ""
        maps.append(Panel([image(values / values.max())], "", "column (pixels)", ylabel))
    return kernels + maps


def _distances(result):
    config = result.config
    marks = []
    for one in result.distances:
        colour = COLOURS[config.profiles.index(one.profile) % len(COLOURS)]
        marks.append(line(one.depths, one.fixed, "", colour))
        if one.random is not None:
            label = "{}: slope {:.2f} ({:.2f} to {:.2f})".format(one.profile, one.exponent, *one.exponent_interval)
            marks.append(points(one.depths, one.random, one.intervals, label, colour))
    smallest, *larger = (f"{size}x{size}" for size in config.kernel_sizes)
    others = f"; faint: {', '.join(larger)}" if larger else ""
    return Panel(
        marks, f"distance to the normal, {smallest}{others}", "depth",
        "largest difference of the\ndistribution functions", ("log", "log"), legend=True,
    )  # fmt: skip


def _sigmas(result):
    config = result.config
    marks = [level(1)]
    for place, profile in enumerate(config.profiles):
        own = [one for one in result.random if (one.profile, one.depth) == (profile, config.depth)]
        apart = 0.12 * (place - (len(config.profiles) - 1) / 2)
        at = [config.kernel_sizes.index(one.kernel_size) + apart for one in own]
        ratios = [one.sigma / one.predicted_sigma for one in own]
        ends = [np.divide(one.sigma_interval, one.predicted_sigma) for one in own]
        marks.append(points(at, ratios, ends, profile, COLOURS[place % len(COLOURS)]))
    names = {place: f"{size}x{size}" for place, size in enumerate(config.kernel_sizes)}
    title = "σ of random weights over theory's √(n Var[w])"
    return Panel(marks, title, "kernel", "σ / theory", xticks=names, legend=True)


def _strengths(result):
    xlabel = "strength (0: the standard, 1: the corners alone)"
    texts = {
        "gain": ("gain of the center-low init in σ", "σ / σ at strength 0"),
        "size": ("its ERF size", "ERF size (pixels)"),
    }
    for name, (title, ylabel) in texts.items():
        marks = []
        for place, size in enumerate(result.config.kernel_sizes):
            own, colour = result.of_size(size), COLOURS[place % len(COLOURS)]
            at, values = [s.strength for s in own], [getattr(s, name) for s in own]
            ends = [getattr(s, f"{name}_interval") for s in own]
            marks.append(points(at, values, ends, f"{size}x{size}", colour))
            marks.append(line(at, [getattr(s, f"predicted_{name}") for s in own], "", colour))
        yield Panel(marks, title, xlabel, ylabel, legend=True)
