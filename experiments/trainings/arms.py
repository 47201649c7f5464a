"""What a study of trainings compares: the ways to start, their trainings, and the gaps between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from erf.networks.start import Start
from experiments.harness.intervals import Mean
from experiments.trainings.growth_tables import in_words

SWEPT = ("start", "gain", "learning_rate", "seed")


@dataclass(frozen=True)
class Way:
    """How the trainings of one arm start and are trained; ``width`` is None where all of a study have the same."""

    start: Start
    gain: float | None
    learning_rate: float
    width: int | None = None

    @property
    def name(self) -> str:
        """The start in words."""
        gain = "" if self.gain is None else f" {self.gain:g}"
        return f"{in_words(self.start)}{gain}" + ("" if self.width is None else f", width {self.width}")

    @property
    def key(self) -> str:
        """Its name in the arrays."""
        return "-".join(str(value) for value in vars(self).values() if value is not None)

    @property
    def order(self) -> tuple[int, int, float, float]:
        """What ways are sorted by."""
        return self.width or 0, list(Start).index(self.start), self.gain or 0.0, self.learning_rate


@dataclass(frozen=True)
class Point:
    """One epoch of a training: its ERF size by the study's first measure, None where not measured, and its metric."""

    epoch: int
    size: float | None
    validation: float


@dataclass(frozen=True)
class Training:
    """One training.

    Attributes:
        way: How it was trained.
        seed: Of it.
        best_epoch: That of the best validation metric.
        tested: The metric on the test images at that epoch.
        before: Each measure before training, in pixels.
        after: Likewise at the best epoch.
        fresh: Averaged size before training with batch norm never calibrated; None in older records.
        trajectory: All epochs; 0 is before training.
    """

    way: Way
    seed: int
    best_epoch: int
    tested: float
    before: dict[str, float]
    after: dict[str, float]
    fresh: float | None
    trajectory: tuple[Point, ...]

    @property
    def validation(self) -> float:
        """The metric on the validation images at the best epoch."""
        return self.trajectory[self.best_epoch].validation

    def sizes(self) -> dict[int, float]:
        """Return the size at each epoch with a measurement; the last is one of them."""
        return {at.epoch: at.size for at in self.trajectory if at.size is not None}


@dataclass(frozen=True)
class Arm:
    """All trainings of one way, of a seed each. Of ``growths``, after - before by measure, the study's first is first.

    ``factor`` is after / before; sizes, growth and factor are those of the first measure.
    """

    way: Way
    seeds: tuple[int, ...]
    before: Mean
    after: Mean
    factor: Mean
    validation: Mean
    tested: Mean
    growths: dict[str, Mean]

    @property
    def growth(self) -> Mean:
        """After - before by the first measure."""
        return next(iter(self.growths.values()))

    @property
    def agreeing(self) -> list[str]:
        """The measures whose mean growth has the sign of the first one's, which is among them."""
        return [name for name, mean in self.growths.items() if np.sign(mean.value) == np.sign(self.growth.value)]


@dataclass(frozen=True)
class Gap:
    """One arm less another of the same width, paired by the seeds that both have.

    ``ratio`` is the gap of sizes after training over that before; None where a pair starts from the same size.
    """

    one: Way
    other: Way
    seeds: tuple[int, ...]
    before: Mean
    after: Mean
    ratio: Mean | None
    validation: Mean
