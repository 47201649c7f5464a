"""What the figure shows of a record."""

import numpy as np

from experiments.harness.style import KINDS
from tests.figures import Panel, Shown, level, line, points


def shown(result):
    config = result.config
    exact = result.arrays["theory"]
    middle, columns = len(exact) // 2, range(len(exact))
    rows, sigmas = [line(columns, exact[middle], "exact theory", "black")], [level(1)]
    residuals = [level(1)]
    at = [column for column in columns if exact[middle][column] >= 1e-3 * max(exact[middle])]
    for place, one in enumerate(result.random):
        colour, name = KINDS[one.kind].colour, KINDS[one.kind].label
        label = f"{name}: at most {one.largest_deviation:.1f} standard errors away"
        rows.append(line(columns, result.arrays[one.kind][middle], label, colour))
        residuals.append(line(at, [result.arrays[one.kind][middle][c] / exact[middle][c] for c in at], name, colour))
        over = np.divide([one.sigma_interval], one.predicted_sigma)
        sigmas.append(points([place], [one.sigma / one.predicted_sigma], over, "", colour))
    largest = max((one.largest_deviation for one in result.random), default=0)
    names = {
        place: {"random": "random\nweights", "relu": "random\n+ ReLU"}[one.kind]
        for place, one in enumerate(result.random)
    }
    return Shown(
        [
            Panel(rows, "", "", "E[g²], central row", ("linear", "log"), legend=True),
            Panel(sigmas, "", "", "σ measured / exact", xticks=names),
            Panel(residuals, "", "column (pixels)", "measured /\nexact"),
        ],
        f"Measured maps agree with exact theory: at none of {exact.size:,} pixels more than {largest:.1f} standard "
        "errors off",
        [f"Depth {config.depth}, mean_square over n = {config.runs} runs, seed {config.seed}"],
    )
