"""Measure how time and memory grow, and check a model of the cost: ``python scripts/scaling.py [--output FOLDER]``."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))  # experiments are not installed

from erf import InvalidInput
from erf.files.atomic_file import atomic_write
from experiments.harness.environment import Environment
from experiments.harness.figure_file import write_figure
from experiments.harness.style import PAGE, apart, entitle, log_log, new_figure
from scripts.benchmarks.command import exit_code, print_tables, timing_parser, to_json
from scripts.benchmarks.cost_model import check
from scripts.benchmarks.growth import Curve, Scaling, Sizes, measure_growth
from scripts.benchmarks.markdown import constants_text, memory_text, study_text, time_text
from scripts.gpu_check import study_on_gpu
from scripts.options import filled_path

SIDE, LARGE = 224, 1024  # pixels, of the cost model's images
COLOURS = {"ours": "#0072B2", "plain": "#D55E00"}
MARKERS = {"ours": "o", "plain": "s"}
TICKS = 4  # that have room below a panel
ROOM = 0.35  # for a panel's legend, over the height of what is drawn
CAPTION = """
Ours, and a forward and a backward pass of the whole network for each map (plain). Medians; memory: growth of a fresh
process's peak, the image included. Beside each name: the exponent of a power law over the three largest values, in
brackets what counting operations, or values that must be kept, gives.
"""


def main(arguments: Sequence[str], sizes: Sizes | None = None, sides: tuple[int, int] = (SIDE, LARGE)) -> int:
    """Measure, print the tables and, with ``--output``, write them and the figure; return the exit code."""
    return exit_code(lambda: _scale(_options(arguments), sizes or Sizes(), sides))


def _scale(options: argparse.Namespace, sizes: Sizes, sides: tuple[int, int]) -> None:
    report = _measure(options, sizes, sides)
    print_tables(*_tables(report))
    if options.output:
        atomic_write(options.output / "scaling.json", to_json(report))
        write_figure(options.output / "scaling", draw(report.curves))
        print(f"scaling       {options.output / 'scaling.json'}")


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = timing_parser("scaling.py", __doc__, repetitions=3)
    parser.add_argument(
        "--output", type=filled_path, help="the folder to write scaling.json and the figure, as PNG, SVG and PDF, into"
    )
    options = parser.parse_args(arguments)
    if options.output and not options.output.is_dir():
        raise InvalidInput(f"--output {options.output}: allowed is a folder that exists")
    return options


def _measure(options: argparse.Namespace, sizes: Sizes, sides: tuple[int, int]) -> Scaling:
    torch.set_num_threads(options.threads)
    start, environment = time.monotonic(), Environment.now("cpu")
    constants, predictions, study = check(options.repetitions, *sides)
    curves = list(measure_growth(sizes, options.repetitions))
    return Scaling(replace(environment, seconds=time.monotonic() - start), curves, constants, predictions, study)


def _tables(report: Scaling) -> list[Table | str]:
    growth = Table("", "over", "ours, s", "plain, s", "exponents", "ours, MiB", "plain, MiB", "exponents")
    for curve in report.curves:
        both = (curve.ours, curve.theirs)
        exponents = (" | ".join(text(side) for side in both) for text in (time_text, memory_text))
        growth.add_row(
            curve.name, f"{curve.quantity} {curve.values[0]}-{curve.values[-1]}",
            *(f"{side.seconds[0]:.2g}-{side.seconds[-1]:.2g}" for side in both), next(exponents),
            *(_range(side.mib) for side in both), next(exponents),
        )  # fmt: skip
    model = Table("predicted", "model, s", "measured, s", "error")
    for prediction in report.predictions:
        seconds = f"{prediction.predicted_seconds:.2f}", f"{prediction.measured_seconds:.2f}"
        model.add_row(prediction.name, *seconds, f"{prediction.error:+.0%}")
    return [growth, model, constants_text(report.constants), study_text(report.study, study_on_gpu())]


def _range(values: Sequence[float | None]) -> str:
    return "" if None in values else f"{values[0]:.0f}-{values[-1]:.0f}"


def draw(curves: Sequence[Curve]) -> Figure:
    """Draw time and memory of both ways over each quantity."""
    figure = new_figure(PAGE, 4.2)
    for column, curve in zip(figure.subplots(2, len(curves)).T, curves, strict=True):
        for name, side in (("ours", curve.ours), ("plain", curve.theirs)):
            _draw_side(column[0], curve, side.seconds, name, time_text(side))
            _draw_side(column[1], curve, side.mib, name, memory_text(side))
        for axes in column:
            log_log(axes, apart(curve.values, TICKS), curve.quantity)
            _name_lines(axes)
        column[0].set_title(curve.name.replace(", ", ",\n", 1))
    for axes, name in zip(figure.axes[:: len(curves)], ("time (s)", "memory (MiB)"), strict=True):
        axes.set_ylabel(name)
    factors = [curve.theirs.seconds[-1] / curve.ours.seconds[-1] for curve in curves]
    message = f"At the largest values ours is {min(factors):.1f} to {max(factors):.0f} times as fast as plain passes"
    entitle(figure, message, CAPTION)
    return figure


def _draw_side(axes: Axes, curve: Curve, values: Sequence[float | None], name: str, exponent: str) -> None:
    known = [(x, y) for x, y in zip(curve.values, values, strict=True) if y]
    axes.plot(*zip(*known, strict=True), MARKERS[name], ls="-", color=COLOURS[name], label=f"{name}: {exponent}")


def _name_lines(axes: Axes) -> None:
    """Name what is drawn, in room above it, and put numbers at the scale of y."""
    low, high = axes.get_ylim()
    axes.set_ylim(low, high * (high / low) ** ROOM)
    axes.legend(loc="upper left", frameon=False, borderpad=0, borderaxespad=0.3)
    if high < 100 * low:  # hardly a power of ten within
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 3)))
        axes.yaxis.set_major_formatter("{x:g}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
