"""Few connections over a larger area: as many as a 3x3 kernel has, spread out, give a larger ERF (section 4).

Claim A1: dilation is one case, and connections that do not lie on a grid go further.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from itertools import product

import numpy as np
from rich.console import Group

from erf import InfluenceMap, InvalidInput, fit_gaussian
from erf.arguments.device import resolve_device
from erf.maps.sampled_map import map_of_samples
from erf.maps.statistic import Statistic
from erf.metrics.grid_average import grid_average
from erf.metrics.normal_distance import normal_distance
from erf.networks.sparse_convolution import Connections, SparseStack
from erf.seeds import derive, generator
from erf.stacks.stack_influence import stack_moments
from experiments.harness.experiment import option
from experiments.harness.intervals import Interval, interval_of, middle
from experiments.harness.logbook import Logbook
from experiments.harness.soundness import Sides
from experiments.harness.table import measured, table
from experiments.stacks.condition import Condition, Quantity, estimates_of, log_condition, measure_each
from experiments.stacks.paper_stacks import StackConfig, Stream, averaged_size, mean_sigma

# Pixels below this share of the exact map's peak are not compared with it one by one: where positions are drawn, few
# runs reach them at all, and a standard error over runs says nothing.
SEEN = 0.01


class Layout(StrEnum):
    """Where a unit's connections lie: on neighbouring pixels, or in a larger area (see :class:`Connections`)."""

    adjacent = "adjacent"
    dilated = "dilated"
    scattered = "scattered"
    deformable = "deformable"

    @property
    def connections(self) -> Connections:
        """The layout's kind, without its area."""
        return Connections.grid if self in (Layout.adjacent, Layout.dilated) else Connections(self.value)


@dataclass
class Config(StackConfig):
    """Which layouts are compared, in which area, at which depths."""

    name: str = option("sparse_connections", "the experiment's name, fixed; it names the folder of results")
    layouts: list[Layout] = option(
        list(Layout), "of connections; adjacent, the plain kernel, must be among them", distinct=True
    )
    kernel_size: int = option(3, "side of the plain kernel, odd; all layouts have its square of connections", least=2)
    area: int = option(5, "side of the others' area, odd; area - 1 must be a multiple of kernel_size - 1")
    depths: list[int] = option([5, 10, 20], "numbers of convolutions, increasing", increasing_from=2)
    runs: int = option(1000, "draws of positions and weights for each point", least=2)
    statistic: Statistic = option(
        Statistic.mean_square, "exact theory is about this one", fixed="has no exact theory to compare with"
    )
    networks: int = option(50, "draws of scattered positions whose own exact maps are looked at", least=2)
    bootstrap: int = option(1000, "resamplings of the runs for each interval", least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if Layout.adjacent not in self.layouts:
            raise InvalidInput("layouts: adjacent is missing, the plain kernel that the others are compared with")
        if self.kernel_size % 2 == 0 or self.kernel_size < 3:
            raise InvalidInput(f"kernel_size={self.kernel_size}: allowed are odd ones from 3")
        if self.area <= self.kernel_size or (self.area - 1) % (self.kernel_size - 1):
            steps = ", ".join(str(1 + (self.kernel_size - 1) * step) for step in (2, 3, 4))
            raise InvalidInput(f"area={self.area}: allowed with kernel_size={self.kernel_size} are {steps}, ...")

    @property
    def dilation(self) -> int:
        """Distance of neighbouring connections of the dilated layout, in pixels."""
        return (self.area - 1) // (self.kernel_size - 1)


@dataclass(frozen=True)
class Point:
    """One layout at one depth: the map over runs beside the exact one, intervals 95 % over runs.

    ``sigma`` is the root of the mean of the two axes' variances and ``gain`` the interval of its difference from the
    plain kernel's; ``size`` and ``distance`` (to the normal distribution, mean of both axes) are of the map averaged
    over the period of its grid, in which ``period`` - 1 of ``period`` rows are holes.
    """

    layout: Layout
    depth: int
    trf_size: int
    period: int
    sigma: float
    sigma_interval: Interval
    predicted_sigma: float
    gain: Interval | None
    size: float
    size_interval: Interval
    predicted_size: float
    distance: float
    distance_interval: Interval
    predicted_distance: float
    largest_deviation: float


@dataclass(frozen=True)
class Networks:
    """Scattered networks one by one: sigma and distance of the exact map at each one's own positions."""

    depth: int
    sigma: tuple[float, ...]
    distance: tuple[float, ...]


@dataclass(frozen=True)
class Result:
    """All points. Arrays: ``map/<layout> [S, S]`` at the largest depth and ``network [S, S]``, the exact map of one
    draw of scattered positions there, each of peak 1.
    """

    config: Config
    points: tuple[Point, ...]
    networks: tuple[Networks, ...]
    arrays: dict[str, np.ndarray]

    def of_layout(self, layout: Layout) -> list[Point]:
        """Return the points of one layout, by depth."""
        return [point for point in self.points if point.layout is layout]

    def layout(self) -> dict[str, Sides]:
        """Return the sides of each array."""
        deepest = [point for point in self.points if point.depth == self.config.depths[-1]]
        maps: dict[str, Sides] = {f"map/{point.layout}": (point.trf_size, point.trf_size) for point in deepest}
        return maps | {"network": ("S", "S")}

    def metrics(self) -> dict[str, float]:
        """Return each layout's sigma and distance to the normal distribution at the largest depth."""
        last = [self.of_layout(layout)[-1] for layout in self.config.layouts]
        sigmas = {f"sigma_{p.layout}": p.sigma for p in last}
        return sigmas | {f"distance_{p.layout}": p.distance for p in last}


def stack_of(config: Config, layout: Layout, depth: int) -> SparseStack:
    """Return the linear stack with this layout of connections."""
    return SparseStack(
        depth=depth,
        channels=config.channels,
        input_channels=config.input_channels,
        kernel_size=config.kernel_size if layout is Layout.adjacent else config.area,
        init=config.init,
        side=config.kernel_size,
        connections=layout.connections,
    )


def run(config: Config, logbook: Logbook) -> Result:
    """Measure every layout at every depth, and look at single scattered networks by theory."""
    conditions = [(layout, depth) for depth, layout in product(config.depths, config.layouts)]
    measured = dict(measure_each(logbook, Condition, partial(_measure, config), conditions, "measuring layouts"))
    points = tuple(
        _report(config, *at, condition, measured[Layout.adjacent, at[1]], logbook) for at, condition in measured.items()
    )
    deepest = {layout: measured[layout, config.depths[-1]].imap.values for layout in config.layouts}
    arrays = {f"map/{layout}": values / values.max() for layout, values in deepest.items()}
    networks, single = zip(*(_networks(config, depth) for depth in config.depths), strict=True)
    return Result(config, points, networks, arrays | {"network": single[-1]})


def _period(config: Config, layout: Layout) -> int:
    return config.dilation if layout is Layout.dilated else 1


def _distance(period: int, imap: InfluenceMap) -> float:
    return float(np.mean(normal_distance(grid_average(imap, period))))


def _quantities(period: int) -> dict[str, Quantity]:
    return {"sigma": mean_sigma, "size": partial(averaged_size, period), "distance": partial(_distance, period)}


def _measure(config: Config, layout: Layout, depth: int) -> Condition:
    stack, period = stack_of(config, layout, depth), _period(config, layout)
    # Layouts draw independently of each other, so that their difference has the interval of independent samples.
    seed = derive(config.seed, depth, list(Layout).index(layout))
    device = resolve_device(config.device)
    moments = stack_moments(stack, config.runs, config.statistic, seed, config.aggregation, device=device)
    imap = map_of_samples(moments, config.statistic, stack.trf_box, config.aggregation)
    again = derive(seed, Stream.bootstrap)
    return Condition(
        imap,
        estimates_of(moments, imap, _quantities(period), config.bootstrap, again),
        _largest_deviation(moments, imap, stack.exact_map()),
    )


def _report(
    config: Config, layout: Layout, depth: int, condition: Condition, plain: Condition, logbook: Logbook
) -> Point:
    stack, period = stack_of(config, layout, depth), _period(config, layout)
    exact = stack.exact_map()
    gains = condition.estimates["sigma"].resampled - plain.estimates["sigma"].resampled
    point = Point(
        layout=layout,
        depth=depth,
        trf_size=stack.trf_size,
        period=period,
        gain=None if layout is Layout.adjacent else interval_of(gains),
        **condition.row(**{name: quantity(exact) for name, quantity in _quantities(period).items()}),
    )
    fit = fit_gaussian(grid_average(condition.imap, period))
    numbers = {name: estimate.value for name, estimate in condition.estimates.items()}
    log_condition(logbook, layout, depth, condition.imap, fit, **numbers)
    return point


def _largest_deviation(moments: np.ndarray, imap: InfluenceMap, exact: InfluenceMap) -> float:
    """Return the largest difference from the exact map of the same total, in standard errors over runs."""
    error = moments.std(0, ddof=1) / math.sqrt(len(moments))
    seen = (exact.values > SEEN * exact.values.max()) & (error > 0)
    difference = imap.values - exact.values * imap.values.sum()
    return float(np.abs(difference[seen] / error[seen]).max())


def _networks(config: Config, depth: int) -> tuple[Networks, np.ndarray]:
    """Return what single scattered networks are like, and the exact map of one of them, of peak 1."""
    # Positions matter here, weights do not: one channel is enough.
    stack = replace(stack_of(config, Layout.scattered, depth), channels=1, input_channels=1)
    draws = [generator(config.seed, depth, len(Layout), number) for number in range(config.networks)]
    maps = [stack.exact_map_of(stack.draw_layers(draw)) for draw in draws]
    networks = Networks(depth, tuple(map(mean_sigma, maps)), tuple(_distance(1, imap) for imap in maps))
    return networks, maps[0].values / maps[0].values.max()


def summary(result: Result) -> Group:
    """Return the tables of points and of single scattered networks."""
    points = table(
        result.points, "layout", "depth", ("TRF", "trf_size"), *measured("sigma", "sigma", 2),
        ("gain, 95 %", "gain", 2), *measured("ERF size", "size", 1), *measured("distance", "distance", 4),
        ("deviation", "largest_deviation", 1),
    )  # fmt: skip
    networks = table(
        result.networks, "depth", ("sigma", lambda n: np.mean(n.sigma), 2),
        ("95 % of networks", lambda n: middle(np.array(n.sigma)), 2), ("distance", lambda n: np.mean(n.distance), 4),
        ("95 % of networks", lambda n: middle(np.array(n.distance)), 4), title="single, scattered",
    )  # fmt: skip
    return Group(points, networks)
