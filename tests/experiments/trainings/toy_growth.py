"""The settings of a training as small as it may be."""

import torch

from erf.maps.statistic import Statistic
from experiments.cifar10 import experiment as cifar10
from experiments.trainings.plan import Task
from tests.experiments.toy_data import toy_data

IMAGES, EPOCHS, CALIBRATION = 4, 3, 2
LAYERS = ("stem", "blocks.1", "top")
SETTINGS = {
    "partial_data": True, "width": 2, "epochs": EPOCHS, "batch_size": 10, "images": IMAGES, "grid": 2, "bootstrap": 50,
    "calibration": CALIBRATION, "statistic": Statistic.rms, "seed": 3,
}  # fmt: skip
CPU = torch.device("cpu")


def config_of(**changes):
    return cifar10.Config(**SETTINGS | {"data_dir": str(toy_data())} | changes)


def task_of(network, data):
    return Task(network, data, torch.nn.CrossEntropyLoss(), None, "accuracy")
