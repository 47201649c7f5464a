"""What the figure shows of a record."""

import numpy as np

from experiments.erf_growth.experiment import PAPER_DEPTHS
from experiments.harness.style import KIND_COLOURS, KIND_LABELS
from tests.figures import Panel, Shown, level, line, points


def shown(result):
    kinds, config = result.config.kinds, result.config
    first, last = PAPER_DEPTHS if any(s.depths == PAPER_DEPTHS for s in result.slopes) else config.all_depths
    over = "" if (first, last) == (5, 40) else " over 5-40"
    return Shown(
        [
            Panel(
                [mark for kind in kinds for mark in _against_trf(result, kind, (first, last), "size")],
                f"slope over depths {first}-{last}; the paper{over}: 0.56",
                "TRF size (pixels)", "ERF size (pixels)", ("log", "log"), legend=True,
            ),
            Panel(
                [mark for kind in kinds for mark in _against_trf(result, kind, (first, last), "ratio")],
                f"slope over depths {first}-{last}; the paper{over}: -0.43",
                "TRF size (pixels)", "ERF size / TRF size", ("log", "log"), legend=True,
            ),
            Panel(
                [mark for kind in kinds for mark in _against_root(result, kind)],
                "size against √depth, with theory's straight line", "√depth", "ERF size (pixels)", legend=True,
            ),
            Panel(
                [*_local_slopes(result), level(0.5, "limit 0.5"), level(0.56, "the paper's fit 0.56")],
                "the excess over 0.5 is truncation by the finite TRF", "depth n",
                "exact slope from n to 2n, size against TRF", ("log", "linear"), legend=True,
            ),
        ],
        caption=[f"Statistic {config.statistic}, {config.runs} runs a point, seed {config.seed}"],
    )  # fmt: skip


def _against_trf(result, kind, depths, y):
    own, colour = result.of_kind(kind), KIND_COLOURS[kind]
    label = f"{KIND_LABELS[kind]}: no slope"
    for slope in result.slopes:
        if (slope.kind, slope.y, slope.x, slope.depths) == (kind, y, "trf_size", depths):
            text = "{:.2f} ({:.2f} to {:.2f}), theory {:.2f}"
            label = f"{KIND_LABELS[kind]}: {text.format(slope.exponent, *slope.interval, slope.predicted)}"
    trf = [p.trf_size for p in own]
    scale = [p.trf_size if y == "ratio" else 1 for p in own]
    ends = [np.divide(p.size_interval or (p.size, p.size), by) for p, by in zip(own, scale, strict=True)]
    sizes, predicted = [p.size for p in own], [p.predicted_size for p in own]
    return points(trf, np.divide(sizes, scale), ends, label, colour), line(trf, np.divide(predicted, scale), "", colour)


def _against_root(result, kind):
    own, colour = result.of_kind(kind), KIND_COLOURS[kind]
    roots = [p.depth**0.5 for p in own]
    ends = [p.size_interval or (p.size, p.size) for p in own]
    yield points(roots, [p.size for p in own], ends, KIND_LABELS[kind], colour)
    if len(own) > 1:
        straight = np.poly1d(np.polyfit(roots, [p.predicted_size for p in own], 1))
        yield line(roots, straight(roots), "", colour)


def _local_slopes(result):
    depths = result.arrays["theory_depths"]
    trf = np.log(1 + depths * (result.config.kernel_size - 1))
    for kind, label in (("uniform", "uniform weights"), ("random", "random weights, any nonlinearity")):
        sizes = np.log(result.arrays[f"predicted_sizes/{kind}"])
        slopes = [(sizes[i + 2] - sizes[i]) / (trf[i + 2] - trf[i]) for i in range(len(depths) - 2)]
        yield line(depths[:-2], slopes, label, KIND_COLOURS[kind])
