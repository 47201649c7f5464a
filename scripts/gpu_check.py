"""Compare the GPU with the CPU and record it in results/reference/gpu_check: ``python scripts/gpu_check.py``.

Both devices measure the same stacks and the same layers of ResNet-50, which must agree to rounding, and the experiment
``erf_growth``, of which the durations and the peak memory are recorded. Then maps of ResNet-50 are timed on the GPU,
from which the cost of a large study follows. Without a GPU nothing is checked or written.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))  # experiments are not installed

from erf import effective_receptive_field
from erf.arguments.device import resolve_device
from erf.files.atomic_file import atomic_write
from erf.networks.conv_stack import Activation, ConvStack
from erf.stacks.stack_influence import stack_moments
from experiments.erf_growth import experiment as erf_growth
from experiments.harness.environment import ROOT, Environment
from experiments.harness.tensorboard_logbook import TensorBoardLogbook
from scripts.benchmarks.case import median_seconds
from scripts.benchmarks.command import exit_code, to_json
from scripts.benchmarks.cost_model import NetworkMap, Study, network_constants, study_of
from scripts.benchmarks.markdown import read
from scripts.benchmarks.memory import in_fresh_process, resident_peak
from scripts.benchmarks.resnet50 import LAYERS, drawn_resnet50, noise
from scripts.benchmarks.stacks import LINEAR_TOLERANCE, RELU_TOLERANCE, max_relative_difference, relative_l2
from scripts.options import Parser

RECORD = ROOT / "results" / "reference" / "gpu_check" / "result.json"
GPU = "cuda"
SEED, DEPTHS = 0, (20, 40)  # of the stacks
COMPARED, PER_BATCH = 6, 2  # images of ResNet-50, given as batches in the CPU's memory
REPETITIONS = 3  # of its timings

# Nothing flips in float64; an ERF size may change by a pixel where a value is within rounding of the threshold.
FLOAT64_TOLERANCE, SIZE_TOLERANCE = 1e-10, 5e-3


@dataclass(frozen=True)
class Comparison:
    """One quantity on both devices: how it differs, measured how, and what is allowed."""

    name: str
    measure: str
    difference: float
    allowed: float

    @property
    def passed(self) -> bool:
        """Whether the difference is a number that is allowed."""
        return self.difference <= self.allowed

    def __str__(self) -> str:
        return f"{self.name}: {self.difference:.1e} {self.measure} (allowed: {self.allowed:.0e})"


@dataclass(frozen=True)
class Growth:
    """The experiment ``erf_growth`` on one device.

    Attributes:
        device: Name of the device.
        threads: CPU threads of torch.
        seconds: Duration.
        process_peak_mib: Peak resident memory of the process, Python and torch included; None where unknown.
        gpu_peak_mib: Peak of the GPU memory that tensors took; None on a CPU.
        sizes: The ERF size of every point.
    """

    device: str
    threads: int
    seconds: float
    process_peak_mib: float | None
    gpu_peak_mib: float | None
    sizes: list[float]


@dataclass(frozen=True)
class Sizes:
    """Of the images of ResNet-50 that maps are timed on: pixels a side, how many in two maps, and how many at once."""

    side: int = 224
    few: int = 128
    many: int = 640
    batch_size: int = 64


@dataclass(frozen=True)
class NetworkCost:
    """What maps of ResNet-50's layer4 cost on the device, by :mod:`scripts.benchmarks.cost_model`.

    Attributes:
        sizes: Of the images.
        seconds: Of a map, whatever the number of images.
        rate: Operations a second.
        study: What many such maps would take.
    """

    sizes: Sizes
    seconds: float
    rate: float
    study: Study


@dataclass(frozen=True)
class Report:
    """What was compared, the experiment on CPU and GPU, and where; ``config`` also gives the number of all runs."""

    config: erf_growth.Config
    environment: Environment
    comparisons: list[Comparison]
    erf_growth: list[Growth]
    network: NetworkCost


def main(arguments: Sequence[str]) -> int:
    """Check the GPU, if there is one, and write the record if all comparisons pass; return the exit code."""
    return exit_code(lambda: _check_gpu(arguments))


def _check_gpu(arguments: Sequence[str]) -> int:
    Parser("gpu_check.py", __doc__).parse_args(arguments)
    if not torch.cuda.is_available():
        print("no GPU here: nothing checked")
        return 0
    return conclude(check(GPU, erf_growth.Config(), DEPTHS, Sizes()), RECORD)


def check(device: str, config: erf_growth.Config, depths: Sequence[int], sizes: Sizes) -> Report:
    """Compare ``device`` with the CPU: maps of stacks of these depths, of ResNet-50, and the experiment; time maps."""
    start, environment = time.monotonic(), Environment.now(device)
    comparisons = [*compare_stacks(device, depths, config.runs), *compare_networks(device, sizes.side)]
    on_cpu, on_device = (in_fresh_process(measure_growth, replace(config, device=name)) for name in ("cpu", device))
    comparisons.append(compare_sizes(on_cpu, on_device))
    cost = time_network(device, sizes)
    environment = replace(environment, seconds=time.monotonic() - start)
    return Report(config, environment, comparisons, [on_cpu, on_device], cost)


def compare_stacks(device: str, depths: Sequence[int], runs: int) -> Iterator[Comparison]:
    """Yield how far the maps of linear and ReLU stacks on ``device`` are from those on the CPU, in both precisions."""
    for activation in (Activation.none, Activation.relu):
        for depth in depths:
            for dtype in (torch.float64, torch.float32):
                yield _compare_stack(ConvStack(depth, activation=activation), runs, dtype, device)


def _compare_stack(stack: ConvStack, runs: int, dtype: torch.dtype, device: str) -> Comparison:
    on_cpu, on_device = (
        stack_moments(stack, runs, seed=SEED, device=resolve_device(name), dtype=dtype) for name in ("cpu", device)
    )
    linear = stack.activation is Activation.none
    kind = "linear" if linear else str(stack.activation)
    name = f"{kind} stack, depth {stack.depth}, {str(dtype).removeprefix('torch.')}"
    return _comparison(name, dtype, on_device, on_cpu, linear)


def _comparison(
    name: str, dtype: torch.dtype, on_device: np.ndarray, on_cpu: np.ndarray, linear: bool = False
) -> Comparison:
    """Compare maps ``[R, H, W]``: by relative L2 where gates within rounding of 0 flip, else at every pixel."""
    if linear or dtype is torch.float64:
        allowed = FLOAT64_TOLERANCE if dtype is torch.float64 else LINEAR_TOLERANCE
        return Comparison(name, "of the peak", max_relative_difference(on_device, on_cpu), allowed)
    return Comparison(name, "relative L2", relative_l2(on_device, on_cpu), RELU_TOLERANCE)


def compare_networks(device: str, side: int) -> Iterator[Comparison]:
    """Yield how far the maps of ResNet-50's layers on ``device`` are from those on the CPU, in both precisions.

    Images come as batches in the CPU's memory, of which a GPU gets the next one while it works on one.
    """
    for dtype in (torch.float64, torch.float32):
        network, images = drawn_resnet50().to(dtype), noise(COMPARED, side).to(dtype)
        on_cpu = effective_receptive_field(network, images, list(LAYERS), batch_size=1)
        network.to(resolve_device(device))
        on_device = effective_receptive_field(network, iter(images.split(PER_BATCH)), list(LAYERS))
        for layer in LAYERS:
            name = f"ResNet-50, {side} px, {layer}, {str(dtype).removeprefix('torch.')}"
            yield _comparison(name, dtype, on_device[layer].values[None], on_cpu[layer].values[None])


def time_network(device: str, sizes: Sizes) -> NetworkCost:
    """Time maps of ResNet-50's layer4 over few and over many images, which lie in the CPU's memory."""
    network = drawn_resnet50().to(resolve_device(device))
    few, many = (
        NetworkMap(network, LAYERS[-1], noise(count, sizes.side), sizes.batch_size) for count in (sizes.few, sizes.many)
    )
    seconds, rate = network_constants(few, many, *median_seconds([few, many], REPETITIONS))
    return NetworkCost(sizes, seconds, rate, study_of(few, seconds, rate))


def study_on_gpu() -> Study | None:
    """Return what the recorded GPU would take for a large study; None without a record."""
    return read(RECORD, Report, "gpu_check.py").network.study if RECORD.exists() else None


def measure_growth(config: erf_growth.Config) -> Growth:
    """Run ``erf_growth`` in a temporary folder and return what it took."""
    device = resolve_device(config.device)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        result = erf_growth.run(config, TensorBoardLogbook(Path(folder)))
    seconds = time.perf_counter() - start
    environment = Environment.now(config.device)
    return Growth(
        device=environment.device,
        threads=environment.threads,
        seconds=seconds,
        process_peak_mib=resident_peak(),
        gpu_peak_mib=torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else None,
        sizes=[point.size for point in result.points],
    )


def compare_sizes(on_cpu: Growth, on_device: Growth) -> Comparison:
    """Return by how much the ERF sizes of two measurements differ."""
    differences = np.abs(np.array(on_device.sizes) / np.array(on_cpu.sizes) - 1)
    return Comparison("erf_growth, ERF sizes", "relative", float(differences.max()), SIZE_TOLERANCE)


def conclude(report: Report, path: Path) -> int:
    """Print the report; write it if all comparisons passed, else name those that failed; return the exit code."""
    for comparison in report.comparisons:
        print(comparison)
    for growth in report.erf_growth:
        print(f"erf_growth on {growth.device}: {growth.seconds:.1f} s")
    print(f"ResNet-50, {LAYERS[-1]}: {report.network.rate / 1e12:.2f} TFLOP/s on {report.environment.device}")
    failed = [comparison for comparison in report.comparisons if not comparison.passed]
    for comparison in failed:
        print(f"error: CPU and GPU differ: {comparison}", file=sys.stderr)
    if failed:
        return 1
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, to_json(report))
    print(f"record        {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
