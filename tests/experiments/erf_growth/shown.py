"""What the figure shows of a record."""

import numpy as np

from experiments.erf_growth.experiment import PAPER_DEPTHS
from experiments.harness.style import KINDS
from tests.figures import Panel, Shown, box, level, line, points


def shown(result):
    kinds, config = result.config.kinds, result.config
    first, last = PAPER_DEPTHS if any(s.depths == PAPER_DEPTHS for s in result.slopes) else config.all_depths
    return Shown(
        [
            Panel(
                [
                    *(mark for kind in kinds for mark in _against_trf(result, kind, (first, last), "size")),
                    *_papers(result, (first, last), "size", 0.56),
                ],
                "ERF size against TRF size",
                "TRF size (pixels)", "ERF size (pixels)", ("log", "log"), legend=True,
            ),
            Panel(
                [
                    *(mark for kind in kinds for mark in _against_trf(result, kind, (first, last), "ratio")),
                    *_papers(result, (first, last), "ratio", -0.43),
                ],
                "their ratio",
                "TRF size (pixels)", "ERF size / TRF size", ("log", "log"), legend=True,
            ),
            Panel(
                [mark for kind in kinds for mark in _against_root(result, kind)],
                "size against √depth, with theory's line", "√depth (square root of convolutions)",
                "ERF size (pixels)", legend=True,
            ),
            Panel(
                [*_local_slopes(result), level(0.5, "limit 0.5"), level(0.56, "the paper's fit 0.56")],
                "the excess over 0.5 fades as the TRF grows", "depth n (convolutions)",
                "exact slope from n to 2n", ("log", "linear"), legend=True,
            ),
        ],
        _message(result, (first, last)),
        [f"{config.statistic} over n = {config.runs} runs a point, seed {config.seed}", f"depths {first} to {last}"],
    )  # fmt: skip


def _message(result, depths):
    for slope in result.slopes:
        if (slope.kind, slope.y, slope.x, slope.depths) == ("random", "size", "trf_size", depths):
            return (
                f"With random weights the ERF size grows as the TRF size to the power {slope.exponent:.2f} over depths "
                f"{depths[0]} to {depths[1]} (the paper: 0.56 over depths 5 to 40)"
            )
    return "ERF size against TRF size; the depths are too few for a slope"


def _papers(result, depths, y, slope):
    """Return the depths of the fit, and a line of the paper's slope through the middle of the points there."""
    trf, values = zip(
        *((p.trf_size, p.size / (p.trf_size if y == "ratio" else 1)) for p in result.points
          if depths[0] <= p.depth <= depths[1]), strict=True,
    )  # fmt: skip
    ends = np.array([min(trf), max(trf)])
    middle, height = np.log(trf).mean(), np.log(values).mean()
    yield line(ends, np.exp(height + slope * (np.log(ends) - middle)), f"the paper: {slope}", "black")
    yield box(ends[0], 0, ends[1] - ends[0], 1)


def _against_trf(result, kind, depths, y):
    own, colour = result.of_kind(kind), KINDS[kind].colour
    label = f"{KINDS[kind].label}: no slope"
    for slope in result.slopes:
        if (slope.kind, slope.y, slope.x, slope.depths) == (kind, y, "trf_size", depths):
            label = "{}: {:.2f} ({:.2f} to {:.2f})".format(KINDS[kind].label, slope.exponent, *slope.interval)
    trf = [p.trf_size for p in own]
    scale = [p.trf_size if y == "ratio" else 1 for p in own]
    ends = [np.divide(p.size_interval or (p.size, p.size), by) for p, by in zip(own, scale, strict=True)]
    sizes, predicted = [p.size for p in own], [p.predicted_size for p in own]
    return points(trf, np.divide(sizes, scale), ends, label, colour), line(trf, np.divide(predicted, scale), "", colour)


def _against_root(result, kind):
    own, colour = result.of_kind(kind), KINDS[kind].colour
    roots = [p.depth**0.5 for p in own]
    ends = [p.size_interval or (p.size, p.size) for p in own]
    yield points(roots, [p.size for p in own], ends, KINDS[kind].label, colour)
    if len(own) > 1:
        straight = np.poly1d(np.polyfit(roots, [p.predicted_size for p in own], 1))
        yield line(roots, straight(roots), "", colour)


def _local_slopes(result):
    depths = result.arrays["theory_depths"]
    trf = np.log(1 + depths * (result.config.kernel_size - 1))
    for kind, label in (("uniform", "uniform weights"), ("random", "random weights, any nonlinearity")):
        sizes = np.log(result.arrays[f"predicted_sizes/{kind}"])
        slopes = [(sizes[i + 2] - sizes[i]) / (trf[i + 2] - trf[i]) for i in range(len(depths) - 2)]
        yield line(depths[:-2], slopes, label, KINDS[kind].colour)
