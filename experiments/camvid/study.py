"""Trainings of camvid from several starts and seeds, gathered into one record (F3b)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from erf.networks.start import Start
from experiments.camvid.experiment import PAPER_DIAMETERS, Config, Result
from experiments.harness.intervals import Mean
from experiments.harness.override import Sweep
from experiments.trainings.arms import SWEPT
from experiments.trainings.expectations import (
    READ_ALIKE,
    Condition,
    Expectation,
    grows,
    is_as_good,
    of_one_sign,
    shrinks,
    two_approach,
)
from experiments.trainings.study import StartsStudy, caption, gather_starts, summary

__all__ = ["QUICK", "SWEPT", "Study", "caption", "gather", "summary", "sweeps"]

SMALL, UNIT, DEFAULT, BRANCHES = Start.small_gain, Start.unit_gain, Start.framework_default, Start.small_branches
SEEDS = 3  # of each start
QUICK: Sweep = {"seed": (0, 1)}


def sweeps(first_seed: int) -> tuple[Sweep, ...]:
    """Return the sweeps of the trainings from several starts."""
    seeds = range(first_seed, first_seed + SEEDS)
    return (
        {"start": (UNIT, DEFAULT), "seed": seeds},
        {"start": (SMALL,), "gain": (0.16,), "seed": seeds},
        {"start": (BRANCHES,), "learning_rate": (0.005,), "seed": (first_seed,)},  # the rate was chosen on seed 100
    )


def _default_is_unit(study: StartsStudy) -> Iterator[Condition]:
    gap = study.gap(DEFAULT, UNIT)
    for when, mean in (("before", gap.before), ("after", gap.after)):
        yield Condition(f"{gap.one.name} - {gap.other.name} {when}", mean, -15, 15)
    yield from shrinks(DEFAULT)(study)


def _default_seems_to_grow(study: StartsStudy) -> Iterator[Condition]:
    trainings = study.of(study.arm(DEFAULT))
    growths = [one.after[study.MEASURES[0]] - one.fresh for one in trainings if one.fresh is not None]
    yield Condition("after - fresh before", Mean.of(growths), 0)


def _branches_stay(study: StartsStudy) -> Iterator[Condition]:
    yield Condition("after / before", study.arm(BRANCHES).factor, 0.9, 1.1, alone=True)


@dataclass(frozen=True)
class Study(StartsStudy):
    """All trainings on CamVid."""

    config: Config

    DATA_SET: ClassVar = "CamVid"
    PAPER_SIZES: ClassVar = PAPER_DIAMETERS
    METRIC: ClassVar = "mean_iou"
    TESTED: ClassVar = "mean_iou"
    EXPECTATIONS: ClassVar = (
        Expectation(1, "small gains grow", grows(SMALL)),
        Expectation(2, "unit gains shrink", shrinks(UNIT)),
        Expectation(3, "the two approach each other", two_approach(UNIT, SMALL)),
        Expectation(4, "framework_default behaves as unit_gain", _default_is_unit),
        Expectation(5, "framework_default measured fresh would seem to grow", _default_seems_to_grow),
        Expectation(6, "unit and small gains learn equally well", is_as_good(UNIT, SMALL, 0.03)),
        Expectation(7, "without batch norm an ERF stays where it starts", _branches_stay),
        Expectation(12, READ_ALIKE, of_one_sign(SMALL, UNIT)),
    )


def gather(results: Sequence[Result]) -> Study:
    """Return the study of these trainings.

    Raises:
        InvalidInput: They do not make a study.
    """
    return gather_starts(Study, results, SWEPT)
