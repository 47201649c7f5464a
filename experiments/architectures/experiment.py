"""Untrained networks of different families at equal input: ERF against TRF and against depth.

No claim of the paper, but its question (section 3.1): how much of the theoretical field is effective?
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

import numpy as np
from rich.console import Group
from rich.text import Text
from torch import Tensor, nn

import erf
from erf import InvalidInput, LayerMeasurement, ReceptiveField
from erf.arguments.device import resolve_device
from erf.command.network_source import Source, make_network
from erf.data.noise import Noise, NoiseImages
from erf.maps.statistic import Statistic
from erf.metrics.erf_size import Reference
from erf.seeds import derive
from erf.training.batch_norm import calibrate_batch_norm_
from experiments.architectures.families import DEFAULT, require_classifiers, stages_of
from experiments.harness.experiment import ExperimentConfig, option
from experiments.harness.intervals import Interval, mean_interval
from experiments.harness.logbook import Logbook
from experiments.harness.machine import FLOAT32, require_memory
from experiments.harness.soundness import Sides
from experiments.harness.table import table, text
from experiments.harness.trf_box import without_box

# Noise images over which batch norm's statistics are averaged.
CALIBRATION = 8
LEAST_SIDE = 64  # pixels, of two units at stride 32


class BatchNorm(StrEnum):
    """What batch norm does in eval mode: normalize by statistics of noise, or nothing, having seen no data."""

    calibrated = "calibrated"
    identity = "identity"


@dataclass
class Config(ExperimentConfig):
    """Which networks are compared, and how often each is drawn."""

    name: str = option("architectures", "the experiment's name, fixed; it names the folder of results")
    networks: list[str] = option(
        DEFAULT,
        "classification models of torchvision; experiments/architectures/families.py lists stages",
        distinct=True,
    )
    draws: int = option(5, "draws of weights and images of each network", least=1)
    samples: int = option(2, "images for each draw", least=1)
    input_size: int = option(224, "side of the images in pixels; vit_b_16 takes 224 only", least=LEAST_SIDE)
    batch_norm: BatchNorm = option(
        BatchNorm.calibrated, "statistics of noise, or the identity: those at initialization"
    )
    noise: Noise = option(Noise.normal, "distribution of the images' values")
    statistic: Statistic = option(Statistic.mean_abs, "over images and input channels; signed_mean has no size")
    batch_size: int = option(4, "images in one forward pass, at most", least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_memory(FLOAT32 * 3 * self.input_size**2, input_size=self.input_size)
        require_classifiers(self.networks)
        if self.statistic is Statistic.signed_mean:
            raise InvalidInput("statistic=signed_mean has no size; allowed: mean_abs, rms, mean_square")


@dataclass(frozen=True)
class Stage:
    """The end of one stage of a network; lengths in input pixels, the interval 95 % over draws.

    Attributes:
        network: Its name.
        layer: The module that ends the stage.
        depth: Convolutions and linear layers that are called up to its end, parallel branches included (the products
            inside attention are not).
        trf_size: None where it is infinite.
        sizes: ERF size of each draw whose map is not 0 everywhere.
        interval: Of their mean.
        reference: What the sizes are relative to: peak where the center is 0 or outside the image in any draw.
        cut: Whether the image ends where the ERF does not, in any draw, so that its size is that of the part inside.
        findings: What the maps do not show, each once.
    """

    network: str
    layer: str
    depth: int
    trf_size: int | None
    sizes: tuple[float, ...]
    interval: Interval | None
    reference: Reference
    cut: bool
    findings: tuple[str, ...]

    @property
    def size(self) -> float | None:
        """Mean ERF size."""
        return float(np.mean(self.sizes)) if self.sizes else None

    @property
    def ratio(self) -> float | None:
        """Mean ERF size over the TRF's; None where that is infinite."""
        return None if self.size is None or self.trf_size is None else self.size / self.trf_size


@dataclass(frozen=True)
class Result:
    """All stages, network by network. Arrays: ``map/<network> [H, W]``, the last stage's map over draws, of peak 1."""

    config: Config
    stages: tuple[Stage, ...]
    arrays: dict[str, np.ndarray]

    def of_network(self, network: str) -> list[Stage]:
        """Return one network's stages."""
        return [stage for stage in self.stages if stage.network == network]

    def trf_box(self, key: str) -> str:
        """Return why the map of the array ``key`` is shown without the TRF's box."""
        trf_size = self.of_network(key.partition("/")[2])[-1].trf_size
        return without_box(trf_size, max(self.arrays[key].shape))

    def layout(self) -> dict[str, Sides]:
        """Return the sides of each array."""
        side = self.config.input_size
        return {f"map/{network}": (side, side) for network in self.config.networks}

    def metrics(self) -> dict[str, float]:
        """Return the mean ERF size of each network's last stage."""
        last = {network: self.of_network(network)[-1].size for network in self.config.networks}
        return {f"size_{network}": size for network, size in last.items() if size is not None}


def run(config: Config, logbook: Logbook) -> Result:
    """Measure every network's stages for every draw of weights and images."""
    tasks = [(network, draw) for network in config.networks for draw in range(config.draws)]
    draws_of: dict[str, list[Draw]] = {network: [] for network in config.networks}
    for network, draw in logbook.progress(tasks, "measuring networks"):
        draws_of[network].append(logbook.once(f"{network}-{draw}", Draw, partial(_measure, config, network, draw)))
    stages = tuple(stage for network, draws in draws_of.items() for stage in _stages_of(network, draws))
    for stage in stages:
        _report(stage, logbook)
    return Result(config, stages, {f"map/{network}": _mean_map(draws) for network, draws in draws_of.items()})


@dataclass(frozen=True)
class DrawnStage:
    """What is kept of one stage in one draw; ``size`` is None where the map is 0 everywhere."""

    layer: str
    depth: int
    trf_size: float
    size: float | None
    reference: Reference
    cut: bool
    findings: tuple[str, ...]


@dataclass(frozen=True)
class Draw:
    """What is kept of one draw of a network: its stages, and the map of the last one."""

    stages: tuple[DrawnStage, ...]
    map: np.ndarray


def _measure(config: Config, name: str, draw: int) -> Draw:
    seed, shape = derive(config.seed, draw), (3, config.input_size, config.input_size)
    device = resolve_device(config.device)
    network = make_network(Source.torchvision, name, seed=seed).eval().to(device)
    images = NoiseImages(config.noise, shape, config.samples, seed, config.batch_size)
    if config.batch_norm is BatchNorm.calibrated:
        calibration = NoiseImages(config.noise, shape, CALIBRATION, derive(seed, 1), CALIBRATION)
        calibrate_batch_norm_(network, (batch.to(device) for batch in calibration))
    measured = erf.measure(network, images, stages_of(name), statistic=config.statistic, seed=seed).layers
    return Draw(tuple(_drawn_stage(layer, _depth(network, layer.field)) for layer in measured), measured[-1].map.values)


def _drawn_stage(layer: LayerMeasurement, depth: int) -> DrawnStage:
    return DrawnStage(
        layer=layer.name,
        depth=depth,
        trf_size=layer.trf_size[0],
        size=layer.raw_size,
        reference=layer.reference or Reference.center,
        cut=any(layer.cut or ()),
        findings=layer.map.findings,
    )


def _depth(network: nn.Module, field: ReceptiveField) -> int:
    """Return how many convolutions and linear layers have been called when the layer of ``field`` is done."""
    weights = [getattr(network.get_submodule(name), "weight", None) for name in field.modules]
    return sum(isinstance(weight, Tensor) and weight.ndim > 1 for weight in weights)


def _stages_of(network: str, draws: list[Draw]) -> Iterator[Stage]:
    for stages in zip(*(draw.stages for draw in draws), strict=True):
        sizes = tuple(stage.size for stage in stages if stage.size is not None)
        trf_size = stages[0].trf_size
        yield Stage(
            network=network,
            layer=stages[0].layer,
            depth=stages[0].depth,
            trf_size=None if math.isinf(trf_size) else int(trf_size),
            sizes=sizes,
            interval=mean_interval(sizes),
            reference=Reference.peak if Reference.peak in {stage.reference for stage in stages} else Reference.center,
            cut=any(stage.cut for stage in stages),
            findings=tuple(dict.fromkeys(finding for stage in stages for finding in stage.findings)),
        )


def _mean_map(draws: list[Draw]) -> np.ndarray:
    mean = np.mean([draw.map for draw in draws], axis=0)
    return (mean / (mean.max() or 1)).astype(np.float16)  # to be looked at; the numbers are from the maps themselves


def _report(stage: Stage, logbook: Logbook) -> None:
    numbers = {"size": stage.size, "ratio": stage.ratio, "trf": stage.trf_size}
    tagged = {f"{name}/{stage.network}": value for name, value in numbers.items() if value is not None}
    logbook.scalars(tagged, stage.depth)


def summary(result: Result) -> Group:
    """Return the tables of stages and of networks by ERF size, and what must be known about each network."""
    columns = (
        "depth", ("TRF", _trf), ("ERF size", lambda stage: _bound(stage, stage.size, 1)), ("95 %", "interval", 1),
        ("ratio", lambda stage: _bound(stage, stage.ratio, 3)),
    )  # fmt: skip
    stages = table(result.stages, ("network, stage", lambda stage: f"{stage.network} {stage.layer}"), *columns)
    lasts = sorted(
        (result.of_network(network)[-1] for network in result.config.networks), key=lambda stage: stage.size or 0
    )
    by_size = table(lasts, "network", *columns, title="last stages, by ERF size")
    return Group(stages, by_size, *_notes(result))


def _trf(stage: Stage) -> str:
    return "inf" if stage.trf_size is None else str(stage.trf_size)


def _bound(stage: Stage, value: float | None, digits: int) -> str:
    """Return a size or ratio; where the image ends before the ERF does, it is at least that of the part inside."""
    return f"{'≥ ' if stage.cut and value is not None else ''}{text(value, digits)}"


def _notes(result: Result) -> Iterator[Text]:
    if any(stage.cut for stage in result.stages):
        yield Text("≥: the image ends before the ERF does; a larger input_size shows more")
    for network in result.config.networks:
        stages = result.of_network(network)
        for finding in stages[-1].findings:
            yield Text(f"{network}: {finding}")
        if by_peak := [stage.layer for stage in stages if stage.reference is Reference.peak]:
            yield Text(f"{network}: the sizes at {', '.join(by_peak)} are relative to the peak: the center is 0")
