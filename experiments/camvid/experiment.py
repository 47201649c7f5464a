"""Figure 3, right: the ERF of a residual network before and after it learns to segment CamVid (section 3.2).

Claim F3b: 16 residual blocks with 4 subsamplings by 2, theoretical receptive field 505; the ERF's diameter grows from
about 100 to about 150 pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from rich.console import Group
from torch import nn

from erf import InvalidInput
from erf.data import camvid
from erf.data.split import DataSet
from erf.networks.camvid_frontend import CamvidFrontend
from erf.training.processes import launch
from experiments.harness.experiment import option
from experiments.harness.logbook import Logbook
from experiments.harness.machine import KERNEL_3X3, require_memory
from experiments.trainings.growth import result_of, study
from experiments.trainings.growth_result import Growth
from experiments.trainings.growth_tables import growth_tables
from experiments.trainings.plan import GrowthConfig, Task, fabric_of, started, weights_generator

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from torchmetrics import MetricCollection

PAPER_TRF, PAPER_DIAMETERS = 505, (100, 150)  # section 3.2


@dataclass
class Config(GrowthConfig):
    """How the network is trained and measured."""

    name: str = option("camvid", "the experiment's name, fixed; it names the folder of results")
    widths: list[int] = option([16, 32, 64, 128], "channels of the four stages")
    epochs: int = option(60, "how often all training images are seen", least=1)
    batch_size: int = option(8, "images of one step, of all processes together", least=1)
    learning_rate: float = option(0.05, "its peak")
    shift: int = option(16, "training images are mirrored at random and moved by up to so many pixels", least=0)
    images: int = option(32, "so many of them, evenly spaced, at every epoch the same", least=2)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.widths) != 4 or min(self.widths) < 1:
            raise InvalidInput(f"widths={self.widths}: allowed are four whole numbers from 1")
        require_memory(KERNEL_3X3 * max(self.widths) ** 2, widths=self.widths)

    @cached_property
    def data(self) -> str:
        """SHA-256 of CamVid's images and labels in ``data_dir``."""
        return camvid.load(self.data_dir, self.partial_data).content()


@dataclass(frozen=True)
class Result(Growth):
    """The growth of the ERF, and how well the test images are segmented at the best epoch; void pixels do not count.

    ``mean_iou`` is the mean over classes of intersection over union, ``global_accuracy`` the share of right pixels.
    """

    config: Config
    mean_iou: float
    global_accuracy: float

    def metrics(self) -> dict[str, float]:
        """Return mean IoU and global accuracy on the test images, the ERF sizes and the best validation metrics."""
        return {"mean_iou": self.mean_iou, "global_accuracy": self.global_accuracy} | super().metrics()


def run(config: Config, logbook: Logbook) -> Result:
    """Train the network and measure its ERF after every epoch."""
    return launch(fabric_of(config), _run, config, logbook)


def _run(fabric: Fabric, config: Config, logbook: Logbook) -> Result:
    task = task_of(config, camvid.load(config.data_dir, config.partial_data), fabric.device)
    growth, tested = study(fabric, config, task, logbook)
    return result_of(Result, growth, **tested)


def task_of(config: Config, data: DataSet, device: torch.device) -> Task:
    """Return what is learnt of ``data``, by a network with its initial weights."""
    classes = len(data.classes)
    weights = camvid.median_frequency_weights(data.train.labels, classes)
    network = CamvidFrontend(
        config.widths, classes, batch_norm=config.start.batch_norm, generator=weights_generator(config)
    )
    return Task(
        network=started(config, network),
        data=data,
        loss=nn.CrossEntropyLoss(weights, ignore_index=camvid.VOID).to(device),
        metrics=segmentation_metrics(classes),
        best_by="mean_iou",
    )


def segmentation_metrics(classes: int) -> MetricCollection:
    """Return mean IoU over ``classes`` and global accuracy; the label ``camvid.VOID`` does not count."""
    from torchmetrics import MetricCollection  # not before it is needed: it imports matplotlib
    from torchmetrics.classification import MulticlassAccuracy, MulticlassJaccardIndex

    return MetricCollection(
        {
            "mean_iou": MulticlassJaccardIndex(classes, ignore_index=camvid.VOID),
            "global_accuracy": MulticlassAccuracy(classes, average="micro", ignore_index=camvid.VOID),
        }
    )


def summary(result: Result) -> Group:
    """Return the tables of the trajectory, the units and the layers, and the test metrics."""
    at = (
        f"test mean IoU {result.mean_iou:.4f}, global accuracy {result.global_accuracy:.4f} "
        f"at epoch {result.best_epoch}; the paper's diameters: {PAPER_DIAMETERS[0]} and {PAPER_DIAMETERS[1]} pixels"
    )
    return Group(growth_tables(result), at)
