"""Which networks are measured before training, and which trainings are asked for growth."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from erf import InvalidInput
from erf.arguments.device import resolve_device
from erf.data import camvid as camvid_data
from erf.data import cifar10 as cifar10_data
from erf.data.split import DataSet
from erf.networks.start import Start
from experiments.camvid import experiment as camvid
from experiments.cifar10 import experiment as cifar10
from experiments.harness.experiment import ExperimentConfig, option
from experiments.harness.record import recorded_experiment
from experiments.harness.reference import REFERENCE, reference
from experiments.harness.validation import typed_as
from experiments.trainings.plan import Task

if TYPE_CHECKING:
    from lightning_fabric import Fabric

WEIGHTS = "weights.safetensors"  # of a training's best epoch, beside its record
STAGES = 4  # of the CamVid network; each has twice the channels of the one before
LOADERS = {"camvid": camvid_data.load, "cifar10": cifar10_data.load}
RESULTS = {"camvid": camvid.Result, "cifar10": cifar10.Result}
Training = camvid.Config | cifar10.Config


@dataclass
class Config(ExperimentConfig):
    """Which networks are measured before training, and which trainings are asked for growth."""

    name: str = option("growth_start", "the experiment's name, fixed; it names the folder of results")
    data_dir: str = option("data", "folder of the data sets; it does not name the folder of results")
    partial_data: bool = option(False, "accept fewer images than were published")
    starts: list[Start] = option(
        [Start.unit_gain, Start.framework_default, Start.small_gain, Start.small_branches],
        "how the weights start",
        distinct=True,
    )
    gains: list[float] = option([0.16, 0.0], "of start=small_gain, each a start of its own, 0 to 1", distinct=True)
    seeds: int = option(3, "of each start, from `seed` on: those of the trainings", least=1)
    camvid_widths: list[int] = option(
        [8, 16], "channels of the first of CamVid's four stages; each next has twice", distinct=True, least=1
    )
    cifar10_widths: list[int] = option([16, 32], "channels of CIFAR-10's layers", distinct=True, least=1)
    camvid_images: int = option(8, "held-out images of CamVid, evenly spaced; a training's own for it", least=2)
    cifar10_images: int = option(32, "held-out images of CIFAR-10, likewise", least=2)
    calibration: int = option(
        4, "batches that batch norm's statistics are averaged over; a training's own for it", least=1
    )
    batch_size: int | None = option(
        None, "images in each of them; None: as many as in a step of the trainings", least=1
    )
    trained: list[str] = option(["camvid", "cifar10"], "trainings in results/reference/ that are asked for growth")
    aggregations: list[str] = option(
        ["random_sign", "sum"], "of output channels, of the trainings' maps", distinct=True
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if unknown := {*self.aggregations} - {"random_sign", "sum"}:
            raise InvalidInput(f"aggregations={min(unknown)!r} is unknown; allowed: random_sign, sum")
        resolve_device(self.device)
        for case in cases(self):
            self.training(case, self.seed)  # refuses what it refuses

    def files(self) -> list[Path]:
        """Return the weights of the trainings."""
        return [weights_file(name) for name in self.trained]

    @cached_property
    def data(self) -> str:
        """SHA-256 of the images and labels of both data sets in ``data_dir``."""
        return data_of({name: load(self.data_dir, self.partial_data) for name, load in LOADERS.items()})

    def training(self, case: Case, seed: int) -> Training:
        """Return the settings of the training that would start from there."""
        own: dict[str, Any] = {"seed": seed, "start": case.start, "gain": case.gain, "calibration": self.calibration}
        own |= {} if self.batch_size is None else {"batch_size": self.batch_size}
        typed = f"{case.data_set}_widths"
        with typed_as(width=typed, widths=typed, images=f"{case.data_set}_images", gain="gains"):
            if case.data_set == "cifar10":
                return self.here(cifar10.Config(width=case.width, images=self.cifar10_images, **own))
            widths = [case.width * 2**stage for stage in range(STAGES)]
            return self.here(camvid.Config(widths=widths, images=self.camvid_images, **own))

    def here(self, training: Training) -> Training:
        """Return the settings of a training with the data and the device of this run."""
        return replace(training, data_dir=self.data_dir, partial_data=self.partial_data, device=self.device)


@dataclass(frozen=True)
class Case:
    """A network and how it starts."""

    data_set: str
    width: int
    start: Start
    gain: float | None

    @property
    def network(self) -> str:
        """The data set and the width, in one word."""
        return f"{self.data_set}_{self.width}"

    @property
    def start_text(self) -> str:
        """The start and its gain."""
        return start_text(self.start, self.gain)


def cases(config: Config) -> list[Case]:
    """Return every network with every start."""
    widths = {"camvid": config.camvid_widths, "cifar10": config.cifar10_widths}
    networks = [(data_set, width) for data_set, some in widths.items() for width in some]
    starts = [
        (start, gain) for start in config.starts for gain in (config.gains if start is Start.small_gain else [None])
    ]
    return [Case(*network, *start) for network, start in product(networks, starts)]


def start_text(start: Start, gain: float | None) -> str:
    """Return a start's name, with its gain if it has one."""
    return start.value if gain is None else f"{start}_{gain:g}"


def data_of(data_sets: Mapping[str, DataSet]) -> str:
    """Return the SHA-256 of all data sets."""
    return hashlib.sha256("".join(data.content() for data in data_sets.values()).encode()).hexdigest()


def task_of(fabric: Fabric, training: Training, data: DataSet) -> Task:
    """Return what a training learns, its network, as the training begins, on the device."""
    if isinstance(training, cifar10.Config):
        task = cifar10.task_of(training, data)
    else:
        task = camvid.task_of(training, data, fabric.device)
    task.network.to(fabric.device)
    return task


def weights_file(name: str) -> Path:
    """Return the file of a training's weights.

    Raises:
        InvalidInput: The training is none of those, or its weights are missing.
    """
    kind = recorded_experiment(REFERENCE / name)
    if kind not in RESULTS:
        raise InvalidInput(f"trained={name} is a record of {kind}; allowed are those of {', '.join(RESULTS)}")
    if not (REFERENCE / name / WEIGHTS).is_file():
        raise InvalidInput(f"trained={name}: {REFERENCE / name / WEIGHTS} is missing")
    return REFERENCE / name / WEIGHTS


def recorded(name: str) -> tuple[str, camvid.Result | cifar10.Result]:
    """Return the data set of the training ``name`` in results/reference/, and its record."""
    data_set = recorded_experiment(REFERENCE / name)
    return data_set, reference(name, RESULTS[data_set], REFERENCE)
