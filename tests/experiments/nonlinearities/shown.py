"""What the figure shows of a record."""

import numpy as np

from experiments.harness.style import KINDS
from tests.figures import Panel, Shown, image, line, points


def shown(result):
    config = result.config
    maps = [
        Panel(
            [image(result.arrays[f"map/{kind}"])],
            f"{KINDS[kind].label.removeprefix('random + ')}\nr² = {result.of_kind(kind).r_squared[0]:.3f}",
            "column (pixels)",
            "" if place else "row (pixels)",
        )
        for place, kind in enumerate(config.kinds)
    ]
    marks, ticks = [], {}
    for place, fits in enumerate(result.fits):
        colour, name = KINDS[fits.kind].colour, KINDS[fits.kind].label
        for at, runs, values, interval in (
            (place - 0.17, config.fewer_runs, fits.fewer_r_squared, fits.fewer_interval),
            (place + 0.17, config.runs, fits.r_squared, fits.interval),
        ):
            label = "" if place else f"n = {runs} runs"
            marks.append(line([at] * len(values), values, label, colour, hollow=runs == config.fewer_runs))
            marks.append(points([at], [np.mean(values)], [interval], "", "black"))
        ticks[place] = name
    fewer, more = (
        min(np.mean(getattr(fits, name)) for fits in result.fits) for name in ("fewer_r_squared", "r_squared")
    )
    return Shown(
        [*maps, Panel(marks, "", "", "r² of the Gaussian fit", xticks=ticks, legend=True)],
        f"Whatever the nonlinearity, a mean over {config.runs} runs is Gaussian to r² = {more:.3f} or more; "
        f"over {config.fewer_runs} runs r² falls to {fewer:.3f}",
        [f"Depth {config.depth}, {config.statistic}, seed {config.seed}", f"mean of {config.runs} runs"],
        colour_bars=[("influence / peak", 0, 1)],
    )
