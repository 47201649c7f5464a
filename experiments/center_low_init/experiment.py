"""Does a center-low initialization train faster? One training of a small CNN on CIFAR-10 (I2, section 4 of the paper).

A sweep of such trainings is the study: ``center_low_init_study`` gathers it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from rich.console import Group
from torch import Tensor, nn

from erf import InfluenceMap, InvalidInput, effective_receptive_field, erf_size
from erf.arguments.device import resolve_device
from erf.data import cifar10
from erf.data.augment import FlipAndShift
from erf.data.batches import Batches, Portions
from erf.data.split import DataSet, Split
from erf.inits import center_low_
from erf.metrics.gaussian_fit import map_moments
from erf.metrics.grid_average import grid_average
from erf.networks.plain_cnn import PlainCnn
from erf.reachability.receptive_field import theoretical_receptive_field
from erf.seeds import derive, generator
from erf.training.loop import Diverged, train
from erf.training.plan import Epoch, Plan
from erf.training.processes import Precision, launch, make_fabric
from experiments.center_low_init.config import Config, data_set, spaced
from experiments.harness.logbook import Logbook
from experiments.harness.soundness import Sides
from experiments.harness.table import table
from experiments.trainings.metrics import accuracy
from experiments.trainings.plan import Stream, in_order, optimizer_of, settings_of
from experiments.trainings.probe import thumbnails

if TYPE_CHECKING:
    from lightning_fabric import Fabric

# Held-out images are continued by their mirror images by so many pixels, so that the whole TRF of 5x5 kernels lies in.
MARGIN = 16
# Recorded accuracies are rounded to float32: 0.45 is 0.44999999. One image of those held out is far more than this.
ROUNDING = 1e-6


@dataclass(frozen=True)
class Moment:
    """The network at one step, 0 being before training.

    Attributes:
        step: Steps trained.
        accuracy: On the held-out images.
        loss: Mean training loss of the steps since the moment before; None before training.
        erf_size: Of the top layer's middle unit, its map averaged over its grid, in pixels; None where its center has
            no influence.
        sigma: Standard deviation of that unit's map as it is, mean of both axes, pixels; None where it has none.
    """

    step: int
    accuracy: float
    loss: float | None
    erf_size: float | None
    sigma: float | None


@dataclass(frozen=True)
class Result:
    """One training: what it was like at every evaluation.

    Attributes:
        config: Of the training.
        moments: By step; they end early where the loss was no longer finite.
        diverged: Whether the loss was no longer finite; such a training is kept, its unreached levels censored.
        theoretical_receptive_field: Of the measured unit, pixels.
        period: Of the grid that the map is averaged over, pixels.
        parameters: Of the network.
        data: SHA-256 of the images and labels used.
        arrays: ``before`` and ``after [H, W]``, the unit's maps, float16, peak 1.
    """

    config: Config
    moments: tuple[Moment, ...]
    diverged: bool
    theoretical_receptive_field: int
    period: int
    parameters: int
    data: str
    arrays: dict[str, np.ndarray]

    @property
    def steps_to(self) -> tuple[float | None, ...]:
        """Steps to each of the config's levels; None: censored."""
        return tuple(steps_to_level(level, self.moments) for level in self.config.levels)

    @property
    def final_accuracy(self) -> float:
        """At the end of the budget; that of guessing, where the training diverged."""
        return 1 / len(cifar10.CLASSES) if self.diverged else self.moments[-1].accuracy

    def layout(self) -> dict[str, Sides]:
        """Return the sides of each array."""
        return {"before": ("H", "W"), "after": ("H", "W")}

    def metrics(self) -> dict[str, float]:
        """Return the steps to the levels that were reached, the final accuracy, and the ERF sizes."""
        reached = {
            f"steps_to_{level:g}": steps
            for level, steps in zip(self.config.levels, self.steps_to, strict=True)
            if steps is not None
        }
        sizes = {"erf_size_before": self.moments[0].erf_size, "erf_size_after": self.moments[-1].erf_size}
        return reached | {"accuracy": self.final_accuracy} | {k: v for k, v in sizes.items() if v is not None}


def run(config: Config, logbook: Logbook) -> Result:
    """Train the network once and measure accuracy and ERF every so many steps."""
    with _threads(config.threads):
        fabric = make_fabric(resolve_device(config.device), 1, Precision.float32)
        return launch(fabric, _run, config, logbook)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _run(fabric: Fabric, config: Config, logbook: Logbook) -> Result:
    data = data_set(config.data_dir, config.partial_data, config.training_images, config.held_out)
    network = network_of(config)
    probe = _Probe(config, data.validation, network)
    plan, optimizer = _plan(config, data), optimizer_of(config, network)
    history: list[Epoch] = []
    diverged = False
    try:
        for epoch in train(fabric, network, optimizer, plan, logbook.training, probe.measure, logbook.progress):
            history.append(epoch)
            _report(config, epoch, logbook)
    except Diverged as end:
        diverged = True
        logbook.say(str(end))
    return Result(
        config=replace(config, data_dir=Config.data_dir, fresh=False),  # they say where, not what
        moments=tuple(_moment(config, epoch) for epoch in history),
        diverged=diverged,
        theoretical_receptive_field=probe.trf_size,
        period=probe.period,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        data=data.content(),
        arrays={"before": probe.thumbnail(network_of(config).to(fabric.device)), "after": probe.thumbnail(network)},
    )


def network_of(config: Config) -> PlainCnn:
    """Return the network before training: trainings of one seed and draw differ in the profile alone."""
    draws = generator(config.seed, Stream.weights, config.draw)
    network = PlainCnn(config.kernel_size, config.width, len(cifar10.CLASSES), init=config.init, generator=draws)
    center_low_(network, config.strength)
    return network


def _plan(config: Config, data: DataSet) -> Plan:
    batches = Batches(
        data.train,
        config.batch_size,
        derive(config.seed, Stream.order),
        augment=FlipAndShift(config.shift),
        drop_last=True,
    )
    return Plan(
        batches=Portions(batches, config.evaluate_every),
        validation=in_order(data.validation, config.batch_size),
        loss=nn.CrossEntropyLoss(),
        metrics=accuracy(len(data.classes)),
        best_by="accuracy",
        learning_rate=lambda step: config.learning_rate,
        epochs=config.steps // config.evaluate_every,
        seed=config.seed,
        calibration=1,  # there is no batch norm
        checkpoint_steps=config.evaluate_every,
        settings=settings_of(config) | {"data": data.content()},
    )


class _Probe:
    """Measures the top layer's middle unit on the same images again and again."""

    def __init__(self, config: Config, held_out: Split, network: PlainCnn) -> None:
        self._images = mirrored(spaced(held_out, config.images, "images").normalized())
        self._layer, self._seed = network.top_layer, derive(config.seed, Stream.signs)
        field = theoretical_receptive_field(network, tuple(self._images.shape[2:]), self._layer)
        assert field.jump[0] is not None, "the units are evenly spaced"
        self.trf_size = int(field.size[0])
        # Corners alone leave a grid of k - 1 pixels, and strides one of the jump.
        self.period = math.lcm(config.kernel_size - 1, int(field.jump[0]))

    def measure(self, network: nn.Module, epoch: int) -> dict[str, float]:
        """Return the ERF size and sigma, without those that there are not."""
        imap = self._map(network)
        if imap is None or not imap.values.any():
            return {}
        sigma = {"sigma": float(np.mean(map_moments(imap).sigma))}
        try:
            return sigma | {"erf_size": erf_size(grid_average(imap, self.period))}
        except InvalidInput:  # the center has no influence
            return sigma

    def thumbnail(self, network: nn.Module) -> np.ndarray:
        """Return the map, to be looked at; 0 where there is none."""
        imap = self._map(network)
        values = np.zeros(self._images.shape[2:]) if imap is None else imap.values
        return thumbnails(values[None])[0]

    def _map(self, network: nn.Module) -> InfluenceMap | None:
        try:
            return effective_receptive_field(network, self._images, self._layer, seed=self._seed)
        except InvalidInput:  # a gradient is not finite: the training is about to diverge, or has
            return None


def mirrored(images: Tensor) -> Tensor:
    """Return images ``[N, C, H, W]`` continued by their mirror images by MARGIN pixels on each side."""
    return nn.functional.pad(images, (MARGIN,) * 4, mode="reflect")


def _moment(config: Config, epoch: Epoch) -> Moment:
    measured = epoch.measured
    step = epoch.number * config.evaluate_every
    return Moment(step, epoch.metrics["accuracy"], epoch.loss, measured.get("erf_size"), measured.get("sigma"))


def steps_to_level(level: float, moments: Sequence[Moment]) -> float | None:
    """Return the step at which the accuracy first reaches ``level``; None where it never does.

    Between the evaluation that first shows it and the one before, the accuracy is taken to rise in a straight line.
    """
    reached = level - ROUNDING
    for before, after in pairwise(moments):
        if after.accuracy >= reached:
            if before.accuracy >= reached:  # from the start
                return float(before.step)
            share = (level - before.accuracy) / (after.accuracy - before.accuracy)
            return before.step + min(share, 1.0) * (after.step - before.step)
    return None


def _report(config: Config, epoch: Epoch, logbook: Logbook) -> None:
    moment = _moment(config, epoch)
    numbers = {"validation/accuracy": moment.accuracy, "training_loss": moment.loss, "erf_size": moment.erf_size}
    numbers |= {"sigma": moment.sigma}
    logbook.scalars({name: value for name, value in numbers.items() if value is not None}, moment.step)


def summary(result: Result) -> Group:
    """Return the table of evaluations and the line of the steps to each level."""
    moments = table(
        result.moments, "step", ("accuracy", "accuracy", 3), ("training loss", "loss", 2), ("ERF size", "erf_size", 2),
        ("σ", "sigma", 2),
    )  # fmt: skip
    levels = zip(result.config.levels, result.steps_to, strict=True)
    reached = [f"{level:.0%} {'censored' if at is None else f'{at:.0f}'}" for level, at in levels]
    end = "; the loss was no longer finite: diverged" if result.diverged else ""
    return Group(moments, f"steps to {', '.join(reached)} (of {result.config.steps}){end}")
