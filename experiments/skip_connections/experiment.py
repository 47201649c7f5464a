"""Skip connections make the ERF smaller: plain against residual stacks of equal depth (claim T5, section 2.5).

To E[g^2] each block is a coin, branch or skip, so that a map is a mixture over the number of branches taken.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from itertools import pairwise, product

import numpy as np
import torch
from rich.table import Table
from torch import nn

from erf import InfluenceMap, InvalidInput, erf_size, fit_gaussian
from erf.networks.conv_stack import Activation
from erf.networks.residual_stack import Order, ResidualStack
from erf.seeds import derive
from erf.training.batch_norm import calibrate_batch_norm_
from experiments.harness.experiment import option
from experiments.harness.intervals import Interval, middle
from experiments.harness.logbook import Logbook
from experiments.harness.soundness import Sides
from experiments.harness.table import measured, table
from experiments.stacks.condition import Condition, estimates_of, measure_each
from experiments.stacks.drawn_networks import exact_map, measure_draws
from experiments.stacks.paper_stacks import StackConfig, Stream, mean_sigma, require_runs

# Where the prediction is drawn, besides the measured gains: from a quarter of the smallest to four times the largest.
CURVE = 17


class Design(StrEnum):
    """What a branch is made of: convolutions alone, or with ReLUs after or before them, and with batch norm (bn)."""

    linear = "linear"
    post_activation = "post_activation"
    post_activation_bn = "post_activation_bn"
    pre_activation = "pre_activation"
    pre_activation_bn = "pre_activation_bn"

    @property
    def order(self) -> Order:
        """Of convolutions and activations; without activations either is the same."""
        return Order.pre_activation if self.startswith("pre") else Order.post_activation

    @property
    def batch_norm(self) -> bool:
        """Whether there is batch norm."""
        return self.endswith("_bn")

    @property
    def activation(self) -> Activation:
        """Of every layer."""
        return Activation.none if self is Design.linear else Activation.relu


@dataclass
class Config(StackConfig):
    """Which residual stacks are compared with plain ones of the same layers."""

    name: str = option("skip_connections", "the experiment's name, fixed; it names the folder of results")
    designs: list[Design] = option(
        list(Design), "of plain and residual stacks; bn: with batch norm, calibrated", distinct=True
    )
    gains: list[float] = option([0.25, 0.5, 1.0, 2.0], "of the branches, increasing, above 0")
    depth: int = option(15, "number of convolutions: one, and then those of the blocks")
    branch_depth: int = option(2, "convolutions in each branch", least=1)
    runs: int = option(150, "draws of weights and inputs for each point", least=2)
    final_activation: bool = option(False, "also after the last sum: then a unit may be 0 and its map too")
    calibration: int = option(4, "noise images over which batch norm's statistics are averaged", least=2)
    bootstrap: int = option(1000, "resamplings of the runs for each interval", least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.depth <= self.branch_depth or (self.depth - 1) % self.branch_depth:
            raise InvalidInput(
                f"depth={self.depth}: allowed is 1 more than a multiple of branch_depth={self.branch_depth}"
            )
        ends = [0.0, *self.gains, math.inf]
        if len(ends) < 3 or any(not low < high for low, high in pairwise(ends)):
            raise InvalidInput(f"gains={self.gains}: allowed are increasing finite numbers above 0, at least one")
        for design in self.designs:
            residual_stack(self, design, None)  # which checks what it is given


@dataclass(frozen=True)
class Point:
    """Stacks of one design and branch gain; sizes and sigmas in pixels, intervals 95 % over runs.

    Attributes:
        design: Which one.
        gain: Of the branches; None without skips.
        trf_size: Side of the theoretical receptive field, the same for all.
        runs: Runs in the map.
        skipped: Runs that were 0 everywhere.
        size: ERF size.
        size_interval: Its interval.
        predicted_size: That of the exact mixture; of wide layers for mean_abs, ReLU and batch norm.
        excess: Interval of this size minus that without skips, whose runs have the same weights; None for the latter.
        sigma: Root of the mean of the two axes' variances.
        predicted_sigma: That of the exact mixture.
        branches: Predicted mean number of branches taken; all without skips.
    """

    design: Design
    gain: float | None
    trf_size: int
    runs: int
    skipped: int
    size: float
    size_interval: Interval
    predicted_size: float
    excess: Interval | None
    sigma: float
    predicted_sigma: float
    branches: float

    @property
    def key(self) -> str:
        """The name of its arrays."""
        return point_name(self.design, self.gain)


@dataclass(frozen=True)
class Result:
    """All points.

    Arrays, with POINT for ``<design>/<gain>`` or ``<design>/plain``: ``map/POINT [S, S]``, measured, and
    ``theory/POINT [S, S]``, of peak 1; ``branches/POINT [blocks + 1]``, the predicted distribution of the number of
    branches taken; ``curve_gains [G]``, and ``curve/<design> [G]``, predicted sizes at these gains.
    """

    config: Config
    points: tuple[Point, ...]
    arrays: dict[str, np.ndarray]

    def of_design(self, design: Design) -> list[Point]:
        """Return the residual points of one design, by gain."""
        return [point for point in self.points if point.design is design and point.gain is not None]

    def plain(self, design: Design) -> Point:
        """Return the point of one design without skips."""
        return next(point for point in self.points if point.design is design and point.gain is None)

    def layout(self) -> dict[str, Sides]:
        """Return the sides of each array."""
        layout: dict[str, Sides] = {"curve_gains": ("G",)}
        layout |= {f"curve/{design}": ("G",) for design in self.config.designs}
        for point in self.points:
            layout |= {f"{of}/{point.key}": (point.trf_size, point.trf_size) for of in ("map", "theory")}
            layout[f"branches/{point.key}"] = ("N",)
        return layout

    def metrics(self) -> dict[str, float]:
        """Return each design's size without skips and at the largest gain."""
        plain = {f"size_plain_{design}": self.plain(design).size for design in self.config.designs}
        return plain | {f"size_{design}": self.of_design(design)[-1].size for design in self.config.designs}


def point_name(design: Design, gain: float | None) -> str:
    """Return the name of a point: its design and gain, or "plain" without skips."""
    return f"{design}/plain" if gain is None else f"{design}/{gain:g}"


def residual_stack(config: Config, design: Design, gain: float | None) -> ResidualStack:
    """Return the family of networks of a point."""
    return ResidualStack(
        blocks=(config.depth - 1) // config.branch_depth,
        branch_depth=config.branch_depth,
        gain=gain,
        order=design.order,
        batch_norm=design.batch_norm,
        channels=config.channels,
        input_channels=config.input_channels,
        kernel_size=config.kernel_size,
        init=config.init,
        activation=design.activation,
        final_activation=config.final_activation,
    )


def run(config: Config, logbook: Logbook) -> Result:
    """Measure every design without skips and with every branch gain."""
    curve = logbook.once("curve", Curve, partial(_predict, config))
    arrays = {"curve_gains": curve.gains} | {f"curve/{design}": sizes for design, sizes in curve.sizes.items()}
    points: list[Point] = []
    plain: dict[Design, Condition] = {}
    conditions, measure = product(config.designs, (None, *config.gains)), partial(_measure, config)
    for (design, gain), condition in measure_each(logbook, Condition, measure, conditions, "measuring stacks"):
        stack, imap = residual_stack(config, design, gain), condition.imap
        exact, distribution = exact_map(stack.theory(), config.statistic), branch_distribution(stack)
        points.append(_point(design, gain, condition, plain.setdefault(design, condition), exact, distribution))
        name = points[-1].key
        arrays |= {f"map/{name}": imap.values / imap.values.max(), f"theory/{name}": exact.values / exact.values.max()}
        arrays[f"branches/{name}"] = distribution
        _log(points[-1], imap, logbook)
    return Result(config, tuple(points), arrays)


def branch_distribution(stack: ResidualStack) -> np.ndarray:
    """Return the probability of each number of branches taken, ``[blocks + 1]``: a sum of independent coins."""
    if stack.gain is None:
        return np.eye(stack.blocks + 1)[-1]
    distribution = np.ones(1)
    for gamma in stack.branch_gains():
        share = gamma**2 / (1 + gamma**2)
        distribution = np.convolve(distribution, [1 - share, share])
    return distribution


@dataclass(frozen=True)
class Curve:
    """What is kept of the predicted ERF sizes, ``[CURVE]`` for each design, over gains."""

    gains: np.ndarray
    sizes: dict[Design, np.ndarray]


def _predict(config: Config) -> Curve:
    gains = np.geomspace(config.gains[0] / 4, 4 * config.gains[-1], CURVE)
    sizes = {}
    for design in config.designs:
        maps = [exact_map(residual_stack(config, design, float(gain)).theory(), config.statistic) for gain in gains]
        sizes[design] = np.array([erf_size(imap) for imap in maps])
    return Curve(gains, sizes)


def _measure(config: Config, design: Design, gain: float | None) -> Condition:
    stack = residual_stack(config, design, gain)
    # The unit's field is the whole image: no path to it leaves the image, so that padding changes nothing.
    side = stack.trf_size

    def build(generator: torch.Generator) -> nn.Module:
        network = stack.network(generator)
        images = config.noise.draw((config.calibration, config.input_channels, side, side), generator)
        calibrate_batch_norm_(network, images)
        return network

    draws = measure_draws(config, build, side, config.runs, config.seed)
    require_runs(draws.imap(), point_name(design, gain), config.depth, least=2)
    # One seed for all points: each resampling takes the same runs of each, which pairs them.
    seed = derive(config.seed, Stream.bootstrap)
    sizes = estimates_of(draws.moments, draws.imap(), {"size": erf_size}, config.bootstrap, seed, paired=True)
    return Condition(draws.imap(), sizes)


def _point(
    design: Design, gain: float | None, condition: Condition, plain: Condition, exact: InfluenceMap,
    distribution: np.ndarray,
) -> Point:  # fmt: skip
    sizes, without = (one.estimates["size"].resampled for one in (condition, plain))
    return Point(
        design=design,
        gain=gain,
        trf_size=exact.trf_size[0],
        runs=condition.runs,
        skipped=condition.imap.skipped,
        **condition.row(size=erf_size(exact)),
        excess=None if gain is None else middle(sizes - without),
        sigma=mean_sigma(condition.imap),
        predicted_sigma=mean_sigma(exact),
        branches=float(distribution @ np.arange(len(distribution))),
    )


def _log(point: Point, imap: InfluenceMap, logbook: Logbook) -> None:
    """Log a point at the step 100 gain; without skips, under its own tags."""
    step = 0 if point.gain is None else round(100 * point.gain)
    start = "plain_" if point.gain is None else ""
    logbook.map(f"{start}map/{point.design}", imap, fit_gaussian(imap), step)
    numbers = {"size": point.size, "sigma": point.sigma, "skipped_runs": point.skipped}
    logbook.scalars({f"{start}{name}/{point.design}": value for name, value in numbers.items()}, step)


def summary(result: Result) -> Table:
    """Return the table of points."""
    return table(
        result.points, "design", ("gain", lambda p: "plain" if p.gain is None else f"{p.gain:g}"),
        *measured("ERF size", "size", 1), ("- plain, 95 %", "excess", 1), ("sigma", "sigma", 2),
        ("theory", "predicted_sigma", 2), ("branches taken", "branches", 2), "runs", "skipped",
    )  # fmt: skip
