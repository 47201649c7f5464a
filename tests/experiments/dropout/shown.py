"""What the figure shows of a record."""

import numpy as np

from erf.networks.conv_stack import Dropout
from experiments.dropout.experiment import MARGIN
from experiments.dropout.figure import COLOURS, NARROW_COLOURS, message
from tests.figures import Panel, Shown, box, image, level, line, points


def shown(result):
    config = result.config
    last = config.rates[-1]
    wide = [(result.of(d, config.channels), COLOURS[d], f"{d}, {config.channels} channels") for d in Dropout]
    narrow = [
        (result.of(Dropout.elementwise, n), colour, f"elementwise, {n} channel{'s' if n > 1 else ''}")
        for n, colour in zip(config.narrow, NARROW_COLOURS, strict=False)
    ]
    maps = []
    for dropout, rate in ((Dropout.elementwise, config.rates[0]), *((d, last) for d in Dropout)):
        values = result.arrays[f"map/{dropout}/{rate}"]
        title = f"{dropout}, \nrate {rate:g}" if rate else "no dropout"
        maps.append(Panel([image(values / values.max())], title, "column (pixels)", "" if maps else "row (pixels)"))
    exact = result.arrays["theory"]
    middle, columns = len(exact) // 2, range(len(exact))
    rows = [line(columns, exact[middle], "exact theory", "black")]
    for d in Dropout:
        rows.append(line(columns, result.arrays[f"map/{d}/{last}"][middle], f"{d}, rate {last:g}", COLOURS[d]))
    return Shown(
        [
            *maps,
            Panel(
                rows, "central row", "column (pixels)", "E[g²]", ("linear", "log"), legend=True
            ),
            _ratios(
                "mean_square, over theory", "σ / σ of exact theory", wide,
                lambda p: (p.mean_square.sigma / p.mean_square.predicted_sigma, p.mean_square.over_theory),
            ),
            _ratios(
                "mean_square", "σ / σ without dropout", wide,
                lambda p: (p.mean_square.sigma / p.mean_square.zero_sigma, p.mean_square.over_zero),
            ),
            _ratios(
                "mean_abs", "σ / σ without dropout", wide + narrow,
                lambda p: (p.mean_abs.sigma / p.mean_abs.zero_sigma, p.mean_abs.over_zero),
            ),
        ],
        message(result),
        [f"depth {config.depth}, n = {config.runs} runs a point, seed {config.seed}", f"± {MARGIN:.0%}"],
        colour_bars=[("influence / peak", 0, 1)],
        legend=[label for *_, label in wide + narrow],
    )  # fmt: skip


def _ratios(title, ylabel, curves, ratio):
    marks = [box(0, 1 - MARGIN, 1, 2 * MARGIN), level(1)]
    for place, (own, colour, label) in enumerate(curves):
        apart = 0.012 * max(p.rate for p in own) * (place - (len(curves) - 1) / 2)
        values = [ratio(p)[0] for p in own]
        ends = [ratio(p)[1] or (value, value) for p, value in zip(own, values, strict=True)]
        marks.append(points(np.array([p.rate for p in own]) + apart, values, ends, label, colour))
    return Panel(marks, title, "dropout rate", ylabel)
