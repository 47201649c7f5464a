"""Time our measurements against the plain loop, side by side: ``python scripts/benchmark.py [--output PATH]``.

The plain loop is what one writes without this library: for each run a new zero-padded network, a forward pass of an
image somewhat larger than the TRF, and ``.backward()`` from one output unit. Both sides draw the same weights and
inputs, and their maps are compared before anything is timed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, NoReturn

import msgspec
import numpy as np
import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))  # experiments are not installed

from erf import ConvLayer, InvalidInput, theory
from erf.atomic_file import atomic_write
from erf.networks.conv_stack import Activation, ConvStack
from erf.noise import Noise
from erf.seeds import INPUTS, WEIGHTS, generator
from erf.stack_influence import stack_moments
from experiments.record import Environment
from experiments.stacks import require_at_least, require_increasing
from scripts.benchmarks.case import Case, Disagreement, time_in_turns
from scripts.benchmarks.limit import MatrixProduct, limit_ratio, useful_operations
from scripts.benchmarks.resnet50 import time_resnet50
from scripts.benchmarks.tracing import TRACING_CAPTION, time_tracing
from scripts.benchmarks.training import TRAINING_CAPTION, time_training_step

SEED = 0
MARGIN = 10  # pixels around the TRF in the plain loop's image
THEORY_DEPTH = 1000

# How close the maps are: linear stacks by max|a-b| / peak; where gates within rounding of 0 flip, by relative L2.
LINEAR_TOLERANCE, RELU_TOLERANCE = 1e-5, 1e-2

CAPTION = (
    "plain: the plain loop; median durations; range of the ratios; limit: the time of the useful operations at the "
    "rate of a large matrix product, over ours; differences of the maps; growth of peak memory; "
    f"{TRACING_CAPTION}; {TRAINING_CAPTION}"
)


@dataclass(frozen=True)
class Report:
    """All cases, and where they were timed."""

    environment: Environment
    cases: list[Case]


def main(arguments: Sequence[str]) -> int:
    """Time all cases, print their table and, with ``--output``, write them; return the exit code."""
    try:
        _benchmark(_options(arguments))
    except (InvalidInput, Disagreement, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; nothing was written", file=sys.stderr)
        return 130
    return 0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InvalidInput(message)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = _Parser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--depths", type=int, nargs="+", default=[10, 20, 40], help="of the stacks, increasing")
    parser.add_argument("--channels", type=int, default=16, help="of every layer")
    parser.add_argument("--runs", type=int, default=20, help="draws of weights and inputs for each map")
    parser.add_argument("--width", type=int, default=16, help="channels of the network whose training step is timed")
    parser.add_argument("--large", type=int, default=1024, help="pixels a side of ResNet-50's images, where crops help")
    parser.add_argument("--small", type=int, default=224, help="pixels a side of those that its TRF exceeds")
    parser.add_argument("--images", type=int, default=4, help="images for each of ResNet-50's maps")
    parser.add_argument("--repetitions", type=int, default=7, help="of each timing; the median counts")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of torch")
    parser.add_argument("--output", type=Path, help="the JSON file to write, benchmark.json")
    options = parser.parse_args(arguments)
    require_increasing("depths", options.depths, least=1)
    for name in ("channels", "runs", "width", "images", "repetitions", "threads"):
        require_at_least(1, **{name: getattr(options, name)})
    require_at_least(32, large=options.large, small=options.small)  # a unit of ResNet-50's last stage
    if options.output:
        _require_writable(options.output)
    return options


def _require_writable(path: Path) -> None:
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise InvalidInput(f"output={path}: allowed is a file in a folder that exists and can be written")


def _benchmark(options: argparse.Namespace) -> None:
    torch.set_num_threads(options.threads)
    start, environment = time.monotonic(), Environment.now("cpu")
    cases = list(_measure_cases(options, environment))
    report = Report(replace(environment, seconds=time.monotonic() - start), cases)
    Console(width=None if sys.stdout.isatty() else 160).print(_table(report))
    if options.output:
        atomic_write(options.output, to_json(report))
        print(f"benchmark     {options.output}")


def _measure_cases(options: argparse.Namespace, environment: Environment) -> Iterator[Case]:
    """Yield the cases of stacks, of the deepest with its memory, exact theory, TRFs, a training step and ResNet-50."""
    for activation in (Activation.none, Activation.relu):
        for depth in options.depths:
            stack = ConvStack(depth, options.channels, activation=activation)
            case = _time_stack(stack, options.runs, options.repetitions, environment)
            yield _with_memory(case, stack, options.runs) if depth == options.depths[-1] else case
    yield _time_theory(options.repetitions, environment)
    yield time_tracing(options.repetitions, environment)
    yield time_training_step(options.width, options.repetitions, environment)
    yield from time_resnet50(options.large, options.small, options.images, options.repetitions, environment)


def _time_stack(stack: ConvStack, runs: int, repetitions: int, environment: Environment) -> Case:
    kind = "linear" if stack.activation is Activation.none else str(stack.activation)
    name = f"{kind} stack, depth {stack.depth}, {stack.channels} channels, {runs} runs"
    ours, theirs = partial(measure_ours, stack, runs), partial(plain_loop, stack, runs)
    first, second = ours(), theirs()  # also warms up
    require_agreement(name, first, second, stack.activation)
    product = MatrixProduct()
    product()
    *durations, product_seconds = time_in_turns([ours, theirs, product], repetitions)
    return replace(
        Case.of(name, durations, environment),
        limit_ratio=limit_ratio(useful_operations(stack, runs), median(durations[0]), median(product_seconds)),
        max_relative_difference=max_relative_difference(first, second),
        relative_l2=relative_l2(first, second),
    )


def _with_memory(case: Case, stack: ConvStack, runs: int) -> Case:
    ours, theirs = (_peak_alone(measure, stack, runs) for measure in (measure_ours, plain_loop))
    return replace(case, ours_peak_mib=ours, theirs_peak_mib=theirs)


def _time_theory(repetitions: int, environment: Environment) -> Case:
    exact = partial(theory.influence_map, [ConvLayer(3)] * THEORY_DEPTH)
    exact()
    return Case.of(f"exact theory, depth {THEORY_DEPTH}, 3x3", time_in_turns([exact], repetitions), environment)


def measure_ours(stack: ConvStack, runs: int) -> np.ndarray:
    """Return |g| of each run by the library, from output channel 0, ``[runs, S, S]``."""
    return stack_moments(stack, runs, seed=SEED, aggregation=0)


def plain_loop(stack: ConvStack, runs: int) -> np.ndarray:
    """Return the same maps, each by a forward and a backward pass of its own network."""
    return torch.stack([_plain_map(stack, run) for run in range(runs)]).numpy()


def _plain_map(stack: ConvStack, run: int) -> Tensor:
    network = stack.network(stack.draw_weights(generator(SEED, run, WEIGHTS)), padding=stack.kernel_size // 2)
    trf = Noise.normal.draw((1, stack.input_channels, stack.trf_size, stack.trf_size), generator(SEED, run, INPUTS))
    image = F.pad(trf, [MARGIN] * 4).requires_grad_()
    output = network(image)
    gradient = torch.zeros_like(output)
    gradient[0, 0, output.shape[2] // 2, output.shape[3] // 2] = 1
    output.backward(gradient)
    assert image.grad is not None
    return image.grad[0, :, MARGIN:-MARGIN, MARGIN:-MARGIN].double().abs().mean(0)


def max_relative_difference(a: np.ndarray, b: np.ndarray) -> float:
    """Return the largest difference of two maps ``[H, W]`` in units of the second's peak, over all pairs ``[R]``."""
    peaks = np.abs(b).max((1, 2))
    differences = np.abs(a - b).max((1, 2))
    return float((differences / np.where(peaks == 0, 1, peaks)).max())


def relative_l2(a: np.ndarray, b: np.ndarray) -> float:
    """Return the root of the sum of squared differences over the sum of squares of ``b``."""
    return float(np.linalg.norm(a - b) / (np.linalg.norm(b) or 1.0))


def require_agreement(name: str, a: np.ndarray, b: np.ndarray, activation: Activation) -> None:
    """Raise Disagreement unless float32 maps ``[R, H, W]`` measured in two ways are equal to rounding."""
    linear = activation is Activation.none
    difference = max_relative_difference(a, b) if linear else relative_l2(a, b)
    allowed = LINEAR_TOLERANCE if linear else RELU_TOLERANCE
    if not difference <= allowed:
        measure = "of the peak" if linear else "relative L2"
        raise Disagreement(f"{name}: the maps differ by {difference:.1e} {measure}; allowed: {allowed:.0e}")


def _peak_alone(measure: Callable[[ConvStack, int], Any], stack: ConvStack, runs: int) -> float | None:
    return in_fresh_process(_peak_growth, measure, stack, runs, torch.get_num_threads())


def _peak_growth(measure: Callable[[ConvStack, int], Any], stack: ConvStack, runs: int, threads: int) -> float | None:
    torch.set_num_threads(threads)
    measure(replace(stack, depth=1), 1)  # loads what torch loads at first use
    before = resident_peak()
    measure(stack, runs)
    after = resident_peak()
    return None if before is None or after is None else after - before


def in_fresh_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return ``function(*arguments)`` from a new interpreter, whose peak memory is that of this call alone."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def resident_peak() -> float | None:
    """Return this process's peak resident memory in MiB, or None where the system does not tell.

    ``resource.getrusage`` would: of a process's parent, where that was the larger.
    """
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text()) if status.exists() else None
    return int(found[1]) / 1024 if found else None


def to_json(report: Any) -> bytes:
    """Return a dataclass as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


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
