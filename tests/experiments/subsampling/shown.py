"""What the figure shows of a record."""

import numpy as np

from erf.metrics.grid_average import moving_mean
from experiments.subsampling.figure import HALF, LOOKS, message
from tests.figures import Panel, Shown, box, image, line, points, upright


def shown(result):
    config, variants = result.config, result.variants
    columns = (len(variants) + 1) // 2
    maps = [_map(result, m, place % columns == 0, place >= columns) for place, m in enumerate(variants)]
    beyond = ", ".join(LOOKS[m.variant].label for m in variants if m.trf_size > 2 * HALF)
    return Shown(
        [*maps, _sizes(result), _kurtosis(result), _grid(result)],
        message(result),
        [
            f"{config.depth} convolutions, {config.kind}, statistic {config.statistic}, {config.runs} runs each",
            f"seed {config.seed}",
            f"exact sizes of {len(result.arrays['placements'])} stacks",
            f"at {min(m.center_share for m in variants):.2f} of the average",
            f"the TRF (of {beyond}: larger than what is shown)" if beyond else "dashed: the TRF.",
        ],
        colour_bars=[("influence / peak", 0, 1)],
    )


def _map(result, measured, first, last):
    half = measured.trf_size / 2
    layers = [i + 1 for i in range(result.config.depth) if measured.strides[i] > 1 or measured.dilations[i] > 1]
    if max(measured.strides) > 1:
        layers = [i + 1 for i in range(result.config.depth) if measured.strides[i] > 1]
    some = 0 < len(layers) < result.config.depth
    name = LOOKS[measured.variant].label + (f",\nlayers {', '.join(map(str, layers))}" if some else "")
    marks = [
        image(result.arrays[f"map/{measured.variant}"], (-half, half, half, -half)),
        box(-half, -half, 2 * half, 2 * half),
    ]
    title = f"{name}\nERF {measured.size:.0f}, TRF {measured.trf_size}"
    ylabel = "row (pixels)" if first else ""
    return Panel(marks, title, "column (pixels)" if last else "", ylabel)


def _measured(result, name):
    for place, m in enumerate(result.variants):
        ends = [getattr(m, f"{name}_interval")]
        yield points([getattr(m, name)], [place], ends, "", LOOKS[m.variant].colour, axis="x")
        yield line([getattr(m, f"predicted_{name}")], [place], "", LOOKS[m.variant].colour, hollow=True)


def _sizes(result):
    below, sizes = len(result.variants), result.arrays["placement_sizes"]
    marks = [
        *_measured(result, "size"),
        box(sizes.min(), 0, np.ptp(sizes), 1),
        line(sizes, [below] * len(sizes), "", "#D55E00"),
    ]
    names = {place: LOOKS[m.variant].label for place, m in enumerate(result.variants)}
    names[below] = "strides anywhere"
    return Panel(marks, "sizes; hollow: exact", "ERF size (pixels)", yticks=names)


def _kurtosis(result):
    marks = [*_measured(result, "kurtosis"), upright(-1.2), upright(0)]
    return Panel(marks, "shape of the map", "excess kurtosis\n(box -1.2, Gaussian 0)")


def _grid(result):
    deepest = min(result.variants, key=lambda m: m.center_share)
    period, values = deepest.period, result.arrays[f"theory/{deepest.variant}"]
    averaged = moving_mean(values, (period, period))
    strongest = int(np.argmax([values[len(values) // 2 + shift].sum() for shift in range(period)]))

    def row(line_values, label, colour):
        at = np.arange(len(line_values)) - (len(line_values) - 1) / 2
        near = abs(at) <= 4 * period + 8
        return line(at[near], line_values[near], label, colour)

    marks = [
        row(values[len(values) // 2], "row through center", "#D55E00"),
        row(values[len(values) // 2 + strongest], "strongest row", "#E69F00"),
        row(averaged[(len(averaged) - 1) // 2], f"average over {period} pixels", "black"),
    ]
    title = f"grid of {LOOKS[deepest.variant].label}"
    return Panel(marks, title, "column from the center (pixels)", "exact map / peak", legend=True)
