"""A training step of the library against the bare forward pass, backward pass and optimiser step."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from erf.data.augment import FlipAndShift
from erf.data.batches import Batches
from erf.data.split import Split
from erf.networks.cifar_resnet import CifarResNet
from erf.seeds import generator
from erf.training.loop import training_step
from erf.training.processes import Precision, make_fabric
from experiments.harness.environment import Environment
from scripts.benchmarks.case import Case, Disagreement, time_in_turns

SEED = 0
BATCH_SIZE, STEPS, SHIFT = 128, 4, 4  # steps of one timing; shift as in the experiment cifar10
LEARNING_RATE, MOMENTUM, WEIGHT_DECAY = 0.1, 0.9, 5e-4
TOLERANCE = 1e-5  # of the weights after a step, in units of the largest

TRAINING_CAPTION = "training step: ours with batches drawn and augmented, plain without, differences of the weights"


def time_training_step(width: int, repetitions: int, environment: Environment) -> Case:
    """Time a step as training takes it, its batch drawn and augmented, and a bare one on a batch that lies ready."""
    batches = Batches(_random_images(), BATCH_SIZE, SEED, augment=FlipAndShift(SHIFT), drop_last=True)
    ours, theirs = _Ours(width, batches), _Bare(width, batches)
    ours.step()
    theirs.step()  # both also warm up
    name = f"training step, 17 residual blocks, width {width}, batch {BATCH_SIZE}"
    difference = _largest_difference(ours.network, theirs.network)
    if not difference <= TOLERANCE:
        raise Disagreement(f"{name}: weights differ by {difference:.1e} after a step; allowed: {TOLERANCE:.0e}")
    passes = time_in_turns([ours.steps, theirs.steps], repetitions)
    steps = [[seconds / STEPS for seconds in durations] for durations in passes]
    return replace(Case.of(name, steps, environment), max_relative_difference=difference)


def _random_images() -> Split:
    draw = generator(SEED)
    images = torch.randint(256, (BATCH_SIZE * (STEPS + 1), 3, 32, 32), generator=draw, dtype=torch.uint8)
    return Split(images, torch.randint(10, (len(images),), generator=draw))


def _network(width: int) -> nn.Module:
    return CifarResNet(width, generator=generator(SEED)).to(memory_format=torch.channels_last)


def _optimizer(network: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(network.parameters(), LEARNING_RATE, MOMENTUM, weight_decay=WEIGHT_DECAY, nesterov=True)


class _Ours:
    """Steps as :func:`erf.training.train` takes them."""

    def __init__(self, width: int, batches: Batches):
        self.network, self._batches, self._passes = _network(width), batches, 0
        self._fabric = make_fabric(torch.device("cpu"), precision=Precision.float32)
        self._fabric.launch()
        self._model, self._optimizer = self._fabric.setup(self.network, _optimizer(self.network))
        self._loss = nn.CrossEntropyLoss()

    def step(self) -> None:
        """Take the first step of a pass."""
        self._take(next(self._batches.epoch(self._passes)))

    def steps(self) -> None:
        """Take STEPS steps."""
        for _, batch in zip(range(STEPS), self._batches.epoch(self._passes), strict=False):
            self._take(batch)
        self._passes += 1

    def _take(self, batch: tuple[Tensor, Tensor]) -> None:
        training_step(self._fabric, self._model, self._optimizer, self._loss, *batch)


class _Bare:
    """Forward, backward and optimiser step on one batch, again and again."""

    def __init__(self, width: int, batches: Batches):
        self.network = _network(width)
        self._optimizer, self._loss = _optimizer(self.network), nn.CrossEntropyLoss()
        self._images, self._labels = next(batches.epoch(0))

    def step(self) -> None:
        """Take a step."""
        self._loss(self.network(self._images), self._labels).backward()
        self._optimizer.step()
        self._optimizer.zero_grad()

    def steps(self) -> None:
        """Take STEPS steps."""
        for _ in range(STEPS):
            self.step()


def _largest_difference(a: nn.Module, b: nn.Module) -> float:
    pairs = list(zip(a.parameters(), b.parameters(), strict=True))
    largest = max(float(two.detach().abs().max()) for _, two in pairs)
    return max(float((one - two).detach().abs().max()) for one, two in pairs) / largest
