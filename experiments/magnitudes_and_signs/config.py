"""Which trained networks are asked, and where their weights are."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from erf import InvalidInput
from erf.data.split import DataSet
from erf.networks.start import Start
from experiments.camvid.study import Study as CamvidStudy
from experiments.cifar10.study import Study as Cifar10Study
from experiments.growth_start import config as growth_start
from experiments.growth_start.config import LOADERS, Case, Training, data_of
from experiments.harness.experiment import ExperimentConfig, option
from experiments.harness.reference import REFERENCE, reference
from experiments.harness.validation import typed_as
from experiments.trainings.arms import Training as Recorded

STUDIES = {"camvid": CamvidStudy, "cifar10": Cifar10Study}  # results/reference/<data set>_starts
WEIGHTS = "trained_networks"  # beside these records


@dataclass
class Config(ExperimentConfig):
    """Which trained networks are measured, with their own signs and with random ones."""

    name: str = option("magnitudes_and_signs", "the experiment's name, fixed; it names the folder of results")
    data_dir: str = option("data", "folder of the data sets; it does not name the folder of results")
    partial_data: bool = option(False, "accept fewer images than were published")
    data_sets: list[str] = option(["cifar10", "camvid"], "of the trainings", distinct=True)
    starts: list[Start] = option([Start.small_gain, Start.unit_gain], "of the trainings", distinct=True)
    gain: float = option(0.16, "of start=small_gain")
    cifar10_width: int = option(16, "channels of CIFAR-10's layers")
    camvid_width: int = option(8, "channels of the first of CamVid's four stages; each next has twice")
    cifar10_seeds: int = option(3, "trainings from each start on CIFAR-10, of seeds from 0 on", least=1)
    camvid_seeds: int = option(1, "likewise on CamVid", least=1)
    trained: bool = option(True, "measure after training, too, with weights of results/reference/trained_networks/")
    cifar10_images: int = option(16, "held-out images of CIFAR-10, evenly spaced")
    camvid_images: int = option(16, "held-out images of CamVid, likewise")
    draws: int = option(16, "of random signs, the same ones for each network of one data set", least=2)
    calibration: int = option(2, "batches that batch norm's statistics are averaged over, before training or anew")
    batch_size: int | None = option(None, "images in each of them; None: as many as in a step of the trainings")
    bootstrap: int = option(400, "resamplings of the images, and of the draws, for the intervals", least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if unknown := {*self.data_sets} - {*LOADERS}:
            raise InvalidInput(f"data_sets={min(unknown)!r} is unknown; allowed: {', '.join(LOADERS)}")
        for network in self.networks():
            network.training(self)  # refuses what it refuses

    def files(self) -> list[Path]:
        """Return the weights of the trainings."""
        networks = self.networks() if self.trained else []
        return [
            network.weights(when) for network in networks for when in (When.best, When.last) if when in network.epochs()
        ]

    @cached_property
    def data(self) -> str:
        """SHA-256 of the images and labels of the data sets in ``data_dir``."""
        return data_of({name: LOADERS[name](self.data_dir, self.partial_data) for name in self.data_sets})

    def networks(self) -> list[Network]:
        """Return the networks, each data set's by start and seed."""
        widths = {"cifar10": self.cifar10_width, "camvid": self.camvid_width}
        seeds = {"cifar10": self.cifar10_seeds, "camvid": self.camvid_seeds}
        return [
            Network(Case(name, widths[name], start, self.gain if start is Start.small_gain else None), seed)
            for name in self.data_sets
            for start in self.starts
            for seed in range(seeds[name])
        ]


class When(StrEnum):
    """Before training, at the epoch of the best validation metric, and at the last one."""

    first = "first"
    best = "best"
    last = "last"


@dataclass(frozen=True)
class Network:
    """A network in training: how it starts, and the seed of the training."""

    case: Case
    seed: int

    @property
    def key(self) -> str:
        """Its name."""
        return f"{self.case.network}_{self.case.start_text}_{self.seed}"

    def weights(self, when: When) -> Path:
        """Return the file of its weights after training.

        Raises:
            InvalidInput: It is missing.
        """
        path = REFERENCE / WEIGHTS / f"{self.key}_{when}.safetensors"
        if not path.is_file():
            raise InvalidInput(f"{path} is missing; allowed with other networks: trained=false")
        return path

    def epochs(self, data: DataSet | None = None) -> dict[When, int]:
        """Return the number of each epoch that is measured; the last one only if it is not the best.

        Raises:
            InvalidInput: There is no such training, or it has learnt other data.
        """
        name = f"{self.case.data_set}_starts"
        study = reference(name, STUDIES[self.case.data_set], REFERENCE)
        if data and data.content() != study.data:
            raise InvalidInput(f"{name} has learnt other data than those in data_dir; allowed with them: trained=false")
        (best,) = {one.best_epoch for one in study.trainings if self._is(one)} or {None}
        if best is None:
            raise InvalidInput(f"{self.key} is no training of {name} in results/reference/")
        return {When.first: 0, When.best: best} | (
            {When.last: study.config.epochs} if best < study.config.epochs else {}
        )

    def _is(self, one: Recorded) -> bool:
        case = self.case
        same = (one.way.start, one.way.gain, one.seed) == (case.start, case.gain, self.seed)
        return same and one.way.width in (None, case.width)

    def training(self, config: Config) -> Training:
        """Return the settings of its training, with the images and the batches for batch norm of this run."""
        settings = growth_start.Config(
            data_dir=config.data_dir, partial_data=config.partial_data, device=config.device, trained=[],
            camvid_images=config.camvid_images, cifar10_images=config.cifar10_images,
            calibration=config.calibration, batch_size=config.batch_size,
        )  # fmt: skip
        with typed_as(**{f"{name}_widths": f"{name}_width" for name in LOADERS}):
            return settings.training(self.case, self.seed)
