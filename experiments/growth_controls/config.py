"""What is controlled for: the arms, and their trainings."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from functools import cached_property

from erf import InvalidInput
from erf.data import cifar10 as cifar10_data
from erf.networks.start import Start
from erf.seeds import derive
from experiments.cifar10 import experiment as cifar10
from experiments.harness.experiment import option
from experiments.trainings.plan import Labels, TrainingConfig

LAYER = "after_top.0"  # the top convolution, normalized: with batch norm folded into it the same layer


class Arm(StrEnum):
    """A way to train.

    ``batch_norm`` is that of ``cifar10``. ``random_labels`` is the same with labels that say nothing of the images.
    ``folded`` starts as the same function with the same ERF, batch norm's statistics put into the weights, and is
    trained without normalization. ``no_batch_norm`` never had any: biases, and sums scaled by a constant. ``zero_gain``
    is ``batch_norm`` with gains of 0 at the end of each block (Goyal et al. 2017): the ERF starts as that of the first
    and the last convolution alone.
    """

    batch_norm = "batch_norm"
    zero_gain = "zero_gain"
    random_labels = "random_labels"
    folded = "folded"
    no_batch_norm = "no_batch_norm"


STARTS = {Arm.zero_gain: Start.small_gain, Arm.no_batch_norm: Start.scaled_sums}  # all others: unit_gain


@dataclass
class Config(TrainingConfig):
    """Which ways to train are compared, and at which size."""

    name: str = option("growth_controls", "the experiment's name, fixed; it names the folder of results")
    arms: list[Arm] = option(list(Arm), "ways to train", distinct=True)
    seeds: int = option(3, "trainings of each, with weights, order and random labels of their own", least=1)
    width: int = option(8, "channels of every layer")
    epochs: int = option(5, "how often all training images are seen", least=1)
    label_smoothing: float = option(0.1, "share of the target spread over all classes")
    unnormalized_learning_rate: float = option(
        0.003, "peak of the arms without batch norm; at 0.03 they become constant functions"
    )
    images: int = option(128, "so many of them, evenly spaced, at every epoch the same", least=2)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.unnormalized_learning_rate > 0:
            raise InvalidInput(
                f"unnormalized_learning_rate={self.unnormalized_learning_rate}: allowed are numbers above 0"
            )
        config_of(self, self.arms[0], 0)  # refuses what it refuses

    @cached_property
    def data(self) -> str:
        """SHA-256 of CIFAR-10's images and labels in ``data_dir``."""
        return cifar10_data.load(self.data_dir, self.partial_data).content()


def rate_of(arm: Arm) -> str:
    """Return which setting is the learning rate of an arm."""
    return "unnormalized_learning_rate" if arm in (Arm.folded, Arm.no_batch_norm) else "learning_rate"


def config_of(config: Config, arm: Arm, number: int) -> cifar10.Config:
    """Return the settings of one training; trainings of one number share weights and order over all arms."""
    shared = {known.name: getattr(config, known.name) for known in fields(TrainingConfig)}
    return cifar10.Config(
        **shared
        | {
            "name": cifar10.Config.name,
            "seed": derive(config.seed, number),
            "learning_rate": getattr(config, rate_of(arm)),
            "width": config.width,
            "label_smoothing": config.label_smoothing,
            "start": STARTS.get(arm, Start.unit_gain),
            "gain": 0.0 if arm is Arm.zero_gain else None,
            "labels": Labels.random if arm is Arm.random_labels else Labels.true,
        }
    )
