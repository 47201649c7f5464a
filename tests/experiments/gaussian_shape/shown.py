"""What the figure shows of a record."""

import numpy as np

from experiments.harness.style import KINDS
from tests.figures import Panel, Shown, image, line, points


def shown(result):
    config = result.config
    maps = [panel for kind in config.kinds for panel in _of_kind(result, kind)]
    return Shown(
        [*maps, _fall(result)],
        _message(result),
        [f"{config.statistic} over n of {config.runs} runs", f"seed {config.seed}", f"depth {config.group_depth}"],
        colour_bars=[("influence / peak", 0, 1)] * len(config.kinds),
    )


def _message(result):
    depth = max(result.config.depths)
    least = min(panel.r_squared for panel in result.panels if panel.depth == depth)
    fall = f"; 1 - r² falls as runs to the power {result.falls[0].exponent:.2f}" if result.falls else ""
    return f"ERFs are close to Gaussian: r² is {least:.3f} or more at depth {depth}{fall}"


def _of_kind(result, kind):
    above, below = [], []
    counts = [result.panel(kind, depth).runs for depth in result.config.depths]
    count = f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
    for depth in result.config.depths:
        panel, values = result.panel(kind, depth), result.arrays[f"map/{kind}/{depth}"]
        exact, first = result.arrays[f"theory/{kind}/{depth}"], depth == result.config.depths[0]
        middle, columns = len(values) // 2, range(len(values))
        sigma = (panel.sigma[0] + panel.sigma[1]) / 2
        title = f"depth {depth}, r² = {panel.r_squared:.3f}\nσ: fit {sigma:.2f}, exact {panel.predicted_sigma:.2f}"
        ylabels = ("row (pixels)", "influence /\nexact peak") if first else ("", "")
        above.append(Panel([image(values)], title, "", ylabels[0], heading=f"{KINDS[kind].label}, n = {count}"))
        measured = line(columns, values[middle] / values.sum() * exact.sum(), "measured", KINDS[kind].colour)
        below.append(
            Panel([measured, line(columns, exact[middle], "exact", "black")], "", "column (pixels)", ylabels[1])
        )
    return above + below


def _fall(result):
    marks = []
    for kind in dict.fromkeys(groups.kind for groups in result.groups):
        label = KINDS[kind].label
        for fall in result.falls:
            if fall.kind is kind:
                label += ": slope {:.2f} ({:.2f} to {:.2f})".format(fall.exponent, *fall.interval)
        own = result.of_kind(kind)
        ends = 1 - np.array([g.interval or (g.r_squared, g.r_squared) for g in own])
        marks.append(points([g.runs for g in own], [1 - g.r_squared for g in own], ends, label, KINDS[kind].colour))
    return Panel(
        marks, f"The more runs in a map, the more Gaussian it looks (depth {result.config.group_depth})",
        "runs in one map", "1 - r²", ("log", "log"), legend=True,
    )  # fmt: skip
