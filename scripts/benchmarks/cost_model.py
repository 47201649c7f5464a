"""What measuring costs: a model with constants from a few timings, and predictions made before they are timed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from torch import Tensor, nn
from torchvision.models import resnet101

from erf import effective_receptive_field
from erf.networks.conv_stack import Activation, ConvStack
from scripts.benchmarks.case import median_seconds
from scripts.benchmarks.limit import operations_of_an_image, useful_operations
from scripts.benchmarks.resnet50 import drawn_resnet50, noise
from scripts.benchmarks.stacks import measure_ours

RUNS = 20  # of the stacks that constants are from: as many as share calls, whose fixed cost would else count for each
STUDY_NETWORKS, STUDY_IMAGES = 1000, 50_000


@dataclass(frozen=True)
class Constants:
    r"""The constants of two costs, in seconds and operations a second, of one process.

    A stack of random weights, of depth n, takes :math:`\text{runs} \cdot (a\, n + F / r)` with F its useful operations
    (:mod:`scripts.benchmarks.limit`); a layer of a network :math:`b + \text{images} \cdot F / R` with F the operations
    of one image's forward and backward pass, on its crop, as torch counts them.

    Attributes:
        stack_layer_seconds: a.
        stack_rate: r.
        network_seconds: b, of the passes without data, once a map.
        network_rate: R.
    """

    stack_layer_seconds: float
    stack_rate: float
    network_seconds: float
    network_rate: float


@dataclass(frozen=True)
class Prediction:
    """A configuration that no constant was taken from: seconds by the model, and the median of its timings."""

    name: str
    predicted_seconds: float
    measured_seconds: float

    @property
    def error(self) -> float:
        """Of the prediction, relative to what was measured."""
        return self.predicted_seconds / self.measured_seconds - 1


@dataclass(frozen=True)
class Study:
    """What one layer of many networks, each on many images, would take by the model, in hours of one process."""

    name: str
    networks: int
    images: int
    operations: float
    hours: float


@dataclass(frozen=True)
class StackMap:
    """The maps of so many runs of a stack."""

    stack: ConvStack
    runs: int

    def __call__(self) -> None:
        """Measure them."""
        measure_ours(self.stack, self.runs)


@dataclass(frozen=True)
class NetworkMap:
    """One map of a layer over images ``[N, 3, side, side]``, at least two, so many at once."""

    network: nn.Module
    layer: str
    images: Tensor
    batch_size: int = 1

    def __call__(self) -> None:
        """Measure it."""
        effective_receptive_field(self.network, self.images, self.layer, batch_size=self.batch_size)

    @property
    def operations(self) -> int:
        """Of one image."""
        return operations_of_an_image(lambda images: replace(self, images=images)(), self.images)


def measure_constants(stacks: tuple[StackMap, StackMap], few: NetworkMap, many: NetworkMap, turns: int) -> Constants:
    """Time two stacks and one network's map over few and over many images, and solve for the constants."""
    *of_stacks, of_few, of_many = median_seconds([*stacks, few, many], turns)
    stack_rate, layer = _solved(stacks, of_stacks)
    return Constants(layer, stack_rate, *network_constants(few, many, of_few, of_many))


def network_constants(few: NetworkMap, many: NetworkMap, of_few: float, of_many: float) -> tuple[float, float]:
    """Return the seconds b and the rate R with which maps over few and over many images take what they took."""
    rate = (len(many.images) - len(few.images)) * few.operations / (of_many - of_few)
    return of_few - len(few.images) * few.operations / rate, rate


def _solved(stacks: tuple[StackMap, StackMap], seconds: Sequence[float]) -> tuple[float, float]:
    """Return the rate and the seconds a layer with which both take what they took."""
    layers_and_operations = [
        [work.runs * work.stack.depth, useful_operations(work.stack, work.runs)] for work in stacks
    ]
    layer, operation = np.linalg.solve(np.array(layers_and_operations, float), np.array(seconds))
    return float(1 / operation), float(layer)


def predict(constants: Constants, work: NetworkMap | StackMap) -> float:
    """Return the seconds that a measurement takes by the model."""
    if isinstance(work, NetworkMap):
        return constants.network_seconds + len(work.images) * work.operations / constants.network_rate
    layers = work.runs * work.stack.depth * constants.stack_layer_seconds
    return layers + useful_operations(work.stack, work.runs) / constants.stack_rate


def check(turns: int, small: int, large: int) -> tuple[Constants, list[Prediction], Study]:
    """Measure the constants, predict three other configurations, time them, and estimate a study.

    Args:
        turns: How often each is timed; the median counts.
        small: Pixels a side of the images that the constants are from.
        large: Of those of which only a crop is measured.
    """
    network = drawn_resnet50()
    relu = partial(ConvStack, channels=16, activation=Activation.relu)
    few, many = (NetworkMap(network, "layer4", noise(count, small)) for count in (2, 10))
    constants = measure_constants((StackMap(relu(10), RUNS), StackMap(relu(80), RUNS)), few, many, turns)
    works: dict[str, NetworkMap | StackMap] = {
        f"ReLU stack, depth 40, 16 channels, {2 * RUNS} runs": StackMap(relu(40), 2 * RUNS),
        f"ResNet-50, {large} px, layer3, 6 images": NetworkMap(network, "layer3", noise(6, large)),
        f"ResNet-101, {small} px, layer4, 6 images": NetworkMap(resnet101().eval(), "layer4", noise(6, small)),
    }
    predicted = [predict(constants, work) for work in works.values()]
    measured = median_seconds(list(works.values()), turns)
    predictions = [Prediction(*each) for each in zip(works, predicted, measured, strict=True)]
    return constants, predictions, study_of(few, constants.network_seconds, constants.network_rate)


def study_of(work: NetworkMap, network_seconds: float, network_rate: float) -> Study:
    """Return what the study would take where a network's maps have these constants."""
    operations = STUDY_NETWORKS * STUDY_IMAGES * work.operations
    seconds = STUDY_NETWORKS * network_seconds + operations / network_rate
    name = f"{work.layer} of networks like ResNet-50, {work.images.shape[-1]} px"
    return Study(name, STUDY_NETWORKS, STUDY_IMAGES, operations, seconds / 3600)
