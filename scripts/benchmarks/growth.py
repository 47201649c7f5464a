"""How time and memory grow with depth, with the number of runs and with the size of the image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np

from erf import fit_power_law
from erf.compatibility import replknet_map
from erf.networks.conv_stack import Activation, ConvStack
from experiments.harness.environment import Environment
from scripts.benchmarks.case import median_seconds
from scripts.benchmarks.cost_model import Constants, Prediction, Study
from scripts.benchmarks.memory import peak_alone
from scripts.benchmarks.resnet50 import drawn_resnet50, noise, replknet_procedure
from scripts.benchmarks.stacks import measure_ours, plain_loop

FITTED = 3  # the largest values, from which an exponent is taken: at small ones a call's fixed cost counts
CROPPED_LAYER = "layer3"  # of ResNet-50: its TRF has 267 pixels a side


@dataclass(frozen=True)
class Side:
    """What one way to measure takes at each value, and the exponents of its growth over the largest of them.

    Attributes:
        seconds: Medians of the repetitions.
        mib: Growth of a fresh process's peak memory; None where the system does not tell.
        time_exponent: Of a power law; None from fewer than three values.
        memory_exponent: None also where memory is not known or did not grow.
        expected_time: What counting operations gives.
        expected_memory: What counting values that must be kept gives.
    """

    seconds: tuple[float, ...]
    mib: tuple[float | None, ...]
    time_exponent: float | None
    memory_exponent: float | None
    expected_time: float
    expected_memory: float


@dataclass(frozen=True)
class Curve:
    """Ours and the alternative over the values of one quantity."""

    name: str
    quantity: str
    values: tuple[int, ...]
    ours: Side
    theirs: Side


@dataclass(frozen=True)
class Scaling:
    """All curves, and what the cost model says; where they were measured."""

    environment: Environment
    curves: list[Curve]
    constants: Constants
    predictions: list[Prediction]
    study: Study


@dataclass(frozen=True)
class Sizes:
    """The values that the curves are measured at, each list increasing."""

    depths: Sequence[int] = (20, 40, 80, 160)
    runs: Sequence[int] = (5, 10, 20, 40, 80)
    sides: Sequence[int] = (384, 768, 1024, 1536)


Measure = Callable[[int], Any]  # of one value
Expected = tuple[float, float]  # exponents of time and memory


def measure_growth(sizes: Sizes, repetitions: int) -> Iterator[Curve]:
    """Yield each curve when it is measured."""
    relu, linear = (ConvStack(20, 16, activation=activation) for activation in (Activation.relu, Activation.none))
    cubic: Expected = (3, 3)  # n layers of fields of up to (2n + 1)^2 units, all of which the slopes need
    curve = partial(_curve, repetitions=repetitions)
    ways = [partial(_of_depth, way, relu, 2) for way in (measure_ours, plain_loop)]
    yield curve("ReLU stacks, 16 channels, 2 runs", "depth", sizes.depths, 1, ways, (cubic, cubic))
    ways = [partial(_of_depth, way, linear, 2) for way in (measure_ours, plain_loop)]
    yield curve("linear stacks, 16 channels, 2 runs", "depth", sizes.depths, 1, ways, ((3, 2), cubic))
    ways = [partial(way, relu) for way in (measure_ours, plain_loop)]
    yield curve("ReLU stacks, 16 channels, depth 20", "runs", sizes.runs, 1, ways, ((1, 0), (1, 0)))
    ways = [partial(of_side, way) for way in (replknet_map, replknet_procedure)]
    yield curve(f"ResNet-50, {CROPPED_LAYER}, 1 image", "pixels a side", sizes.sides, 64, ways, ((0, 2), (2, 2)))


def _of_depth(way: Callable[..., np.ndarray], stack: ConvStack, runs: int, depth: int) -> np.ndarray:
    return way(replace(stack, depth=depth), runs)


def of_side(way: Callable[..., np.ndarray], side: int) -> np.ndarray:
    """Return the map of one square image of noise; the first call makes network and image."""
    return way(_network(), _image(side), CROPPED_LAYER)


_network, _image = cache(drawn_resnet50), cache(partial(noise, 1))


def _curve(
    name: str,
    quantity: str,
    values: Sequence[int],
    smallest: int,
    ways: Sequence[Measure],
    expected: Sequence[Expected],
    repetitions: int,
) -> Curve:
    """Measure both ways at all values; memory is what they take more than at the smallest one."""
    seconds = [median_seconds([partial(way, value) for way in ways], repetitions) for value in values]
    sides = []
    for way, durations, exponents in zip(ways, zip(*seconds, strict=True), expected, strict=True):
        mib = tuple(peak_alone(partial(way, smallest), partial(way, value)) for value in values)
        sides.append(Side(durations, mib, _exponent(values, durations), _exponent(values, mib), *exponents))
    return Curve(name, quantity, tuple(values), *sides)


def _exponent(values: Sequence[int], measured: Sequence[float | None]) -> float | None:
    """Return the exponent over the largest values; None unless all of these are positive."""
    last = [y for y in measured[-FITTED:] if y is not None and y > 0]
    return fit_power_law(values[-FITTED:], last).exponent if len(last) == FITTED else None
