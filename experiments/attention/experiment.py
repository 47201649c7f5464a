"""Attention and fully connected layers in a stack: how much of a unit's influence is global before training (R2, R3).

R2: a fully connected layer sees everything, a convolution is sparse and shares its weights. R3: attention gives low
layers a global field. Neither is the paper's own claim; both stand beside it in the same source.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
import torch
from rich.console import Group
from scipy.signal import convolve2d
from torch import nn

from erf import InfluenceMap, InvalidInput, erf_size, influence
from erf.inits import Init
from erf.maps.sampled_map import map_of_samples
from erf.maps.statistic import Statistic
from erf.metrics.erf_size import above_threshold
from erf.networks.attention_stack import Block, stack_with
from erf.networks.fully_connected import FullyConnected
from erf.networks.residual import convolution
from erf.reachability.box import Box
from erf.seeds import derive, generator
from experiments.harness.experiment import option
from experiments.harness.intervals import Interval, interval_of
from experiments.harness.logbook import Logbook
from experiments.harness.machine import FLOAT64, require_memory
from experiments.harness.soundness import Sides
from experiments.harness.table import table
from experiments.harness.trf_box import without_box
from experiments.stacks.condition import Condition, estimates_of, log_condition, measure_each
from experiments.stacks.drawn_networks import measure_draws
from experiments.stacks.paper_stacks import Kind, StackConfig, Stream, predicted_map, require_runs, stack_of


@dataclass
class Config(StackConfig):
    """Which blocks are inserted where into which stack."""

    name: str = option("attention", "the experiment's name, fixed; it names the folder of results")
    blocks: list[Block] = option(list(Block), "inserted ones; none is the stack alone", distinct=True)
    kind: Kind = option(Kind.relu, "of the stack; not uniform")
    depth: int = option(10, "number of convolutions", least=1)
    below: list[int] = option(
        [2, 5, 8], "numbers of convolutions below the block, increasing, up to depth", increasing_from=1
    )
    side: int = option(48, "of the images, in pixels; even and larger than the stack's TRF")
    runs: int = option(100, "draws of weights and inputs for each point", least=2)
    final_activation: bool = option(False, "also after the last convolution: then a unit may be 0 and its map too")
    bootstrap: int = option(1000, "resamplings of the runs for each interval", least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kind is Kind.uniform:
            raise InvalidInput("kind=uniform has no runs to average over; allowed are the random kinds")
        if self.kernel_size % 2 == 0:
            raise InvalidInput(f"kernel_size={self.kernel_size}: allowed are odd ones, whose padding keeps the size")
        if self.below[-1] > self.depth:
            raise InvalidInput(f"below={self.below}: allowed are numbers of convolutions up to depth={self.depth}")
        require_memory(FLOAT64 * self.side**2, side=self.side)
        trf = stack_of(self, self.kind, self.depth).trf_size
        if self.side <= trf + 1 or self.side % 2:
            raise InvalidInput(f"side={self.side}: allowed are even numbers from {trf + 3}, above the stack's TRF")


@dataclass(frozen=True)
class Point:
    """One block at one place; shares are of the map's sum, intervals 95 % over runs.

    ``trf_size`` is None where the field is infinite. ``outside_stack`` is the share outside the TRF of the stack of
    convolutions alone, ``outside_field`` that outside the network's own TRF (which holds a block's own convolutions),
    ``core`` that in the pixels that the ERF size of the stack's exact map counts. ``size`` is the ERF size in pixels,
    ``predicted`` is ``outside_stack`` by theory.
    """

    block: Block
    below: int
    trf_size: int | None
    runs: int
    skipped: int
    outside_stack: float
    outside_stack_interval: Interval
    outside_field: float
    core: float
    core_interval: Interval
    size: float
    predicted: float | None


@dataclass(frozen=True)
class Layer:
    """One layer alone (R2): how many of the input's values a unit reads, and whether its neighbour has its weights."""

    name: str
    connections: int
    possible: int
    shared: bool


@dataclass(frozen=True)
class Result:
    """All points. Arrays: ``map/<block> [S, S]`` at the middle place, of peak 1."""

    config: Config
    stack_trf_size: int
    points: tuple[Point, ...]
    layers: tuple[Layer, ...]
    arrays: dict[str, np.ndarray]

    def of_block(self, block: Block) -> list[Point]:
        """Return the points of one block, by place; of none there is one."""
        return [point for point in self.points if point.block is block]

    def trf_box(self, key: str) -> Box | str:
        """Return the TRF's box in the map of the array ``key``, or why there is none."""
        points = self.of_block(Block(key.partition("/")[2]))
        # Blocks that change nothing at some places are measured at one only.
        size = next((p.trf_size for p in points if p.below == middle_place(self.config)), points[0].trf_size)
        rows, columns = self.arrays[key].shape
        if size is None or size >= max(rows, columns):
            return without_box(size, max(rows, columns))
        top = rows // 2 - size // 2  # of the middle unit, of layers of stride 1
        return ((top, top + size),) * 2

    def layout(self) -> dict[str, Sides]:
        """Return the sides of each array."""
        points = [point for point in self.points if point.below == middle_place(self.config)]
        return {f"map/{point.block}": (self.config.side, self.config.side) for point in points}

    def metrics(self) -> dict[str, float]:
        """Return each block's share outside the stack's TRF at its first place."""
        first = [self.of_block(block)[0] for block in self.config.blocks]
        return {f"outside_{point.block}": point.outside_stack for point in first} | {
            f"core_{point.block}": point.core for point in first
        }


def middle_place(config: Config) -> int:
    """Return the place whose maps are kept."""
    return config.below[len(config.below) // 2]


def run(config: Config, logbook: Logbook) -> Result:
    """Measure every block at every place, and what one layer alone reads."""
    places = product(config.blocks, config.below)
    conditions = [at for at in places if at[0] is not Block.none or at[1] == middle_place(config)]
    points, arrays = [], {}
    for at, measured in measure_each(logbook, BlockMap, partial(_measure, config), conditions, "measuring blocks"):
        block, below = at
        points.append(_report(config, block, below, measured, logbook))
        if below == middle_place(config):
            values = measured.condition.imap.values
            arrays[f"map/{block}"] = values / values.max()
    trf_size = stack_of(config, config.kind, config.depth).trf_size
    return Result(config, trf_size, tuple(points), _layers(config), arrays)


@dataclass(frozen=True)
class BlockMap:
    """What is kept of one block at one place: the map in the stack's field, shares of it, and the unit's own field."""

    condition: Condition
    box: Box
    finite: bool


def _measure(config: Config, block: Block, below: int) -> BlockMap:
    stack = stack_of(config, config.kind, config.depth)
    build = partial(stack_with, stack, block, below, config.side)
    draws = measure_draws(config, build, config.side, config.runs, config.seed)
    imap = map_of_samples(draws.moments, config.statistic, _stack_box(config), config.aggregation)
    require_runs(imap, config.kind, config.depth, least=2)
    where = {"outside_stack": ~_inside(config, _stack_box(config)), "core": _core(config)}
    shares = {name: partial(_share, pixels) for name, pixels in where.items()}
    seed = derive(config.seed, Stream.bootstrap)
    estimates = estimates_of(draws.moments, imap, shares, config.bootstrap, seed)
    return BlockMap(Condition(imap, estimates), draws.field.box, math.isfinite(max(draws.field.size)))


def _share(where: np.ndarray, imap: InfluenceMap) -> float:
    return float(imap.values[where].sum() / imap.values.sum())


def _inside(config: Config, box: Box) -> np.ndarray:
    """Return which pixels of the image lie in the box."""
    inside = np.zeros((config.side,) * 2, dtype=bool)
    inside[tuple(slice(max(low, 0), high) for low, high in box)] = True
    return inside


def _stack_box(config: Config) -> Box:
    """Return the TRF of the middle unit of the stack of convolutions alone."""
    trf_size = stack_of(config, config.kind, config.depth).trf_size
    first = config.side // 2 - trf_size // 2
    return ((first, first + trf_size),) * 2


def _core(config: Config) -> np.ndarray:
    """Return which pixels of the image the ERF size of the stack's exact map counts."""
    core = np.zeros((config.side,) * 2, dtype=bool)
    rows, columns = (slice(*ends) for ends in _stack_box(config))
    core[rows, columns] = above_threshold(predicted_map(config, config.kind, config.depth))
    return core


def predicted_share(config: Config, block: Block, below: int) -> float | None:
    """Return the share outside the stack's TRF by theory; None where there is none."""
    if block is not Block.fully_connected:
        return 0.0 if block is Block.none else None
    values = fully_connected_map(config, below)
    # The mean of |g| is taken to be that of wide layers, where g is normal at each pixel.
    values = values if config.statistic is Statistic.mean_square else np.sqrt(values)
    return float(values[~_inside(config, _stack_box(config))].sum() / values.sum())


def fully_connected_map(config: Config, below: int) -> np.ndarray:
    """Return the exact mean_square map of a linear stack with a fully connected layer, ``[side, side]``, of sum 1.

    Independent weights make E[g^2] the same at all of the layer's inputs. Each convolution below spreads it evenly over
    its kernel, but for what falls beyond the border of the image.
    """
    values = np.ones((config.side,) * 2)
    for _ in range(below):
        values = convolve2d(values, np.ones((config.kernel_size,) * 2), mode="same")
    return values / values.sum()


def _report(config: Config, block: Block, below: int, block_map: BlockMap, logbook: Logbook) -> Point:
    condition, imap = block_map.condition, block_map.condition.imap
    outside, core = (condition.estimates[name] for name in ("outside_stack", "core"))
    point = Point(
        block=block,
        below=below,
        trf_size=block_map.box[0][1] - block_map.box[0][0] if block_map.finite else None,
        runs=condition.runs,
        skipped=imap.skipped,
        outside_stack=outside.value,
        outside_stack_interval=interval_of(outside.resampled),
        outside_field=_share(~_inside(config, block_map.box), imap),
        core=core.value,
        core_interval=interval_of(core.resampled),
        size=erf_size(imap),
        predicted=predicted_share(config, block, below),
    )
    numbers = {"outside": point.outside_stack, "core": point.core, "size": point.size}
    log_condition(logbook, block, below, imap, None, **numbers)
    return point


def _layers(config: Config) -> tuple[Layer, ...]:
    """Return what one unit of a convolution and of a fully connected layer reads (R2)."""
    draw = generator(config.seed, Stream.single_layers)
    channels, side = config.channels, config.side
    layers = {
        "convolution": convolution(channels, channels, draw, config.kernel_size, init=Init.he_normal),
        "fully connected": FullyConnected(channels, (side, side), draw),
    }
    return tuple(_layer(name, layer, channels, side) for name, layer in layers.items())


def _layer(name: str, layer: nn.Module, channels: int, side: int) -> Layer:
    image, one = torch.zeros(1, channels, side, side), torch.eye(channels)[0]
    own, neighbours = (influence(layer, image, (side // 2, column), one) for column in (side // 2, side // 2 + 1))
    shared = torch.equal(own.roll(1, 3), neighbours)
    return Layer(name, int(own.count_nonzero()), own.numel(), shared)


def summary(result: Result) -> Group:
    """Return the tables of blocks and of single layers."""
    points = table(
        result.points, "block", "below", ("TRF", lambda p: p.trf_size or "inf"),
        ("outside the stack's", "outside_stack", 4), ("95 %", "outside_stack_interval", 4), ("theory", "predicted", 4),
        ("outside its own", "outside_field", 4), ("core", "core", 4), ("95 %", "core_interval", 4),
        ("ERF size", "size", 1), "runs", "skipped",
    )  # fmt: skip
    layers = table(
        result.layers, ("layer", "name"), ("values that a unit reads", "connections"), ("of", "possible"),
        ("the neighbour has the same weights", lambda layer: "yes" if layer.shared else "no"),
    )  # fmt: skip
    return Group(points, layers)
