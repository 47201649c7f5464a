"""What a training is: its settings, the network and the data, and how they become a plan (section 3.2)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import torch
from torch import nn

from erf import InvalidInput
from erf.arguments.device import resolve_device
from erf.data.augment import FlipAndShift
from erf.data.batches import Batches
from erf.data.split import DataSet, Split
from erf.maps.statistic import Statistic
from erf.metrics.erf_size import Reference
from erf.networks.camvid_frontend import CamvidFrontend
from erf.networks.cifar_resnet import CifarResNet
from erf.networks.start import Network, Start, check_gain, start_
from erf.seeds import derive, generator
from erf.training.learning_rate import Schedule
from erf.training.loop import Diverged
from erf.training.plan import Loss, Plan
from erf.training.processes import Precision, make_fabric
from experiments.harness.experiment import ExperimentConfig, option
from experiments.harness.logbook import Logbook
from experiments.harness.machine import require_cores, require_memory

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from torchmetrics import MetricCollection

Progress = Callable[[Iterable, str, int], Iterable]


class Stream(IntEnum):
    """Streams of random numbers of a training's seed."""

    weights = 0
    order = 1
    signs = 2
    noise = 3
    bootstrap = 4
    labels = 5


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
    """How a network is trained and its ERF measured; the paper names none of it."""

    data_dir: str = option("data", "folder of the data sets; it does not name the folder of results")
    partial_data: bool = option(False, "accept fewer images than were published")
    epochs: int = option(16, "how often all training images are seen", least=1)
    batch_size: int = option(128, "images of one step, of all processes together", least=1)
    learning_rate: float = option(0.1, "its peak")
    schedule: Schedule = option(Schedule.one_cycle, "of the learning rate, by step")
    momentum: float = option(0.9, "of SGD, in Nesterov's form")
    weight_decay: float = option(5e-4, "of all parameters")
    shift: int = option(4, "training images are mirrored at random and moved by up to so many pixels", least=0)
    accumulate: int = option(1, "parts that a batch goes through the network in: less memory, the same step", least=1)
    calibration: int = option(16, "batches that batch norm's statistics are averaged over before training", least=1)
    precision: Precision = option(Precision.auto, "of training; auto: bfloat16 on GPUs that have it, else float32")
    processes: int = option(1, "on this machine, one for each GPU; under torchrun its own number holds", least=1)
    checkpoint_steps: int = option(50, "steps between checkpoints within an epoch", least=1)
    images: int = option(256, "so many of them, evenly spaced, at every epoch the same", least=2)
    statistic: Statistic = option(Statistic.mean_abs, "over images and input channels")
    aggregation: int | str = option("random_sign", "of output channels: random_sign, sum, or one channel's index")
    reference: Reference = option(Reference.center, "of the ERF size's threshold: center or peak")
    bootstrap: int = option(1000, "resamplings of the images for the intervals", least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_sgd(self)
        if self.statistic is Statistic.signed_mean:
            raise InvalidInput("statistic=signed_mean has no ERF size; allowed: mean_abs, rms, mean_square")
        if isinstance(self.aggregation, str) and self.aggregation not in ("sum", "random_sign"):
            raise InvalidInput(f"aggregation={self.aggregation!r} is unknown; allowed: a channel, sum, random_sign")
        resolve_device(self.device)

    def require_possible(self) -> None:
        """Raise InvalidInput where the processes cannot share a batch, or this machine has not so many cores."""
        if resolve_device(self.device).type == "cpu":
            require_cores(processes=self.processes)
        share(self.batch_size, int(os.environ.get("WORLD_SIZE", self.processes)))
        require_memory(8 * self.bootstrap, bootstrap=self.bootstrap)


@dataclass
class GrowthConfig(TrainingConfig):
    """What is trained in one run, and what is measured of it."""

    start: Start = option(Start.unit_gain, "how the weights start, and whether there is batch norm")
    gain: float | None = option(None, "of start=small_gain: that of the last batch norm of each block, 0 to 1")
    labels: Labels = option(Labels.true, "of the training images; random ones are a control")
    probe: Probe = option(Probe.images, "what the ERF is averaged over: validation images, or noise instead")
    grid: int = option(3, "other units: this many rows and columns of them, evenly spaced", least=1)
    measure_every: int = option(
        1, "epochs between two measurements; the first, best and last are always measured", least=1
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_gain(self.start, self.gain)

    @classmethod
    def updated(cls, recorded: dict[str, Any]) -> dict[str, Any]:
        """Return the settings of an older record with its ``batch_norm`` as a start."""
        if "batch_norm" not in recorded:
            return recorded
        settings = dict(recorded)
        start = Start.unit_gain if settings.pop("batch_norm") else Start.scaled_sums
        return settings | {"start": start.value}

    @classmethod
    def of_0_1(cls, settings: dict[str, Any]) -> dict[str, Any]:
        """Return settings with ``batch_norm`` in the place of what came later, where they are ones of 0.1."""
        if settings["start"] not in (Start.unit_gain, Start.scaled_sums) or settings["measure_every"] != 1:
            return settings
        old = {key: value for key, value in settings.items() if key not in ("start", "gain", "measure_every")}
        return old | {"batch_norm": Start(settings["start"]).batch_norm}

    def measures(self, epoch: int) -> bool:
        """Return whether the ERF is measured after so many epochs, whether that is the best one or not."""
        return epoch % self.measure_every == 0 or epoch == self.epochs


@dataclass(frozen=True)
class Task:
    """What is learnt, by which network, judged how."""

    network: CifarResNet | CamvidFrontend
    data: DataSet
    loss: Loss
    metrics: MetricCollection
    best_by: str


def fabric_of(config: TrainingConfig) -> Fabric:
    """Return what spreads a training over its processes."""
    return make_fabric(resolve_device(config.device), config.processes, config.precision)


def weights_generator(config: TrainingConfig) -> torch.Generator:
    """Return the generator that a network's initial weights are drawn from."""
    return generator(config.seed, Stream.weights)


def started(config: GrowthConfig, network: Network) -> Network:
    """Return ``network``, fresh from its constructor, with the weights that the settings start from."""
    return start_(network, config.start, config.gain, weights_generator(config))


class SgdSettings(Protocol):
    """The optimiser's settings."""

    learning_rate: float
    momentum: float
    weight_decay: float


def require_sgd(config: SgdSettings) -> None:
    """Raise InvalidInput unless the optimiser's settings are in their ranges."""
    if not config.learning_rate > 0:
        raise InvalidInput(f"learning_rate={config.learning_rate}: allowed are numbers above 0")
    if not 0 <= config.momentum < 1:
        raise InvalidInput(f"momentum={config.momentum}: allowed are numbers from 0 to below 1")
    if not config.weight_decay >= 0:
        raise InvalidInput(f"weight_decay={config.weight_decay}: allowed are numbers from 0")


@contextmanager
def naming_sgd(config: SgdSettings, epoch: int | None = None) -> Iterator[None]:
    """Let an error that nothing but training shows begin with the optimiser's settings.

    Args:
        config: The settings.
        epoch: After which the network is measured inside; None: it is trained inside.
    """
    expected = Diverged if epoch is None else InvalidInput
    after = f"after epoch {epoch}: " if epoch else ""
    try:
        yield
    except expected as error:
        if epoch == 0:
            raise
        given = f"learning_rate={config.learning_rate}, weight_decay={config.weight_decay}"
        raise expected(f"{given}: {after}{error}") from error


def optimizer_of(config: SgdSettings, network: nn.Module) -> torch.optim.Optimizer:
    """Return SGD on all of the network's parameters."""
    return torch.optim.SGD(
        network.parameters(), config.learning_rate, config.momentum, weight_decay=config.weight_decay,
        nesterov=config.momentum > 0,
    )  # fmt: skip


def images_a_step(fabric: Fabric, config: TrainingConfig) -> int:
    """Return the images of one process in a step; errors as :func:`share`."""
    return share(config.batch_size, fabric.world_size)


def share(batch_size: int, processes: int) -> int:
    """Return the images of a batch that each process takes.

    Raises:
        InvalidInput: The processes cannot share it evenly.
    """
    images, rest = divmod(batch_size, processes)
    if rest or not images:
        raise InvalidInput(f"batch_size={batch_size} cannot be shared evenly by processes={processes}")
    return images


def in_order(split: Split, batch_size: int) -> Batches:
    """Return the images of ``split`` as they come, each once."""
    return Batches(split, batch_size, shuffle=False)


def batches_of(fabric: Fabric, config: GrowthConfig, data: DataSet) -> Batches:
    """Return the training images in random order, mirrored and moved at random."""
    split = data.train
    if config.labels is Labels.random:
        split = split.with_shuffled_labels(derive(config.seed, Stream.labels))
    images, order = images_a_step(fabric, config), derive(config.seed, Stream.order)
    return Batches(split, images, order, augment=FlipAndShift(config.shift), drop_last=True)


def plan_of(fabric: Fabric, config: GrowthConfig, task: Task) -> Plan:
    """Return how ``task`` is trained."""
    batches = batches_of(fabric, config, task.data)
    steps = config.epochs * batches.steps(fabric.world_size)
    return Plan(
        batches=batches,
        validation=in_order(task.data.validation, images_a_step(fabric, config)),
        loss=task.loss,
        metrics=task.metrics,
        best_by=task.best_by,
        learning_rate=partial(config.schedule.learning_rate, steps=steps, peak=config.learning_rate),
        epochs=config.epochs,
        seed=config.seed,
        accumulate=config.accumulate,
        calibration=config.calibration,
        checkpoint_steps=config.checkpoint_steps,
        settings=settings_of(config) | {"data": task.data.content()},
    )


def settings_of(config: ExperimentConfig) -> dict[str, Any]:
    """Return what a checkpoint must agree with: all settings that say what is computed."""
    settings = msgspec.to_builtins(config)
    elsewhere = ("fresh", "data_dir", "partial_data", "device", "processes", "checkpoint_steps")
    return {key: str(v) if isinstance(v, list) else v for key, v in settings.items() if key not in elsewhere}


def progress_of(fabric: Fabric, logbook: Logbook) -> Progress:
    """Return what shows the progress, in the first process."""
    return logbook.progress if fabric.is_global_zero else lambda batches, description, total: batches
