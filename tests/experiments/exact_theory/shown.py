"""What the figure shows of a record."""

import numpy as np

from experiments.harness.style import KIND_COLOURS, KIND_LABELS
from tests.figures import Panel, Shown, level, line, points


def shown(result):
    config = result.config
    exact = result.arrays["theory"]
    middle, columns = len(exact) // 2, range(len(exact))
    rows, sigmas = [line(columns, exact[middle], "exact theory", "black")], [level(1)]
    for place, one in enumerate(result.random):
        colour = KIND_COLOURS[one.kind]
        label = f"{KIND_LABELS[one.kind]}: at most {one.largest_deviation:.1f} standard errors away"
        rows.append(line(columns, result.arrays[one.kind][middle], label, colour))
        over = np.divide([one.sigma_interval], one.predicted_sigma)
        sigmas.append(points([place], [one.sigma / one.predicted_sigma], over, "", colour))
    names = {place: KIND_LABELS[one.kind] for place, one in enumerate(result.random)}
    return Shown(
        [
            Panel(rows, "", "column (pixels)", "E[g²], central row", ("linear", "log"), legend=True),
            Panel(sigmas, "", "", "σ / theory", xticks=names),
        ],
        caption=[f"Depth {config.depth}, mean_square over {config.runs} runs, seed {config.seed}"],
    )
