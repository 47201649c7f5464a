"""What the figure shows of a record."""

import numpy as np

from experiments.harness.style import KIND_COLOURS, KIND_LABELS
from tests.figures import Panel, Shown, image, line, points


def shown(result):
    config = result.config
    maps = [panel for kind in config.kinds for panel in _of_kind(result, kind)]
    return Shown(
        [*maps, _fall(result)],
        caption=[f"{config.statistic} over {config.runs} runs", f"seed {config.seed}"],
        colour_bars=[("influence / peak", 0, 1)] * len(config.kinds),
    )


def _of_kind(result, kind):
    above, below = [], []
    for depth in result.config.depths:
        panel, values = result.panel(kind, depth), result.arrays[f"map/{kind}/{depth}"]
        exact, first = result.arrays[f"theory/{kind}/{depth}"], depth == result.config.depths[0]
        middle, columns = len(values) // 2, range(len(values))
        sigma = (panel.sigma[0] + panel.sigma[1]) / 2
        title = f"depth {depth}, n = {panel.runs}\nr² = {panel.r_squared:.3f}\n"
        title += f"σ = {sigma:.2f}, theory {panel.predicted_sigma:.2f}"
        ylabels = ("row (pixels)", "influence /\ntheory's peak") if first else ("", "")
        above.append(Panel([image(values)], title, "column (pixels)", ylabels[0], heading=KIND_LABELS[kind]))
        measured = line(columns, values[middle] / values.sum() * exact.sum(), "", KIND_COLOURS[kind])
        below.append(Panel([measured, line(columns, exact[middle], "", "black")], "", "column (pixels)", ylabels[1]))
    return above + below


def _fall(result):
    marks = []
    for kind in dict.fromkeys(groups.kind for groups in result.groups):
        label = KIND_LABELS[kind]
        for fall in result.falls:
            if fall.kind is kind:
                label += ": slope {:.2f} ({:.2f} to {:.2f})".format(fall.exponent, *fall.interval)
        own = result.of_kind(kind)
        ends = 1 - np.array([g.interval or (g.r_squared, g.r_squared) for g in own])
        marks.append(points([g.runs for g in own], [1 - g.r_squared for g in own], ends, label, KIND_COLOURS[kind]))
    title = f"How Gaussian a map looks is a matter of the number of runs (depth {result.config.group_depth}; "
    return Panel(
        marks, f"{title}bars: 95 % over groups of runs)", "runs in one map", "1 - r²", ("log", "log"), legend=True,
        xticks={runs: str(runs) for runs in result.config.group_runs},
    )  # fmt: skip
