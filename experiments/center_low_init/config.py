"""Which network is trained, from which start."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch

from erf import InvalidInput
from erf.arguments.device import resolve_device
from erf.data import cifar10
from erf.data.split import DataSet, Split
from erf.inits import Init
from experiments.harness.experiment import ExperimentConfig, option
from experiments.harness.machine import KERNEL_3X3, require_cores, require_memory
from experiments.trainings.plan import require_sgd


@dataclass
class Config(ExperimentConfig):
    """One training: its initialization, and what all trainings of a study share; the paper names none of it."""

    name: str = option("center_low_init", "the experiment's name, fixed; it names the folder of results")
    init: Init = option(Init.he_normal, "of the convolutions, a random one")
    strength: float = option(0.0, "of the center-low profile, from 0 (the init unchanged) to 1 (corners alone)")
    kernel_size: int = option(3, "of every convolution, odd")
    draw: int = option(
        0, "number of the draw of weights at this seed; others are fresh weights in the same data order", least=0
    )
    data_dir: str = option("data", "folder of the data sets; it does not name the folder of results")
    partial_data: bool = option(False, "accept fewer images than were published")
    training_images: int = option(
        10_000, "evenly spaced ones of the training images, the same in every training", least=1
    )
    held_out: int = option(2_500, "evenly spaced ones of the validation images, which accuracies are of", least=1)
    width: int = option(16, "channels of the first convolution; after each stride they double", least=1)
    steps: int = option(1200, "the budget: a level that is not reached in it is censored", least=1)
    evaluate_every: int = option(50, "steps between evaluations, by which the budget is divisible", least=1)
    levels: list[float] = option([0.40, 0.45, 0.50], "accuracies, increasing, that steps are counted to")
    batch_size: int = option(64, "images of one step", least=1)
    learning_rate: float = option(0.02, "constant, so that the steps to a level do not depend on the budget")
    momentum: float = option(0.9, "of SGD, in Nesterov's form")
    weight_decay: float = option(5e-4, "of all parameters")
    shift: int = option(2, "training images are mirrored at random and moved by up to so many pixels", least=0)
    images: int = option(32, "of those held out, that the ERF is averaged over, at every evaluation the same", least=1)
    threads: int = option(1, "of the CPU in training; the last bits of a training depend on it", least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.init is Init.equal:
            raise InvalidInput("init=equal is not random: all channels would learn the same; allowed: the others")
        if not 0 <= self.strength <= 1:
            raise InvalidInput(f"strength={self.strength}: allowed are numbers from 0 to 1")
        if self.kernel_size < 3 or self.kernel_size % 2 == 0:
            raise InvalidInput(f"kernel_size={self.kernel_size}: allowed are odd numbers from 3")
        if self.steps % self.evaluate_every:
            raise InvalidInput(f"steps={self.steps}: allowed are multiples of evaluate_every={self.evaluate_every}")
        if not self.levels or self.levels != sorted({*self.levels}) or not 0 < self.levels[0] <= self.levels[-1] < 1:
            raise InvalidInput(f"levels={self.levels}: allowed are increasing accuracies between 0 and 1, at least one")
        require_sgd(self)
        require_memory(KERNEL_3X3 * self.width**2, width=self.width)
        if self.images > self.held_out:
            raise InvalidInput(f"images={self.images}: allowed with held_out={self.held_out} are up to as many")
        resolve_device(self.device)

    def require_possible(self) -> None:
        """Raise InvalidInput where this machine has not so many cores."""
        require_cores(threads=self.threads)

    @cached_property
    def data(self) -> str:
        """SHA-256 of the used part of CIFAR-10's images and labels in ``data_dir``."""
        return data_set(self.data_dir, self.partial_data, self.training_images, self.held_out).content()


@lru_cache(maxsize=1)  # the jobs of a sweep that one process runs share it: decoding takes longer than many steps
def data_set(data_dir: str, partial: bool, training_images: int, held_out: int) -> DataSet:
    """Return the images that all trainings use; none is tested on."""
    published = cifar10.load(data_dir, partial)
    train_split = spaced(published.train, training_images, "training_images")
    validation = spaced(published.validation, held_out, "held_out")
    return DataSet(train_split, validation, published.test.subset(torch.arange(0)), published.classes)


def spaced(split: Split, count: int, key: str) -> Split:
    """Return so many images of a split, evenly spaced; ``key`` is the setting that says how many."""
    if count > len(split):
        raise InvalidInput(f"{key}={count}: there are {len(split)}")
    return split.subset(torch.arange(count) * len(split) // count)
