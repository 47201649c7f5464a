"""What both experiments on trained networks share: the ERF before training and after every epoch (section 3.2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import msgspec
import numpy as np
import torch
from lightning_fabric import Fabric
from rich.console import Group
from rich.table import Table
from torch import Tensor, nn
from torchmetrics import MetricCollection

from erf import InfluenceMap, InvalidInput, ReceptiveField, effective_receptive_field, erf_size
from erf.atomic_file import atomic_write
from erf.data.augment import FlipAndShift
from erf.data.batches import Batches
from erf.data.split import DataSet, Split
from erf.device import resolve_device
from erf.erf_size import Reference
from erf.gaussian_fit import map_moments
from erf.learning_rate import Schedule
from erf.noise import Noise
from erf.receptive_field import theoretical_receptive_field
from erf.seeds import derive, generator
from erf.statistic import Statistic
from erf.training import (
    Epoch,
    Loss,
    Plan,
    Precision,
    best_epoch,
    best_weights,
    evaluate,
    load_weights,
    train,
)
from experiments.experiment import ExperimentConfig, option
from experiments.intervals import Interval, interval_text, middle, resampled
from experiments.logbook import Logbook
from experiments.record import decode_arrays, encode_arrays

# Streams of random numbers.
WEIGHTS, ORDER, SIGNS, NOISE, BOOTSTRAP, LABELS = range(6)
FRAMES = 8  # epochs whose maps the record keeps, for the filmstrip


class Labels(StrEnum):
    """What is learnt: the true classes, or those of randomly chosen other images, which say nothing of the image."""

    true = "true"
    random = "random"


class Probe(StrEnum):
    """What the ERF is averaged over: held-out images, or normal noise of the same mean and variance."""

    images = "images"
    noise = "noise"


@dataclass
class TrainingConfig(ExperimentConfig):
    """How a network is trained and where its ERF is measured; the paper names none of it."""

    data_dir: str = option("data", "folder of the data sets; it does not name the folder of results")
    partial_data: bool = option(False, "accept fewer images than were published")
    epochs: int = option(16, "how often all training images are seen")
    batch_size: int = option(128, "images of one step, of all processes together")
    learning_rate: float = option(0.1, "its peak")
    schedule: Schedule = option(Schedule.one_cycle, "of the learning rate, by step")
    momentum: float = option(0.9, "of SGD, in Nesterov's form")
    weight_decay: float = option(5e-4, "of all parameters")
    shift: int = option(4, "training images are mirrored at random and moved by up to so many pixels")
    batch_norm: bool = option(True, "false: biases and scaled residual sums instead")
    labels: Labels = option(Labels.true, "of the training images; random ones are a control")
    accumulate: int = option(1, "parts that a batch goes through the network in: less memory, the same step")
    calibration: int = option(16, "batches that batch norm's statistics are averaged over before training")
    precision: Precision = option(Precision.auto, "of training; auto: bfloat16 on GPUs that have it, else float32")
    processes: int = option(1, "on this machine, one for each GPU; under torchrun its own number holds")
    checkpoint_steps: int = option(50, "steps between checkpoints within an epoch")
    probe: Probe = option(Probe.images, "what the ERF is averaged over: validation images, or noise instead")
    images: int = option(256, "so many of them, evenly spaced, at every epoch the same")
    statistic: Statistic = option(Statistic.mean_abs, "over images and input channels")
    aggregation: int | str = option("random_sign", "of output channels: random_sign, sum, or one channel's index")
    reference: Reference = option(Reference.centre, "of the ERF size's threshold: centre or peak")
    grid: int = option(3, "other units: this many rows and columns of them, evenly spaced")
    bootstrap: int = option(1000, "resamplings of the images for the intervals")

    def __post_init__(self) -> None:
        super().__post_init__()
        least = {"epochs": 1, "batch_size": 1, "shift": 0, "accumulate": 1, "calibration": 1, "processes": 1}
        least |= {"checkpoint_steps": 1, "images": 2, "grid": 1, "bootstrap": 1, "momentum": 0, "weight_decay": 0}
        for key, smallest in least.items():
            if not getattr(self, key) >= smallest:
                raise InvalidInput(f"{key}={getattr(self, key)} is too small; allowed: {smallest} or more")
        if not self.learning_rate > 0:
            raise InvalidInput(f"learning_rate={self.learning_rate}: allowed are numbers above 0")
        if self.statistic is Statistic.signed_mean:
            raise InvalidInput("statistic=signed_mean has no ERF size; allowed: mean_abs, rms, mean_square")
        if isinstance(self.aggregation, str) and self.aggregation not in ("sum", "random_sign"):
            raise InvalidInput(f"aggregation={self.aggregation!r} is unknown; allowed: a channel, sum, random_sign")
        resolve_device(self.device)


class MeasuredNetwork(Protocol):
    """What the networks of section 3.2 say of themselves."""

    top_layer: Any
    trf_size: Any


@dataclass(frozen=True)
class Task:
    """What is learnt, by which network, judged how."""

    network: Any  # an nn.Module that is a MeasuredNetwork
    data: DataSet
    loss: Loss
    metrics: MetricCollection
    best_by: str


@dataclass(frozen=True)
class Moment:
    """The network at one epoch; 0 is before training.

    Attributes:
        epoch: Epochs trained.
        training_loss: Mean over the epoch's steps; None before training.
        validation: Metrics on the validation images.
        erf_size: Of the centre unit, in pixels.
        erf_size_interval: 95 %, over images.
        sigma: Standard deviation of the centre unit's map, as far as it lies in the image; mean of both axes, pixels.
    """

    epoch: int
    training_loss: float | None
    validation: dict[str, float]
    erf_size: float
    erf_size_interval: Interval
    sigma: float


@dataclass(frozen=True)
class Unit:
    """ERF sizes of one unit, given by its row and column, before training and at the best epoch."""

    unit: tuple[int, int]
    erf_size_before: float
    erf_size_after: float


@dataclass(frozen=True)
class Growth:
    """How the ERF changed from before training to the best epoch, that of the best validation metric.

    Sizes are in pixels. Intervals are 95 %, by resampling the images; that of the growth resamples the same images
    before and after.

    Arrays: ``before`` and ``after [H, W]`` of the centre unit, float32; ``units/before`` and ``units/after
    [U, H, W]``, peak 1, float16, in the order of ``units``; ``frames [F]``, epochs, and ``maps [F, H, W]``, their
    maps, peak 1, float16; ``resampled_sizes [E, B]``, by epoch.
    """

    config: TrainingConfig
    epochs: int
    best_epoch: int
    images: int
    theoretical_receptive_field: int
    input_size: tuple[int, int]
    clipped: tuple[bool, bool]
    centre_unit: tuple[int, int]
    centre_pixel: tuple[float, float]
    erf_size_before: float
    erf_size_before_interval: Interval
    erf_size_after: float
    erf_size_after_interval: Interval
    growth: float
    growth_interval: Interval
    growth_factor: float
    growth_factor_interval: Interval
    units: tuple[Unit, ...]
    trajectory: tuple[Moment, ...]
    parameters: int
    data: str
    training_images: int
    validation_images: int
    test_images: int
    arrays: dict[str, np.ndarray]

    def metrics(self) -> dict[str, float]:
        """Return the ERF sizes before and after, and the best epoch's validation metrics."""
        sizes = {"erf_size_before": self.erf_size_before, "erf_size_after": self.erf_size_after}
        return sizes | {f"validation_{name}": v for name, v in self.trajectory[self.best_epoch].validation.items()}


@dataclass(frozen=True)
class Probing:
    """Where the ERF is measured: images as the network sees them, and the fields of the units, the centre's first."""

    images: Tensor
    fields: tuple[ReceptiveField, ...]

    @property
    def units(self) -> list[tuple[int, ...]]:
        """The units, the centre's first."""
        return [field.unit for field in self.fields]


def weights_generator(config: TrainingConfig) -> torch.Generator:
    """Return the generator that a network's initial weights are drawn from."""
    return generator(config.seed, WEIGHTS)


def study(
    fabric: Fabric, config: TrainingConfig, task: Task, logbook: Logbook
) -> tuple[Growth | None, dict[str, float]]:
    """Train, measure the ERF at every epoch, and read the test set once, at the best epoch.

    Returns:
        The growth, None in processes other than the first, which alone measures; and the metrics on the test images.
    """
    probing = _probing(config, task)
    measure = partial(_measure, config, probing, task.network.top_layer, logbook)
    optimizer = torch.optim.SGD(
        task.network.parameters(), config.learning_rate, config.momentum, weight_decay=config.weight_decay,
        nesterov=config.momentum > 0,
    )  # fmt: skip
    history: list[Epoch] = []
    progress = logbook.progress if fabric.is_global_zero else _silent
    plan = _plan(fabric, config, task)
    for epoch in train(fabric, task.network, optimizer, plan, logbook.training, measure, progress):
        history.append(epoch)
        if fabric.is_global_zero:
            _report(config, probing, epoch, logbook)
    weights = best_weights(fabric, logbook.training)
    load_weights(task.network, weights)
    tested = evaluate(fabric, task.network, _in_order(task.data.test, _share(fabric, config)), task.metrics)
    if not fabric.is_global_zero:
        return None, tested
    logbook.attach("weights.safetensors", weights)
    logbook.scalars({f"test/{name}": value for name, value in tested.items()}, best_epoch(history, task.best_by).number)
    _animate(config, probing, history, logbook)
    return _growth(config, task, probing, history, logbook), tested


def result_of(kind: type[Any], growth: Growth | None, **others: Any) -> Any:
    """Return a result of ``kind``, a Growth with other fields besides; None where there is none."""
    if growth is None:
        return None
    return kind(**{known.name: getattr(growth, known.name) for known in fields(growth)}, **others)


def _silent(batches: Iterable, description: str, total: int) -> Iterable:
    return batches


def _share(fabric: Fabric, config: TrainingConfig) -> int:
    """Return the images of one process in a step."""
    share, rest = divmod(config.batch_size, fabric.world_size)
    if rest or not share:
        raise InvalidInput(f"batch_size={config.batch_size} cannot be shared evenly by {fabric.world_size} processes")
    return share


def _in_order(split: Split, batch_size: int) -> Batches:
    return Batches(split, batch_size, shuffle=False)


def _plan(fabric: Fabric, config: TrainingConfig, task: Task) -> Plan:
    share, train_split = _share(fabric, config), task.data.train
    if config.labels is Labels.random:
        train_split = train_split.with_shuffled_labels(derive(config.seed, LABELS))
    batches = Batches(
        train_split, share, derive(config.seed, ORDER), augment=FlipAndShift(config.shift), drop_last=True
    )
    steps = config.epochs * batches.steps(fabric.world_size)
    return Plan(
        batches=batches,
        validation=_in_order(task.data.validation, share),
        loss=task.loss,
        metrics=task.metrics,
        best_by=task.best_by,
        learning_rate=partial(config.schedule.learning_rate, steps=steps, peak=config.learning_rate),
        epochs=config.epochs,
        seed=config.seed,
        accumulate=config.accumulate,
        calibration=config.calibration,
        checkpoint_steps=config.checkpoint_steps,
        settings=_settings(config) | {"data": task.data.content()},
    )


def _settings(config: TrainingConfig) -> dict[str, Any]:
    """Return what a checkpoint must agree with: all settings that say what is computed."""
    settings = msgspec.to_builtins(config)
    elsewhere = ("fresh", "data_dir", "partial_data", "device", "processes", "checkpoint_steps")
    return {key: str(v) if isinstance(v, list) else v for key, v in settings.items() if key not in elsewhere}


def _probing(config: TrainingConfig, task: Task) -> Probing:
    network, split = task.network, task.data.validation
    if config.images > len(split):
        raise InvalidInput(f"images={config.images}: there are {len(split)} validation images")
    # Evenly spaced: neighbours are of one class, or frames of one scene.
    images = split.normalized(torch.arange(config.images) * len(split) // config.images)
    if config.probe is Probe.noise:
        draws = (generator(config.seed, NOISE, index) for index in range(config.images))
        images = torch.stack([Noise.normal.draw(images.shape[1:], draw) for draw in draws])
    centre = theoretical_receptive_field(network, images.shape[2:], network.top_layer)
    assert centre.grid is not None, "the top layer of these networks has rows and columns"
    places = [[(i + 1) * side // (config.grid + 1) for i in range(config.grid)] for side in centre.grid]
    others = [(row, column) for row in places[0] for column in places[1] if (row, column) != centre.unit]
    found = theoretical_receptive_field(network, images.shape[2:], network.top_layer, unit=[centre.unit, *others])
    return Probing(images, tuple(found))


def _measure(
    config: TrainingConfig, probing: Probing, layer: str, logbook: Logbook, network: nn.Module, epoch: int
) -> dict[str, float]:
    """Keep the maps of all units in a file; return the numbers of the centre unit's map."""
    moments, maps = [], []
    for index in logbook.progress(range(config.images), f"ERF after {epoch} epochs", config.images):
        found = effective_receptive_field(
            network, probing.images[index : index + 1], layer, probing.units, config.statistic, config.aggregation,
            derive(config.seed, SIGNS), first_sample=index,
        )  # fmt: skip
        moments.append(config.statistic.to_mean_moment(found[0].values))
        maps = [old.merge(new) for old, new in zip(maps, found, strict=True)] if maps else found
    size = partial(erf_size, reference=config.reference)
    centre = maps[0]
    resampled_sizes = resampled(
        np.stack(moments), centre, size, config.bootstrap, derive(config.seed, BOOTSTRAP)
    )  # fmt: skip
    kept = {
        "centre": centre.values,
        "samples": np.array(centre.samples),
        "units": _shown(np.stack([imap.values for imap in maps])),
        "sizes": np.array([size(imap) for imap in maps]),
        "resampled_sizes": resampled_sizes,
    }
    atomic_write(_maps_file(logbook, epoch), encode_arrays(kept))
    return {"erf_size": size(centre), "sigma": float(np.mean(map_moments(centre).sigma))}


def _maps_file(logbook: Logbook, epoch: int) -> Path:
    return logbook.training / f"maps_{epoch:04}.npz"


def _kept(logbook: Logbook, epoch: int) -> dict[str, np.ndarray]:
    return decode_arrays(_maps_file(logbook, epoch))


def _centre_map(config: TrainingConfig, probing: Probing, kept: dict[str, np.ndarray]) -> InfluenceMap:
    """Return the centre unit's map that was kept for one epoch."""
    samples, box = int(kept["samples"]), probing.fields[0].box
    return InfluenceMap(
        values=kept["centre"],
        statistic=config.statistic,
        centre=tuple((low + high - 1) / 2 for low, high in box),
        trf_box=box,
        samples=samples,
        skipped=config.images - samples,
        aggregation=config.aggregation,
    )


def _report(config: TrainingConfig, probing: Probing, epoch: Epoch, logbook: Logbook) -> None:
    kept = _kept(logbook, epoch.number)
    numbers = dict(epoch.measured) | {f"validation/{name}": value for name, value in epoch.metrics.items()}
    if len(kept["sizes"]) > 1:
        numbers["erf_size/other_units"] = float(kept["sizes"][1:].mean())
    if epoch.loss is not None:
        numbers["training_loss"] = epoch.loss
    logbook.scalars(numbers, epoch.number)
    logbook.map("map", _centre_map(config, probing, kept), None, epoch.number)
    judged = ", ".join(f"{in_words(name)} {value:.3f}" for name, value in epoch.metrics.items())
    loss = "" if epoch.loss is None else f"loss {epoch.loss:.3f}, "
    size = epoch.measured["erf_size"]
    logbook.say(f"epoch {epoch.number} of {config.epochs}: {loss}validation {judged}, ERF size {size:.1f}")


def _animate(config: TrainingConfig, probing: Probing, history: Sequence[Epoch], logbook: Logbook) -> None:
    titles = [f"epoch {epoch.number}: ERF size {epoch.measured['erf_size']:.1f} pixels" for epoch in history]
    maps = [_centre_map(config, probing, _kept(logbook, epoch.number)) for epoch in history]
    logbook.animation("erf", dict(zip(titles, maps, strict=True)))


def _growth(config: TrainingConfig, task: Task, probing: Probing, history: Sequence[Epoch], logbook: Logbook) -> Growth:
    best = best_epoch(list(history), task.best_by).number
    frames = _frames(len(history), best)
    at_frames = {epoch: _kept(logbook, epoch) for epoch in frames}
    first, last = at_frames[0], at_frames[best]
    sizes = np.stack([_kept(logbook, epoch.number)["resampled_sizes"] for epoch in history])
    moments = tuple(_moment(epoch, replicates) for epoch, replicates in zip(history, sizes, strict=True))
    before, after = moments[0], moments[best]
    centre = probing.fields[0]
    return Growth(
        config=replace(config, data_dir=TrainingConfig.data_dir, fresh=False),  # they say where, not what
        epochs=config.epochs,
        best_epoch=best,
        images=config.images,
        theoretical_receptive_field=int(centre.size[0]),
        input_size=_pair(probing.images.shape[2:]),
        clipped=_pair(centre.clipped),
        centre_unit=_pair(centre.unit),
        centre_pixel=_pair(_centre_map(config, probing, first).centre),
        erf_size_before=before.erf_size,
        erf_size_before_interval=before.erf_size_interval,
        erf_size_after=after.erf_size,
        erf_size_after_interval=after.erf_size_interval,
        growth=after.erf_size - before.erf_size,
        growth_interval=_interval(sizes[best] - sizes[0]),
        growth_factor=after.erf_size / before.erf_size,
        growth_factor_interval=_interval(sizes[best] / sizes[0]),
        units=tuple(
            Unit(_pair(field.unit), float(old), float(new))
            for field, old, new in zip(probing.fields, first["sizes"], last["sizes"], strict=True)
        ),
        trajectory=moments,
        parameters=sum(parameter.numel() for parameter in task.network.parameters()),
        data=task.data.content(),
        training_images=len(task.data.train),
        validation_images=len(task.data.validation),
        test_images=len(task.data.test),
        arrays={
            "before": first["centre"].astype(np.float32),
            "after": last["centre"].astype(np.float32),
            "units/before": first["units"],
            "units/after": last["units"],
            "frames": np.array(frames),
            "maps": np.stack([kept["units"][0] for kept in at_frames.values()]),
            "resampled_sizes": sizes,
        },
    )


def _moment(epoch: Epoch, replicates: np.ndarray) -> Moment:
    size, sigma = epoch.measured["erf_size"], epoch.measured["sigma"]
    return Moment(epoch.number, epoch.loss, epoch.metrics, size, _interval(replicates), sigma)


def _interval(replicates: np.ndarray) -> Interval:
    interval = middle(replicates)
    assert interval is not None, "the config asks for one resampling at least"
    return interval


def _pair(values: Sequence[Any]) -> tuple[Any, Any]:
    first, second = values
    return first, second


def _frames(epochs: int, best: int) -> list[int]:
    """Return the epochs to show: at most FRAMES evenly spaced ones, the first and the last among them, and the best."""
    spaced = np.linspace(0, epochs - 1, min(FRAMES, epochs)).round().astype(int).tolist()
    return sorted({*spaced, best})


def _shown(maps: np.ndarray) -> np.ndarray:
    """Return maps ``[N, H, W]`` whose peaks are 1, precise enough to be looked at."""
    return (maps / maps.max(axis=(1, 2), keepdims=True)).astype(np.float16)


def in_words(metric: str) -> str:
    """Return the name of a metric as it is read."""
    return metric.replace("_", " ").replace("iou", "IoU")


def growth_tables(result: Growth) -> Group:
    """Return the tables of the trajectory and of the units."""
    names = list(result.trajectory[0].validation)
    trajectory = Table("epoch", "loss", *(f"validation {in_words(name)}" for name in names), "ERF size", "95 %")
    for at in result.trajectory:
        mark = " (best)" if at.epoch == result.best_epoch else ""
        loss = "-" if at.training_loss is None else f"{at.training_loss:.3f}"
        row = [f"{at.epoch}{mark}", loss, *(f"{at.validation[name]:.4f}" for name in names)]
        trajectory.add_row(*row, f"{at.erf_size:.1f}", interval_text(at.erf_size_interval, 1))
    units = Table("unit", "ERF size before", "after")
    for one in result.units:
        units.add_row(str(one.unit), f"{one.erf_size_before:.1f}", f"{one.erf_size_after:.1f}")
    low, high = result.growth_interval
    line = (
        f"ERF size {result.erf_size_before:.1f} -> {result.erf_size_after:.1f}: growth {result.growth:.1f} "
        f"({low:.1f} to {high:.1f}), factor {result.growth_factor:.2f}, over {result.images} images; "
        f"TRF {result.theoretical_receptive_field}"
    )
    return Group(trajectory, units, line)
