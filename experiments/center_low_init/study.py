"""The study of the center-low initialization: trainings paired by seed, gathered into one record (I2, section 4).

Trainings of one seed have the same data order and the same draw of the weights, of which the profile alone differs. The
null pairs two draws of the weights at one data order: what chance alone does. "Faster" is fewer steps to a level.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import ClassVar

import numpy as np
from rich.console import Group

from erf import InvalidInput
from erf.data.cifar10 import CLASSES
from erf.inits import Init
from experiments.center_low_init.config import Config
from experiments.center_low_init.experiment import Result
from experiments.center_low_init.pairs import (
    PAPER_REDUCTION,
    REPLICATES,
    Accuracy,
    Comparison,
    LargeReductions,
    Start,
    clipped_steps,
    compare_accuracy,
    compare_steps,
    holm_corrected,
    large_reductions,
)
from experiments.harness.intervals import Interval, Mean
from experiments.harness.override import Sweep
from experiments.harness.soundness import Sides
from experiments.harness.study import shared_config
from experiments.harness.table import table, text

LEAST_PAIRS = 2
SWEPT = ("init", "strength", "kernel_size", "draw", "seed")  # settings that the trainings of a study differ in
# A test over 24 comparisons needs more than 10 pairs: of 10, all would have to agree for one of them to be significant.
PAIRS, FEWER_PAIRS = 12, 4
QUICK: Sweep = {"kernel_size": (3,), "seed": (0, 1)}


def sweeps(first_seed: int) -> tuple[Sweep, ...]:
    """Return the sweeps of the study: He's init, its null of fresh weights, and Glorot's.

    Seed 100 was looked at before, to choose the levels, and is in no study.
    """
    seeds, fewer = (range(first_seed, first_seed + count) for count in (PAIRS, FEWER_PAIRS))
    sizes = (3, 5)
    return (
        {"kernel_size": sizes, "strength": (0, 0.25, 0.5, 0.75, 1), "seed": seeds},
        {"kernel_size": sizes, "draw": (1,), "seed": seeds},
        {"kernel_size": sizes, "init": (Init.glorot_uniform,), "strength": (0, 0.5, 1), "seed": fewer},
    )


@dataclass(frozen=True)
class Arm:
    """All trainings from one start.

    Attributes:
        start: What they start from.
        seeds: Of the trainings, one each.
        steps_to: By seed, then level: steps to the level, None: censored.
        censored: Trainings that never reached a level, by level.
        mean_steps: By level, restricted to the budget: a censored training counts with all of it.
        diverged: Trainings that diverged; their unreached levels are censored and their final accuracy is that of
            guessing.
        accuracy: At the end.
        size_before: ERF size before training; None where a training has none, as the others.
        size_after: At the last evaluation.
        sigma_before: Of the map, before training.
        sigma_after: At the last evaluation.
    """

    start: Start
    seeds: tuple[int, ...]
    steps_to: tuple[tuple[float | None, ...], ...]
    censored: tuple[int, ...]
    mean_steps: tuple[float, ...]
    diverged: int
    accuracy: Mean
    size_before: Mean | None
    size_after: Mean | None
    sigma_before: Mean | None
    sigma_after: Mean | None


@dataclass(frozen=True)
class Study:
    """All trainings, compared.

    Attributes:
        config: What all trainings share; what was swept has the default there.
        arms: By init, kernel size, strength and draw.
        comparisons: Of every arm but the standards, for every level.
        accuracies: Of every arm but the standards.
        large: By init, of those with a null at every kernel size.
        data: SHA-256 of the images and labels used.
        arrays: ``steps [E]``, and by arm ``accuracy/KEY``, ``erf_size/KEY`` and ``sigma/KEY [runs, E]``, NaN where
            there is none.
    """

    config: Config
    arms: tuple[Arm, ...]
    comparisons: tuple[Comparison, ...]
    accuracies: tuple[Accuracy, ...]
    large: tuple[LargeReductions, ...]
    data: str
    arrays: dict[str, np.ndarray]

    GAPS: ClassVar = ("accuracy", "erf_size", "sigma")  # arrays with NaN where a training has no such number

    def layout(self) -> dict[str, Sides]:
        """Return the sides of each array."""
        curves: dict[str, Sides] = {
            f"{of}/{arm.start.key}": (len(arm.seeds), "E") for arm in self.arms for of in self.GAPS
        }
        return {"steps": ("E",)} | curves

    def of_init(self, init: Init) -> list[Comparison]:
        """Return the comparisons of the center-low starts of one init."""
        return [one for one in self.comparisons if one.start.init is init and not one.start.fresh]

    def inits(self) -> list[Init]:
        """Return the inits, the one with most trainings first."""
        counts = {arm.start.init: 0 for arm in self.arms}
        for arm in self.arms:
            counts[arm.start.init] += len(arm.seeds)
        return sorted(counts, key=lambda init: -counts[init])


def gather(results: Sequence[Result]) -> Study:
    """Return the study of these trainings.

    Raises:
        InvalidInput: They differ in more than a study may vary, one is there twice, or a pair is incomplete.
    """
    common = _common(results)
    arms = {start: list(group) for start, group in groupby(sorted(results, key=_order), key=_start)}
    for start, trainings in arms.items():
        _require_pairs(start, trainings, arms.get(start.standard))
    compared = [start for start in arms if start != start.standard]
    comparisons = [compare_steps(arms, start, place) for start in compared for place in range(len(common.levels))]
    accuracies = [compare_accuracy(arms, start) for start in compared]
    comparisons, accuracies = holm_corrected(comparisons), holm_corrected(accuracies)
    inits = dict.fromkeys(start.init for start in arms)
    return Study(
        config=common,
        arms=tuple(_arm(start, trainings) for start, trainings in arms.items()),
        comparisons=tuple(comparisons),
        accuracies=tuple(accuracies),
        large=tuple(large for init in inits if (large := large_reductions(init, comparisons))),
        data=results[0].data,
        arrays=_curves(common, arms),
    )


def _common(results: Sequence[Result]) -> Config:
    """Return the settings that all trainings share."""
    shared = shared_config([result.config for result in results], {name: getattr(Config, name) for name in SWEPT})
    if len({result.data for result in results}) > 1:
        raise InvalidInput("trainings differ in their images")
    return shared


def _start(result: Result) -> Start:
    config = result.config
    if config.draw and config.strength:
        raise InvalidInput(
            f"draw={config.draw} with strength={config.strength}: fresh weights are compared at strength=0 alone"
        )
    return Start(config.init, config.kernel_size, config.strength, config.draw)


def _order(result: Result) -> tuple[str, int, float, int, int]:
    start = _start(result)
    return start.init, start.kernel_size, start.strength, start.draw, result.config.seed


def _seeds(trainings: Sequence[Result]) -> list[int]:
    return [training.config.seed for training in trainings]


def _require_pairs(start: Start, trainings: Sequence[Result], standard: Sequence[Result] | None) -> None:
    """Raise InvalidInput unless the trainings are of different seeds, those of their standard."""
    seeds = _seeds(trainings)
    if twice := {seed for seed in seeds if seeds.count(seed) > 1}:
        raise InvalidInput(f"{start.key}: seeds {sorted(twice)} are there twice")
    if len(seeds) < LEAST_PAIRS:
        raise InvalidInput(f"{start.key}: {len(seeds)} training; at least {LEAST_PAIRS} seeds are needed")
    if missing := sorted({*seeds} ^ {*_seeds(standard or [])}):
        raise InvalidInput(f"{start.key} and its standard {start.standard.key}: seeds {missing} are of one alone")


def _arm(start: Start, trainings: Sequence[Result]) -> Arm:
    levels = range(len(trainings[0].config.levels))
    first, last = ([one.moments[at] for one in trainings] for at in (0, -1))
    return Arm(
        start,
        tuple(_seeds(trainings)),
        tuple(one.steps_to for one in trainings),
        tuple(sum(one.steps_to[place] is None for one in trainings) for place in levels),
        tuple(float(np.mean([clipped_steps(one, place) for one in trainings])) for place in levels),
        sum(one.diverged for one in trainings),
        Mean.of([one.final_accuracy for one in trainings]),
        size_before=_mean_of_all([at.erf_size for at in first]),
        size_after=_mean_of_all([at.erf_size for at in last]),
        sigma_before=_mean_of_all([at.sigma for at in first]),
        sigma_after=_mean_of_all([at.sigma for at in last]),
    )


def _mean_of_all(values: Sequence[float | None]) -> Mean | None:
    known = [value for value in values if value is not None]
    return Mean.of(known) if len(known) == len(values) else None


def _curves(common: Config, arms: dict[Start, list[Result]]) -> dict[str, np.ndarray]:
    steps = np.arange(0, common.steps + 1, common.evaluate_every)
    curves: dict[str, np.ndarray] = {"steps": steps}
    once_diverged = {"accuracy": 1 / len(CLASSES), "erf_size": np.nan, "sigma": np.nan}
    for start, trainings in arms.items():
        for name, missing in once_diverged.items():
            values = curves[f"{name}/{start.key}"] = np.full((len(trainings), len(steps)), missing)
            for row, training in enumerate(trainings):
                known = np.array([getattr(at, name) for at in training.moments], float)  # None becomes NaN
                values[row, : len(known)] = known
    return curves


def caption(study: Study) -> str:
    """Return of how many trainings the study is."""
    pairs = {init: max(len(arm.seeds) for arm in study.arms if arm.start.init is init) for init in study.inits()}
    told = ", ".join(f"{count} seeds of {init}" for init, count in pairs.items())
    trainings = sum(len(arm.seeds) for arm in study.arms)
    return f"{trainings} trainings, {told}; intervals are 95 % from {REPLICATES} resamplings of the pairs."


def summary(study: Study) -> Group:
    """Return the tables of arms, of steps and of final accuracies, and a line on large reductions."""
    start = (
        ("init", "start.init"), ("kernel", lambda row: f"{row.start.kernel_size}x{row.start.kernel_size}"),
        ("start", "start.name"),
    )  # fmt: skip
    arms = table(
        study.arms, *start, ("n", lambda arm: len(arm.seeds)),
        *((f"steps to {level:.0%} (censored)", partial(_steps_text, i)) for i, level in enumerate(study.config.levels)),
        ("accuracy", "accuracy.value", 3), ("ERF size before / after", partial(_before_after, "size", 1)),
        ("σ before / after", partial(_before_after, "sigma", 2)), "diverged",
    )  # fmt: skip
    steps = table(
        study.comparisons, *start, ("to", lambda one: f"{one.level:.0%}"),
        ("steps saved, median", lambda one: f"{one.reduction:.1%}"), ("95 %", lambda one: percent_text(one.interval)),
        ("p", "p", 4), ("p, Holm", "corrected_p", 4),
    )  # fmt: skip
    accuracies = table(
        study.accuracies, *start, ("accuracy gained, mean", "difference", 4), ("95 %", "interval", 4), ("p", "p", 4),
        ("p, Holm", "corrected_p", 4),
    )  # fmt: skip
    return Group(arms, steps, accuracies, *_large_lines(study))


def _steps_text(level: int, arm: Arm) -> str:
    return f"{arm.mean_steps[level]:.0f} ({arm.censored[level]})"


def _before_after(of: str, digits: int, arm: Arm) -> str:
    means = (getattr(arm, f"{of}_{when}") for when in ("before", "after"))
    return " / ".join(text(mean and mean.value, digits) for mean in means)


def percent_text(interval: Interval) -> str:
    """Return an interval of shares in per cent."""
    return f"{interval[0] * 100:.1f} to {interval[1] * 100:.1f} %"


def _large_lines(study: Study) -> Iterator[str]:
    for one in study.large:
        yield (
            f"{one.init}: {one.share:.1%} of {one.pairs} pairs save {PAPER_REDUCTION:.0%} of the steps or more, of "
            f"fresh weights {one.null_share:.1%}; difference {percent_text(one.excess)}; "
            f"largest {one.largest:.0%} and {one.null_largest:.0%}"
        )
