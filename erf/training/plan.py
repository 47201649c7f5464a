"""What a training is told, and what each of its epochs leaves behind (section 3.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from erf.arguments import require_callable, require_number_or_none, require_type, require_whole, shown
from erf.errors import InvalidInput

if TYPE_CHECKING:
    from torchmetrics import MetricCollection

Plain = str | int | float | bool | None
Loss = Callable[[Tensor, Tensor], Tensor]


class Batches(Protocol):
    """Passes over a data set, each determined by its number and the process's rank alone."""

    def steps(self, world_size: int = 1) -> int:
        """Return the number of steps of a pass, the same for every process."""
        ...

    def epoch(
        self, epoch: int, rank: int = 0, world_size: int = 1, device: torch.device | str = "cpu", start_step: int = 0
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield this process's images and targets of each step from ``start_step`` on."""
        ...


def require_batches(**values: Any) -> None:
    """Raise InvalidInput unless every value has the methods of :class:`Batches`."""
    for name, value in values.items():
        if not callable(getattr(value, "steps", None)) or not callable(getattr(value, "epoch", None)):
            raise InvalidInput(f"{name}={shown(value)}: allowed are batches, with the methods steps and epoch")


@dataclass(frozen=True)
class Plan:
    """How a network is trained.

    Attributes:
        batches: What it learns from.
        validation: What it is judged by after every epoch; each image once.
        loss: Of outputs and targets, a mean over images.
        metrics: Of outputs and targets, on the validation batches.
        best_by: The metric whose largest value marks the best epoch.
        learning_rate: Of each optimiser step, counted from 0 over all epochs.
        epochs: How often all batches are seen.
        seed: Of what the network draws itself (dropout, ...).
        accumulate: Parts that each batch goes through the network in, their gradients summed before the step.
        calibration: Batches that batch norm's statistics are averaged over before the first epoch.
        checkpoint_steps: Steps between checkpoints within an epoch, at which losses are checked, too.
        settings: What a checkpoint must agree with; a training does not go on from one of other settings.

    Raises:
        InvalidInput: A number is too small.
    """

    batches: Batches
    validation: Batches
    loss: Loss
    metrics: MetricCollection
    best_by: str
    learning_rate: Callable[[int], float]
    epochs: int
    seed: int = 0
    accumulate: int = 1
    calibration: int = 16
    checkpoint_steps: int = 50
    settings: Mapping[str, Plain] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("epochs", "accumulate", "calibration", "checkpoint_steps"):
            require_whole(**{name: getattr(self, name)})
        require_whole(0, seed=self.seed)
        require_type(str, best_by=self.best_by)
        require_batches(batches=self.batches, validation=self.validation)
        require_callable(loss=self.loss, learning_rate=self.learning_rate)
        require_type(Mapping, settings=self.settings)


@dataclass(frozen=True)
class Epoch:
    """What an epoch left behind; epoch 0 is the network before training.

    Attributes:
        number: Epochs trained.
        loss: Mean training loss of its steps, each before its update; None before training.
        metrics: On the validation batches, after the epoch.
        measured: What ``on_epoch`` returned, in process 0; in the others nothing.
    """

    number: int
    loss: float | None
    metrics: dict[str, float]
    measured: dict[str, float]

    def __post_init__(self) -> None:
        require_whole(0, number=self.number)
        require_number_or_none(loss=self.loss)
        require_type(dict, metrics=self.metrics, measured=self.measured)
        for name in (*self.metrics, *self.measured):
            require_type(str, **{"a name of metrics or measured": name})
        for values in (self.metrics, self.measured):
            require_type(float, int, **{f"the value of {name!r}": value for name, value in values.items()})


def best_epoch(history: list[Epoch], metric: str) -> Epoch:
    """Return the first trained epoch with the largest value of ``metric``.

    Raises:
        InvalidInput: No epoch was trained, or it has no such metric.
    """
    require_type(list, tuple, history=history)
    for epoch in history:
        require_type(Epoch, history=epoch)
    if not isinstance(metric, str) or len(history) < 2 or any(metric not in epoch.metrics for epoch in history[1:]):
        raise InvalidInput(f"metric={shown(metric)}: none of {max(len(history) - 1, 0)} trained epochs has all of it")
    return max(history[1:], key=lambda epoch: epoch.metrics[metric])
