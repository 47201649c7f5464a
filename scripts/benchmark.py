"""Time our measurements against the plain loop, side by side: ``python scripts/benchmark.py [--output PATH]``.

The plain loop is what one writes without this library: for each run a new zero-padded network, a forward pass of an
image somewhat larger than the TRF, and ``.backward()`` from one output unit. Both sides draw the same weights and
inputs, and their maps are compared before anything is timed.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))  # experiments are not installed

from erf import ConvLayer, InvalidInput, theory
from erf.files.atomic_file import atomic_write
from erf.networks.conv_stack import Activation, ConvStack
from experiments.harness.environment import Environment
from experiments.harness.validation import require_increasing
from scripts.benchmarks.case import SHORT_TURNS, Case, Report, time_in_turns
from scripts.benchmarks.command import exit_code, print_tables, timing_parser, to_json
from scripts.benchmarks.expected import EXPECTED_CAPTION, time_expected_map
from scripts.benchmarks.one_image import time_one_image
from scripts.benchmarks.precision import time_precision
from scripts.benchmarks.resnet50 import time_resnet50
from scripts.benchmarks.stacks import time_stack, with_memory
from scripts.benchmarks.tracing import TRACING_CAPTION, time_tracing
from scripts.benchmarks.training import TRAINING_CAPTION, time_training_step
from scripts.options import Number, filled_path

THEORY_DEPTH = 1000

CAPTION = (
    "plain: the plain loop; median durations; range of the ratios; limit: the time of the useful operations at the "
    "rate of a large matrix product, over ours; differences of the maps; growth of peak memory; "
    f"{EXPECTED_CAPTION}; {TRACING_CAPTION}; {TRAINING_CAPTION}"
)


def main(arguments: Sequence[str]) -> int:
    """Time all cases, print their table and, with ``--output``, write them; return the exit code."""
    return exit_code(lambda: _benchmark(_options(arguments)))


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = timing_parser("benchmark.py", __doc__, repetitions=3)
    side = Number(least=32)  # a unit of ResNet-50's last stage
    parser.add_argument("--depths", type=Number(), nargs="+", default=[10, 20, 40], help="of the stacks, increasing")
    parser.add_argument("--channels", type=Number(), default=16, help="of every layer")
    parser.add_argument("--runs", type=Number(), default=20, help="draws of weights and inputs for each map")
    parser.add_argument(
        "--width", type=Number(), default=16, help="channels of the network whose training step is timed"
    )
    parser.add_argument(
        "--large", type=side, default=1024, help="pixels a side of ResNet-50's images, where crops help"
    )
    parser.add_argument("--small", type=side, default=224, help="pixels a side of those that its TRF exceeds")
    parser.add_argument("--images", type=Number(), default=8, help="images for each of ResNet-50's maps, of large ones")
    parser.add_argument(
        "--small-images", type=Number(), default=32, help="and of small ones, as many as maps are made of"
    )
    parser.add_argument("--one-image", type=side, nargs="+", default=[224, 512, 1024], help="pixels a side, of one")
    parser.add_argument("--output", type=filled_path, help="the JSON file to write, benchmark.json")
    options = parser.parse_args(arguments)
    require_increasing("--depths", options.depths, least=1)
    if (path := options.output) and (path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK)):
        raise InvalidInput(f"--output {path}: allowed is a file in a folder that exists and can be written")
    return options


def _benchmark(options: argparse.Namespace) -> None:
    torch.set_num_threads(options.threads)
    start, environment = time.monotonic(), Environment.now("cpu")
    cases = list(_measure_cases(options, environment))
    report = Report(replace(environment, seconds=time.monotonic() - start), cases)
    print_tables(_table(report))
    if options.output:
        atomic_write(options.output, to_json(report))
        print(f"benchmark     {options.output}")


def _measure_cases(options: argparse.Namespace, environment: Environment) -> Iterator[Case]:
    """Yield cases of stacks (the deepest: memory, too), theory, TRFs, training, ResNet-50, one image and bfloat16."""
    for activation in (Activation.none, Activation.relu):
        for depth in options.depths:
            stack = ConvStack(depth, options.channels, activation=activation)
            case = time_stack(stack, options.runs, SHORT_TURNS * options.repetitions, environment)
            yield with_memory(case, stack, options.runs) if depth == options.depths[-1] else case
    yield _time_theory(options.repetitions, environment)
    yield time_expected_map(options.repetitions, environment)
    yield time_tracing(options.repetitions, environment)
    yield time_training_step(options.width, options.repetitions, environment)
    yield from time_resnet50(
        options.large, options.images, options.small, options.small_images, options.repetitions, environment
    )
    yield from time_one_image(options.one_image, options.repetitions, environment)
    yield from time_precision(options.small, options.small_images, options.repetitions, environment)


def _time_theory(repetitions: int, environment: Environment) -> Case:
    exact = partial(theory.influence_map, [ConvLayer(3)] * THEORY_DEPTH)
    exact()
    return Case.of(f"exact theory, depth {THEORY_DEPTH}, 3x3", time_in_turns([exact], repetitions), environment)


def _table(report: Report) -> Table:
    headers = ["ours, ms", "plain, ms", "ratio", "range", "limit", "max diff.", "rel. L2", "ours, MiB", "plain, MiB"]
    title = f"{report.environment.device}, threads: {report.environment.threads}"
    table = Table("case", title=title, caption=CAPTION)
    for header in headers:
        table.add_column(header, justify="right")
    for case in report.cases:
        table.add_row(case.name, *_cells(case))
    return table


def _cells(case: Case) -> list[str]:
    theirs_ms = None if case.theirs_seconds is None else 1000 * case.theirs_seconds
    numbers = [
        (1000 * case.ours_seconds, "{:.1f}"),
        (theirs_ms, "{:.1f}"),
        (case.ratio, "{:.1f}"),
        (case.ratio_range, "{0[0]:.1f}-{0[1]:.1f}"),
        (case.limit_ratio, "{:.0%}"),
        (case.max_relative_difference, "{:.1e}"),
        (case.relative_l2, "{:.1e}"),
        (case.ours_peak_mib, "{:.0f}"),
        (case.theirs_peak_mib, "{:.0f}"),
    ]
    return ["" if number is None else form.format(number) for number, form in numbers]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
