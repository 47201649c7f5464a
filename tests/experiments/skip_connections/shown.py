"""What the figure shows of a record."""

import matplotlib
import numpy as np
from matplotlib.colors import to_hex

from experiments.skip_connections.figure import LOOKS, message
from tests.figures import Panel, Shown, box, image, line, points


def shown(result):
    config = result.config
    first = config.designs[0]
    stacks = [*result.of_design(first), result.plain(first)]
    maps = [
        Panel(
            [image(result.arrays[f"map/{p.key}"])],
            f"{_gain(p)}\nERF {p.size:.1f}\nTRF {p.trf_size}",
            "column (pixels)",
            "" if place else "row (pixels)",
        )
        for place, p in enumerate(stacks)
    ]
    return Shown(
        [*maps, _sizes(result), _branches(result), _rows(result, stacks)],
        message(result),
        [
            f"{config.depth} convolutions, {config.branch_depth} in a branch, init {config.init}",
            f"statistic {config.statistic}, {config.runs} runs a point, seed {config.seed}",
        ],
        colour_bars=[("influence / peak", 0, 1)],
        legend=["without skips, all designs", *(LOOKS[design].label for design in config.designs)],
    )


def _gain(point):
    return "no skips" if point.gain is None else f"gain {point.gain:g}"


def _sizes(result):
    designs = result.config.designs
    marks = []
    for place, design in enumerate(designs):
        own, colour = result.of_design(design), LOOKS[design].colour
        apart = 1.04 ** (place - (len(designs) - 1) / 2)
        ends = [p.size_interval for p in own]
        marks.append(points([p.gain * apart for p in own], [p.size for p in own], ends, LOOKS[design].label, colour))
        marks.append(line(result.arrays["curve_gains"], result.arrays[f"curve/{design}"], "", colour))
    plain = [result.plain(design).size for design in designs]
    low, high = min(plain) - 0.05, max(plain) + 0.05
    marks.append(box(0, low, 1, high - low, "without skips, all designs"))
    return Panel(
        marks, "size by gain", "gain of the branches", "ERF size (pixels)",
        ("log", "linear"), {gain: f"{gain:g}" for gain in result.config.gains},
    )  # fmt: skip


def _branches(result):
    gain = min(result.config.gains, key=lambda value: abs(np.log(value)))
    marks = []
    for design in result.config.designs:
        (point,) = (p for p in result.of_design(design) if p.gain == gain)
        shares = result.arrays[f"branches/{design}/{gain:g}"]
        label = f"{LOOKS[design].label}: mean {point.branches:.1f}"
        marks.append(line(range(len(shares)), shares, label, LOOKS[design].colour))
    title = f"paths, gain {gain:g}"
    return Panel(marks, title, "number of branches taken", "predicted share of E[g²]")


def _rows(result, stacks):
    colours = [*matplotlib.colormaps["viridis"](np.linspace(0, 0.85, len(stacks) - 1)), "black"]
    marks = []
    for point, colour in zip(stacks, map(to_hex, colours), strict=True):
        measured, exact = result.arrays[f"map/{point.key}"], result.arrays[f"theory/{point.key}"]
        middle = len(exact) // 2
        columns = np.arange(len(exact)) - middle
        marks.append(line(columns, exact[middle] / exact.sum(), "", colour))
        marks.append(line(columns, measured[middle] / measured.sum(), _gain(point), colour))
    return Panel(
        marks, f"central row, {LOOKS[stacks[0].design].label}", "column (pixels)",
        "influence / its sum, central row", ("linear", "log"), legend=True,
    )  # fmt: skip
