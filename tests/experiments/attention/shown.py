"""What the figure shows of a record."""

import numpy as np

from experiments.attention.figure import COLOURS
from experiments.harness.style import joined
from tests.figures import Panel, Shown, box, image, line, points

FAINTEST = 1e-4


def shown(result):
    config = result.config
    left = config.side // 2 - result.stack_trf_size // 2 - 0.5
    square = box(left, left, result.stack_trf_size, result.stack_trf_size)
    maps = [
        Panel(
            [image(np.clip(result.arrays[f"map/{block}"], FAINTEST, None), limits=(FAINTEST, 1)), square],
            _name(result, block),
        )
        for block in config.blocks
    ]
    ticks = {place: joined(_name(result, block)) for place, block in enumerate(config.blocks)}
    outside = Panel(
        [mark for below in config.below for mark in _at_place(result, below, "outside_stack")],
        "", "", "share outside the stack's TRF", ("linear", "symlog"), ticks,
    )  # fmt: skip
    core = Panel(
        [mark for below in config.below for mark in _at_place(result, below, "core")],
        "", "", "share in the Gaussian core", xticks=ticks, legend=True,
    )  # fmt: skip
    middle = config.below[len(config.below) // 2]
    infinite = [one for one in result.points if one.trf_size is None] or result.points
    ordered = sorted(infinite, key=lambda one: one.outside_stack)
    ends = [f"{100 * p.outside_stack:.2g} % ({p.block.replace('_', ' ')})" for p in (ordered[0], ordered[-1])]
    stack = f"{config.depth} convolutions of {config.kernel_size} x {config.kernel_size} ({config.kind}, "
    return Shown(
        [*maps, outside, core],
        f"Fields without end, but from {ends[0]} to {ends[1]} of the influence is beyond the convolutions' field "
        f"({config.statistic})",
        [
            f"{stack}{config.channels} channels, TRF {result.stack_trf_size}: white square)",
            f"{config.statistic} over {config.runs} runs, seed {config.seed}",
            f"block after {middle} convolutions",
        ],
        colour_bars=[("influence / peak", FAINTEST, 1)],
    )


def _name(result, block):
    finite = result.of_block(block)[0].trf_size is not None
    return block.replace("_", " \n") + ("*" if finite else "")


def _at_place(result, below, name):
    config = result.config
    number, own = config.below.index(below), [p for p in result.points if p.below == below]
    at = [config.blocks.index(p.block) + 0.22 * (number - (len(config.below) - 1) / 2) for p in own]
    shares, ends = [getattr(p, name) for p in own], [getattr(p, f"{name}_interval") for p in own]
    yield points(at, shares, ends, str(below), COLOURS[number % 5])
    if name == "outside_stack":
        known = [(x, p.predicted) for x, p in zip(at, own, strict=True) if p.predicted is not None]
        yield line([x for x, _ in known], [share for _, share in known], "", "black")
