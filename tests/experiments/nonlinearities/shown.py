"""What the figure shows of a record."""

import numpy as np

from experiments.harness.style import KIND_COLOURS, KIND_LABELS
from tests.figures import Panel, Shown, image, line, points


def shown(result):
    config = result.config
    maps = [
        Panel(
            [image(result.arrays[f"map/{kind}"])],
            f"{KIND_LABELS[kind]}\nr² = {result.of_kind(kind).r_squared[0]:.3f}",
            "column (pixels)",
            "" if place else "row (pixels)",
        )
        for place, kind in enumerate(config.kinds)
    ]
    marks, ticks = [], {}
    for place, fits in enumerate(result.fits):
        colour, name = KIND_COLOURS[fits.kind], KIND_LABELS[fits.kind]
        for at, values, interval in (
            (place - 0.17, fits.fewer_r_squared, fits.fewer_interval),
            (place + 0.17, fits.r_squared, fits.interval),
        ):
            marks.append(line([at] * len(values), values, "", colour))
            marks.append(points([at], [np.mean(values)], [interval], "", colour))
        ticks[place - 0.17] = f"{config.fewer_runs} runs"
        ticks[place + 0.17] = f"{config.runs} runs\n{name}"
    return Shown(
        [*maps, Panel(marks, "", "", "r² of the Gaussian fit", xticks=ticks)],
        caption=[f"Depth {config.depth}, {config.statistic}, seed {config.seed}", f"mean of {config.runs} runs"],
        colour_bars=[("influence / peak", 0, 1)],
    )
