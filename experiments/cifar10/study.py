"""Trainings of cifar10 from several starts and seeds, gathered into one record (F3a)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from erf.networks.start import Start
from experiments.cifar10.experiment import Config, Result
from experiments.harness.override import Sweep
from experiments.trainings import study as starts
from experiments.trainings.arms import SWEPT as STARTS_SWEPT
from experiments.trainings.expectations import READ_ALIKE, Condition, Expectation, grows, of_one_sign, two_approach
from experiments.trainings.study import StartsStudy, caption, gather_starts, summary

__all__ = ["QUICK", "SWEPT", "Study", "caption", "gather", "summary", "sweeps"]

# ``grid`` and ``measure_every`` say what else is measured, not what is trained.
SWEPT = (*STARTS_SWEPT, "width", "grid", "measure_every")
SMALL, UNIT = Start.small_gain, Start.unit_gain
NARROW, RECORDED = 16, Config.width
SEEDS = 3  # of each start
QUICK: Sweep = {"seed": (0, 1)}


def sweeps(first_seed: int) -> tuple[Sweep, ...]:
    """Return the sweeps of the trainings from several starts."""
    seeds = range(first_seed, first_seed + SEEDS)
    return (
        {"start": (UNIT,), "seed": seeds},
        {"start": (SMALL,), "gain": (0.16,), "seed": seeds},
    )


def _unit_stays(study: StartsStudy) -> Iterator[Condition]:
    yield Condition("after - before", study.arm(UNIT, NARROW).growth, -2, 2)


@dataclass(frozen=True)
class Study(StartsStudy):
    """All trainings on CIFAR-10. There the period of the grid is 1, so that the averaged size is the ERF size."""

    config: Config

    DATA_SET: ClassVar = "CIFAR-10"
    MEASURES: ClassVar = tuple(name for name in starts.MEASURES if name != "averaged_size")
    METRIC: ClassVar = "accuracy"
    TESTED: ClassVar = "test_accuracy"
    EXPECTATIONS: ClassVar = (
        Expectation(8, "small gains grow", grows(SMALL, NARROW)),
        Expectation(9, "unit gains start where the two meet", _unit_stays),
        Expectation(10, "the two approach each other", two_approach(UNIT, SMALL, NARROW)),
        Expectation(11, f"at width {RECORDED} unit gains grow a little", grows(UNIT, RECORDED)),
        Expectation(12, READ_ALIKE, of_one_sign(SMALL, width=NARROW)),
    )


def gather(results: Sequence[Result]) -> Study:
    """Return the study of these trainings.

    Raises:
        InvalidInput: They do not make a study.
    """
    return gather_starts(Study, results, SWEPT, width="width")
