"""Figure 3, left: the ERF of a residual network before and after it learns CIFAR-10 (section 3.2).

Claim F3a: 17 residual blocks without pooling or stride, theoretical receptive field 74; the ERF before training and at
the best validation accuracy, shown in the 32 x 32 image; test accuracy 89 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from rich.console import Group
from torch import nn

from erf import InvalidInput
from erf.data import cifar10
from erf.data.split import DataSet
from erf.networks.cifar_resnet import CifarResNet
from erf.training.processes import launch
from experiments.harness.experiment import option
from experiments.harness.logbook import Logbook
from experiments.harness.machine import KERNEL_3X3, require_memory
from experiments.trainings.growth import result_of, study
from experiments.trainings.growth_result import Growth
from experiments.trainings.growth_tables import growth_tables
from experiments.trainings.metrics import accuracy
from experiments.trainings.plan import GrowthConfig, Task, fabric_of, started, weights_generator

if TYPE_CHECKING:
    from lightning_fabric import Fabric

PAPER_TEST_ACCURACY, PAPER_TRF = 0.89, 74  # section 3.2


@dataclass
class Config(GrowthConfig):
    """How the network is trained and measured."""

    name: str = option("cifar10", "the experiment's name, fixed; it names the folder of results")
    width: int = option(32, "channels of every layer", least=1)
    label_smoothing: float = option(0.1, "share of the target spread over all classes")

    def __post_init__(self) -> None:
        super().__post_init__()
        require_memory(KERNEL_3X3 * self.width**2, width=self.width)
        if not 0 <= self.label_smoothing < 1:
            raise InvalidInput(f"label_smoothing={self.label_smoothing}: allowed are shares in [0, 1)")

    @cached_property
    def data(self) -> str:
        """SHA-256 of CIFAR-10's images and labels in ``data_dir``."""
        return cifar10.load(self.data_dir, self.partial_data).content()


@dataclass(frozen=True)
class Result(Growth):
    """The growth of the ERF, and the accuracy on the test images at the best epoch."""

    config: Config
    test_accuracy: float

    def metrics(self) -> dict[str, float]:
        """Return the test accuracy, the ERF sizes and the best validation accuracy."""
        return {"test_accuracy": self.test_accuracy} | super().metrics()


def run(config: Config, logbook: Logbook) -> Result:
    """Train the network and measure its ERF after every epoch."""
    return launch(fabric_of(config), _run, config, logbook)


def _run(fabric: Fabric, config: Config, logbook: Logbook) -> Result:
    task = task_of(config, cifar10.load(config.data_dir, config.partial_data))
    growth, tested = study(fabric, config, task, logbook)
    return result_of(Result, growth, test_accuracy=tested["accuracy"])


def task_of(config: Config, data: DataSet) -> Task:
    """Return what is learnt of ``data``, by a network with its initial weights."""
    classes = len(data.classes)
    network = CifarResNet(
        config.width, classes, batch_norm=config.start.batch_norm, generator=weights_generator(config)
    )
    return Task(
        network=started(config, network),
        data=data,
        loss=nn.CrossEntropyLoss(label_smoothing=config.label_smoothing),
        metrics=accuracy(classes),
        best_by="accuracy",
    )


def summary(result: Result) -> Group:
    """Return the tables of the trajectory, the units and the layers, and the test accuracy."""
    at = f"test accuracy {result.test_accuracy:.4f} at epoch {result.best_epoch} (the paper: {PAPER_TEST_ACCURACY})"
    return Group(growth_tables(result), at)
