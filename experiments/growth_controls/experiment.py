"""Controls for Figure 3: how much of an ERF's growth is learning's, how much batch norm's or the images' (section 3.2).

No claim of the paper, but the question that F3a leaves open. The network of ``cifar10``, narrower, is trained in
several ways, with several seeds each, and the ERF is measured on held-out images and on noise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Group
from torch import nn

from erf.data import cifar10 as cifar10_data
from erf.data.split import DataSet
from erf.networks.batch_norm import fold_batch_norm_
from erf.training.loop import calibrate, train
from erf.training.plan import Epoch
from erf.training.processes import launch
from experiments.cifar10 import experiment as cifar10
from experiments.growth_controls.config import LAYER, Arm, Config, config_of, rate_of
from experiments.harness.intervals import Interval, interval_of, mean_interval
from experiments.harness.logbook import Logbook
from experiments.harness.soundness import Sides
from experiments.harness.table import table
from experiments.harness.validation import typed_as
from experiments.trainings.plan import Probe, fabric_of, naming_sgd, optimizer_of, plan_of, progress_of
from experiments.trainings.probe import UnitSizes, measure_units, probing_of, read_units, thumbnails

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True)
class Course:
    """The ERF of one training as one kind of images shows it, by epoch; sizes in pixels, intervals 95 % over images."""

    probe: Probe
    sizes: tuple[float, ...]
    intervals: tuple[Interval, ...]
    growth: float
    growth_interval: Interval


@dataclass(frozen=True)
class Training:
    """One training: its arm and number, and by epoch the loss (from epoch 1 on) and the validation accuracy."""

    arm: Arm
    number: int
    losses: tuple[float, ...]
    accuracies: tuple[float, ...]
    courses: tuple[Course, ...]

    def course(self, probe: Probe) -> Course:
        """Return what one kind of images shows."""
        return next(course for course in self.courses if course.probe is probe)


@dataclass(frozen=True)
class Outcome:
    """One arm's growth from before training to the last epoch over its trainings; intervals 95 %, t over trainings."""

    arm: Arm
    probe: Probe
    before: float
    before_interval: Interval | None
    after: float
    after_interval: Interval | None
    growth: float
    growth_interval: Interval | None


@dataclass(frozen=True)
class Result:
    """All trainings, and each arm's outcome on images and on noise.

    Attributes:
        config: Of all trainings.
        trainings: By arm and number.
        outcomes: By arm and probe.
        arrays: ``<arm>/<probe>/before`` and ``after [H, W]``, the mean over trainings of the maps, float16, peak 1.
        data: SHA-256 of the images and labels used; None in records that were written before it was kept.
    """

    config: Config
    trainings: tuple[Training, ...]
    outcomes: tuple[Outcome, ...]
    arrays: dict[str, np.ndarray]
    data: str | None = None

    def of_arm(self, arm: Arm) -> list[Training]:
        """Return the trainings of one arm."""
        return [training for training in self.trainings if training.arm is arm]

    def trf_box(self, _key: str) -> str:
        """Return why a map is shown without the TRF's box."""
        return "the record does not hold the TRF: there is no box"

    def outcome(self, arm: Arm, probe: Probe) -> Outcome:
        """Return one arm's outcome."""
        return next(outcome for outcome in self.outcomes if (outcome.arm, outcome.probe) == (arm, probe))

    def layout(self) -> dict[str, Sides]:
        """Return the sides of each array."""
        maps = product(self.outcomes, ("before", "after"))
        return {f"{outcome.arm}/{outcome.probe}/{when}": ("H", "W") for outcome, when in maps}

    def metrics(self) -> dict[str, float]:
        """Return each arm's mean growth on images and its mean validation accuracy at the end."""
        growth = {f"growth_{o.arm}": o.growth for o in self.outcomes if o.probe is Probe.images}
        ends = {arm: [training.accuracies[-1] for training in self.of_arm(arm)] for arm in self.config.arms}
        return growth | {f"accuracy_{arm}": float(np.mean(end)) for arm, end in ends.items()}


def run(config: Config, logbook: Logbook) -> Result:
    """Train every arm with every seed and measure the ERF after every epoch."""
    result = launch(fabric_of(config), _run, config, logbook)
    assert result is not None, "process 0 has measured"
    return result


def _run(fabric: Fabric, config: Config, logbook: Logbook) -> Result | None:
    data = cifar10_data.load(config.data_dir, config.partial_data)
    trainings: list[Training] = []
    maps: dict[str, list[np.ndarray]] = {}
    for arm, number in product(config.arms, range(config.seeds)):
        history, by_probe = _train(fabric, config, arm, number, data, logbook)
        if fabric.is_global_zero:
            trainings.append(_training(arm, number, history, by_probe))
            for probe, by_epoch in by_probe.items():
                maps.setdefault(f"{arm}/{probe}/before", []).append(by_epoch[0].thumbnails[0])
                maps.setdefault(f"{arm}/{probe}/after", []).append(by_epoch[-1].thumbnails[0])
    if not fabric.is_global_zero:
        return None
    return Result(
        config=replace(config, data_dir=Config.data_dir, fresh=False),  # they say where, not what
        trainings=tuple(trainings),
        outcomes=tuple(_outcome(arm, probe, trainings) for arm, probe in product(config.arms, Probe)),
        arrays={name: _mean_map(of_trainings) for name, of_trainings in maps.items()},
        data=data.content(),
    )


def _train(
    fabric: Fabric, config: Config, arm: Arm, number: int, data: DataSet, logbook: Logbook
) -> tuple[list[Epoch], dict[Probe, list[UnitSizes]]]:
    """Return a training's epochs, and what was measured at each; nothing in processes other than the first."""
    own = config_of(config, arm, number)
    task = cifar10.task_of(own, data)
    plan = plan_of(fabric, own, task)
    plan = replace(plan, settings={**plan.settings, "arm": arm.value})
    if arm is Arm.folded:
        calibrate(task.network.to(fabric.device), plan.batches, plan.calibration, fabric.device)
        fold_batch_norm_(task.network)
    folder = logbook.training / f"{arm}-{number}"
    folder.mkdir(exist_ok=True)
    probings = {probe: probing_of(own, task.network, LAYER, data.validation, probe, grid=1) for probe in Probe}

    def file(probe: Probe, epoch: int) -> Path:
        return folder / f"{probe}_{epoch:04}.npz"

    def measure(network: nn.Module, epoch: int) -> dict[str, float]:
        sizes = {}
        for probe, probing in probings.items():
            text = f"ERF on {probe} after {epoch} epochs"
            with naming_sgd(own, epoch):
                numbers = measure_units(probing, file(probe, epoch), network, logbook.progress, text)
            sizes[probe.value] = numbers["erf_size"]
        return sizes

    progress = progress_of(fabric, logbook)
    history = []
    optimizer = optimizer_of(own, task.network)
    with typed_as(learning_rate=rate_of(arm)), naming_sgd(own):
        for epoch in train(fabric, task.network, optimizer, plan, folder, measure, progress):
            history.append(epoch)
            if fabric.is_global_zero:
                _report(config, arm, number, epoch, logbook)
    if not fabric.is_global_zero:
        return history, {}
    by_probe = {
        probe: [read_units(probing, file(probe, epoch.number)) for epoch in history]
        for probe, probing in probings.items()
    }
    return history, by_probe


def _mean_map(maps: list[np.ndarray]) -> np.ndarray:
    return thumbnails(np.stack(maps).mean(0, dtype=np.float64, keepdims=True))[0]


def _report(config: Config, arm: Arm, number: int, epoch: Epoch, logbook: Logbook) -> None:
    accuracy = epoch.metrics["accuracy"]
    numbers = {f"erf_size/{probe}/{arm}/{number}": epoch.measured[probe.value] for probe in Probe}
    logbook.scalars(numbers | {f"validation/accuracy/{arm}/{number}": accuracy}, epoch.number)
    sizes = ", ".join(f"{epoch.measured[probe.value]:.1f} on {probe}" for probe in Probe)
    place = f"{arm}, training {number + 1} of {config.seeds}, epoch {epoch.number} of {config.epochs}"
    logbook.say(f"{place}: validation accuracy {accuracy:.3f}, ERF size {sizes}")


def _training(arm: Arm, number: int, history: list[Epoch], by_probe: dict[Probe, list[UnitSizes]]) -> Training:
    return Training(
        arm=arm,
        number=number,
        losses=tuple(epoch.loss for epoch in history if epoch.loss is not None),
        accuracies=tuple(epoch.metrics["accuracy"] for epoch in history),
        courses=tuple(_course(probe, history, by_epoch) for probe, by_epoch in by_probe.items()),
    )


def _course(probe: Probe, history: list[Epoch], by_epoch: list[UnitSizes]) -> Course:
    sizes = tuple(epoch.measured[probe.value] for epoch in history)
    resampled = [units.resampled_sizes for units in by_epoch]
    return Course(
        probe=probe,
        sizes=sizes,
        intervals=tuple(map(interval_of, resampled)),
        growth=sizes[-1] - sizes[0],
        growth_interval=interval_of(resampled[-1] - resampled[0]),
    )


def _outcome(arm: Arm, probe: Probe, trainings: list[Training]) -> Outcome:
    courses = [training.course(probe) for training in trainings if training.arm is arm]
    before, after = ([course.sizes[at] for course in courses] for at in (0, -1))
    numbers = {"before": before, "after": after, "growth": [course.growth for course in courses]}
    fields: dict[str, Any] = {}
    for name, values in numbers.items():
        fields |= {name: float(np.mean(values)), f"{name}_interval": mean_interval(values)}
    return Outcome(arm, probe, **fields)


def summary(result: Result) -> Group:
    """Return the table of trainings and that of the arms' outcomes."""
    courses = [(one, probe, one.course(probe)) for one, probe in product(result.trainings, Probe)]
    trainings = table(
        courses, ("arm", lambda row: row[0].arm), ("training", lambda row: row[0].number),
        ("validation accuracy", lambda row: row[0].accuracies[-1], 4), ("measured on", lambda row: row[1]),
        ("ERF size before", lambda row: row[2].sizes[0], 1), ("after", lambda row: row[2].sizes[-1], 1),
        ("growth", lambda row: row[2].growth, 1), ("95 % over images", lambda row: row[2].growth_interval, 1),
    )  # fmt: skip
    arms = table(
        result.outcomes, "arm", ("measured on", "probe"), ("ERF size before", "before", 1), ("after", "after", 1),
        ("growth", "growth", 1), ("95 % over trainings", "growth_interval", 1),
        ("trainings", lambda _: result.config.seeds),
    )  # fmt: skip
    return Group(trainings, arms)
