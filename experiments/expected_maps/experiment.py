"""Expected maps of whole architectures against maps over fresh weights: how far off are sigma, size and pixels?

No claim of the paper, but of its theory carried on (section 2.2), for networks that people use.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import Any

import numpy as np
import scipy
from rich.table import Table

from erf import InfluenceMap, InvalidInput, effective_receptive_field, erf_size
from erf.arguments.device import resolve_device
from erf.data.noise import NoiseImages
from erf.maps.statistic import Statistic
from erf.seeds import WEIGHTS, derive, generator
from erf.theory import expected_map
from experiments.expected_maps.networks import ARCHITECTURES, draw_weights_, run_linear, set_weights_
from experiments.harness.experiment import ExperimentConfig, option
from experiments.harness.intervals import Interval, interval_of, largest_deviation, resampled
from experiments.harness.logbook import Logbook
from experiments.harness.soundness import Sides
from experiments.harness.table import table
from experiments.harness.trf_box import without_box
from experiments.stacks.paper_stacks import mean_sigma

SAMPLES = 2  # images of each draw, with signs of their own
MORE_OF_SMALL = 4  # times as many draws of small networks, whose maps scatter more and take less time


class Way(StrEnum):
    """A network as it is, or without its nonlinearities: then nothing in theory is an approximation."""

    as_it_is = "as_it_is"
    linear = "linear"


# The variance of a weight times the number of inputs: He's, and what keeps the size of values without ReLU.
GAINS = {Way.as_it_is: 2.0, Way.linear: 1.0}


@dataclass
class Config(ExperimentConfig):
    """Which networks are compared with theory, and over how many draws."""

    name: str = option("expected_maps", "the experiment's name, fixed; it names the folder of results")
    networks: list[str] = option(
        [*ARCHITECTURES], "they are listed in experiments/expected_maps/networks.py", distinct=True
    )
    draws: int = option(24, "draws of weights of each network as it is, of small ones 4 times as many; >= 2", least=2)
    linear_draws: int = option(96, "likewise of networks without nonlinearities; >= 2", least=2)
    bootstrap: int = option(400, "resamplings of the draws for each interval", least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        for network in self.networks:
            if network not in ARCHITECTURES:
                raise InvalidInput(f"networks: {network!r} is unknown; allowed: {', '.join(ARCHITECTURES)}")

    def draws_of(self, network: str, way: Way) -> int:
        """Return how often a network is drawn."""
        draws = self.linear_draws if way is Way.linear else self.draws
        return draws * MORE_OF_SMALL if ARCHITECTURES[network].is_small else draws


@dataclass(frozen=True)
class Stage:
    """One layer of a network: its mean_square map over draws, measured and expected; lengths in pixels.

    Attributes:
        network: Its name.
        way: As it is, or without nonlinearities.
        layer: The layer whose middle unit is measured.
        draws: Of weights. The expected map is the mean of those of each draw, whose gates it takes from one of the
            images; without nonlinearities it is the one of the weights' variances.
        sigma: Standard deviation of the measured map, the root of the mean of the axes' variances.
        expected_sigma: That of the expected map.
        error_interval: 95 % interval of :attr:`error`, both maps resampled by the same draws.
        size: ERF size of the measured map; None where its center is 0.
        expected_size: That of the expected map.
        total: Sum of the expected map over that of the measured one.
        deviation: Largest |measured - expected| over pixels, in standard errors over draws.
        pixels: That were compared.
        trf_size: The largest side of the theoretical field.
        findings: Which rules of theory are approximations here; where there are none, it is exact.
    """

    network: str
    way: Way
    layer: str
    draws: int
    sigma: float
    expected_sigma: float
    error_interval: Interval
    size: float | None
    expected_size: float | None
    total: float
    deviation: float
    pixels: int
    trf_size: int
    findings: tuple[str, ...]

    @property
    def error(self) -> float:
        """How far the expected sigma is off, as a share of the measured one."""
        return self.expected_sigma / self.sigma - 1

    @property
    def size_error(self) -> float | None:
        """How far the expected ERF size is off, likewise."""
        return self.expected_size / self.size - 1 if self.size and self.expected_size else None

    @property
    def limit(self) -> float:
        """The deviation that none of so many pixels exceeds in 95 % of such comparisons (Bonferroni, Student's t)."""
        return float(scipy.stats.t.isf(0.025 / self.pixels, self.draws - 1))


@dataclass(frozen=True)
class Result:
    """All stages, network by network, as they are and then linear.

    Arrays, of the last layer of each network as it is, of peak 1: ``map/<network>`` is measured, ``theory/<network>``
    expected; of three axes the first is summed over.
    """

    config: Config
    stages: tuple[Stage, ...]
    arrays: dict[str, np.ndarray]

    def of_network(self, network: str, way: Way = Way.as_it_is) -> list[Stage]:
        """Return one network's stages."""
        return [stage for stage in self.stages if (stage.network, stage.way) == (network, way)]

    def trf_box(self, key: str) -> str:
        """Return why the map of the array ``key`` is shown without the TRF's box."""
        return without_box(self.of_network(key.partition("/")[2])[-1].trf_size, max(self.arrays[key].shape))

    def layout(self) -> dict[str, Sides]:
        """Return the sides of each array."""
        sides = {network: ARCHITECTURES[network].sides[-2:] for network in self.config.networks}
        return {f"{kind}/{network}": shape for kind in ("map", "theory") for network, shape in sides.items()}

    def metrics(self) -> dict[str, float]:
        """Return how far sigma of each network's last layer is off."""
        return {f"error_{network}": self.of_network(network)[-1].error for network in self.config.networks}


def run(config: Config, logbook: Logbook) -> Result:
    """Measure every network over fresh weights, with and without its nonlinearities."""
    tasks = [(network, way) for network in config.networks for way in Way]
    stages: list[Stage] = []
    arrays = {}
    for network, way in logbook.progress(tasks, "drawing networks"):
        compared = logbook.once(f"{network}-{way}", Compared, partial(_compare, config, network, way))
        stages += compared.stages
        for place, stage in enumerate(compared.stages):
            errors = {"error": stage.error, "deviation": stage.deviation, "total": stage.total}
            logbook.scalars({f"{name}/{network}/{way}": value for name, value in errors.items()}, place)
        if way is Way.as_it_is:
            arrays[f"map/{network}"], arrays[f"theory/{network}"] = compared.measured, compared.expected
    return Result(config, tuple(stages), arrays)


@dataclass(frozen=True)
class Compared:
    """What is kept of one network in one way: its stages, and both maps of the last one."""

    stages: tuple[Stage, ...]
    measured: np.ndarray
    expected: np.ndarray


def _compare(config: Config, name: str, way: Way) -> Compared:
    draws = list(_draws(config, name, way))
    stages = []
    for layer in ARCHITECTURES[name].layers:
        pairs = [(measured[layer], expected[layer]) for measured, expected in draws]
        stages.append(_stage({"network": name, "way": way, "layer": layer}, pairs, config))
    last = [[maps[ARCHITECTURES[name].layers[-1]].values for maps in side] for side in zip(*draws, strict=True)]
    measured, expected = (_to_be_seen(np.mean(side, axis=0)) for side in last)
    return Compared(tuple(stages), measured, expected)


Maps = dict[str, InfluenceMap]  # by layer


def _draws(config: Config, name: str, way: Way) -> Iterator[tuple[Maps, Maps]]:
    """Yield, for each draw of weights, the measured and the expected maps."""
    architecture, is_linear = ARCHITECTURES[name], way is Way.linear
    network = architecture.make().eval().to(resolve_device(config.device))
    layers, sides = list(architecture.layers), architecture.linear_sides if is_linear else architecture.sides
    settings: dict[str, Any] = {"call": run_linear} if is_linear else {}
    set_weights_(network, GAINS[way])
    theory = expected_map(network, sides, layers, **settings) if is_linear else None
    for draw in range(config.draws_of(name, way)):
        seed = derive(config.seed, draw)
        draw_weights_(network, GAINS[way], generator(seed, WEIGHTS))
        images, image = (NoiseImages("normal", (architecture.channels, *sides), n, seed, n) for n in (SAMPLES, 1))
        measured = effective_receptive_field(
            network, images, layers, statistic=Statistic.mean_square, seed=seed, **settings
        )
        yield measured, theory or expected_map(network, sides, layers, images=image)


def _stage(about: dict[str, Any], pairs: list[tuple[InfluenceMap, InfluenceMap]], config: Config) -> Stage:
    """Return what the measured and the expected maps of a layer say, a pair for each draw."""
    measured, expected = (np.stack([imap.values for imap in side]) for side in zip(*pairs, strict=True))
    means = [replace(one, values=maps.mean(0)) for one, maps in zip(pairs[0], (measured, expected), strict=True)]
    sigmas = [
        resampled(maps, mean, mean_sigma, config.bootstrap, derive(config.seed, 1))
        for maps, mean in zip((measured, expected), means, strict=True)
    ]
    # Where theory is exact, each draw's difference has mean 0.
    differences = measured - expected + expected.mean(0)
    theory = pairs[0][1]
    return Stage(
        **about,
        draws=len(measured),
        sigma=mean_sigma(means[0]),
        expected_sigma=mean_sigma(means[1]),
        error_interval=interval_of(sigmas[1] / sigmas[0] - 1),
        size=_size(means[0]),
        expected_size=_size(means[1]),
        total=float(expected.sum() / measured.sum()),
        deviation=largest_deviation(differences, expected.mean(0)),
        pixels=int(expected.any(0).sum()),
        trf_size=int(max(theory.trf_size)),
        findings=theory.findings,
    )


def _size(imap: InfluenceMap) -> float | None:
    try:
        return erf_size(imap)
    except InvalidInput:  # the center is a hole of the grid, or outside
        return None


def _to_be_seen(values: np.ndarray) -> np.ndarray:
    """Return a map of at most two axes and peak 1; the numbers are from the maps themselves."""
    flat = values.sum(0) if values.ndim == 3 else values
    return (flat / flat.max()).astype(np.float16)


def summary(result: Result) -> Table:
    """Return the table of stages."""
    return table(
        result.stages, "network", ("", "way"), "layer", ("n", "draws"), ("sigma", "sigma", 2),
        ("off by, %", lambda stage: 100 * stage.error, 1),
        ("95 %", lambda stage: tuple(100 * end for end in stage.error_interval), 1),
        ("size", "size", 1), ("off by, %", lambda stage: stage.size_error and 100 * stage.size_error, 1),
        ("sum", "total", 2), ("pixels off by, se", "deviation", 1), ("limit", "limit", 1),
        ("theory", lambda stage: "approximate" if stage.findings else "exact"),
    )  # fmt: skip
