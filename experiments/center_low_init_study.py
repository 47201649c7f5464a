"""The study of the centre-low initialization: trainings paired by seed, gathered into one record (I2, section 4).

Trainings of one seed have the same data order and the same draw of the weights, of which the profile alone differs. The
null pairs two draws of the weights at one data order: what chance alone does. "Faster" is fewer steps to a level.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TypeVar

import numpy as np
from rich.console import Group
from rich.table import Table

from erf import InvalidInput
from erf.data.cifar10 import CLASSES
from erf.inits import Init
from erf.seeds import derive
from experiments.center_low_init import Config, Result
from experiments.intervals import Interval, interval_text, mean_interval
from experiments.paired import holm, pairs_interval, sign_flip_p
from experiments.study import shared_config

PAPER_REDUCTION = 0.30  # section 4: in a few cases up to so much faster
REPLICATES = 10_000
SIGNIFICANT = 0.05
LEAST_PAIRS = 2
SIGNS, PAIRS = range(2)  # streams of random numbers
SWEPT = ("init", "strength", "kernel_size", "draw", "seed")  # settings that the trainings of a study differ in


@dataclass(frozen=True)
class Start:
    """What trainings start from. Strength 0 of draw 0 is the standard, of other draws the null: fresh weights."""

    init: Init
    kernel_size: int
    strength: float
    draw: int

    @property
    def standard(self) -> Start:
        """What it is compared with."""
        return replace(self, strength=0.0, draw=0)

    @property
    def fresh(self) -> bool:
        """Whether it is the null: the standard with fresh weights."""
        return self.draw > 0

    @property
    def key(self) -> str:
        """Its name in the arrays."""
        return f"{self.init}-{self.kernel_size}-{self.strength:g}-{self.draw}"


@dataclass(frozen=True)
class Arm:
    """All trainings from one start; intervals 95 %, t over trainings.

    Attributes:
        start: What they start from.
        seeds: Of the trainings, one each.
        steps_to: By seed, then level: steps to the level, None: censored.
        censored: Trainings that never reached a level, by level.
        mean_steps: By level, restricted to the budget: a censored training counts with all of it.
        diverged: Trainings that diverged; their unreached levels are censored and their final accuracy is that of
            guessing.
        accuracy: Mean final accuracy.
        accuracy_interval: Of it.
        size_before: Mean ERF size before training; None where a training has none.
        size_before_interval: Of it.
        size_after: Mean ERF size at the last evaluation.
        size_after_interval: Of it.
    """

    start: Start
    seeds: tuple[int, ...]
    steps_to: tuple[tuple[float | None, ...], ...]
    censored: tuple[int, ...]
    mean_steps: tuple[float, ...]
    diverged: int
    accuracy: float
    accuracy_interval: Interval | None
    size_before: float | None
    size_before_interval: Interval | None
    size_after: float | None
    size_after_interval: Interval | None


@dataclass(frozen=True)
class Comparison:
    """Steps to one level from one start against its standard, paired by seed.

    A pair's relative reduction is 1 - steps / standard's steps, a censored training counting as if it had reached the
    level with the budget's last step: that understates differences, and none is dropped. Pairs of two censored ones
    count as equal.

    Attributes:
        start: What is compared with its standard.
        level: The accuracy.
        reductions: By seed.
        reduction: Their median, taken on the scale of log(steps).
        interval: 95 % of it, pairs drawn anew.
        p: Of the sign-flip test of the log ratios of steps.
        corrected_p: By Holm's method over all starts and levels of the init; None for the null.
        censored: Pairs in which this one alone never reached the level, its standard alone, and both.
    """

    start: Start
    level: float
    reductions: tuple[float, ...]
    reduction: float
    interval: Interval
    p: float
    corrected_p: float | None
    censored: tuple[int, int, int]

    @property
    def faster(self) -> bool:
        """Whether it is faster by the corrected test, with an interval of the median above 0."""
        return self.corrected_p is not None and self.corrected_p < SIGNIFICANT and self.interval[0] > 0

    @property
    def slower(self) -> bool:
        """Whether it is slower by the corrected test, with an interval of the median below 0."""
        return self.corrected_p is not None and self.corrected_p < SIGNIFICANT and self.interval[1] < 0


@dataclass(frozen=True)
class Accuracy:
    """Final accuracy from one start minus its standard's, paired by seed: mean, 95 % interval, sign-flip test.

    ``corrected_p`` is by Holm's method over all starts of the init, None for the null.
    """

    start: Start
    difference: float
    interval: Interval
    p: float
    corrected_p: float | None


@dataclass(frozen=True)
class LargeReductions:
    """How often a pair is faster by the paper's 30 % or more: over all centre-low starts of an init, and by chance.

    Attributes:
        init: Of which.
        pairs: Pairs of a centre-low training and its standard, times levels.
        share: Of those, with such a reduction.
        largest: The largest reduction of all.
        null_pairs: Pairs of fresh weights, times levels, each taken both ways round.
        null_share: Of those, with such a reduction.
        null_largest: The largest.
        excess: 95 % interval of share - null_share, seeds drawn anew.
    """

    init: Init
    pairs: int
    share: float
    largest: float
    null_pairs: int
    null_share: float
    null_largest: float
    excess: Interval

    @property
    def beyond_chance(self) -> bool:
        """Whether such reductions are clearly more frequent than by chance."""
        return self.excess[0] > 0


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
        arrays: ``steps [E]``, and by arm ``accuracy/KEY`` and ``erf_size/KEY [runs, E]``, NaN where there is none.
    """

    config: Config
    arms: tuple[Arm, ...]
    comparisons: tuple[Comparison, ...]
    accuracies: tuple[Accuracy, ...]
    large: tuple[LargeReductions, ...]
    data: str
    arrays: dict[str, np.ndarray]

    def of_init(self, init: Init) -> list[Comparison]:
        """Return the comparisons of the centre-low starts of one init."""
        return [one for one in self.comparisons if one.start.init is init and not one.start.fresh]

    def inits(self) -> list[Init]:
        """Return the inits, the one with most trainings first."""
        counts = {arm.start.init: 0 for arm in self.arms}
        for arm in self.arms:
            counts[arm.start.init] += len(arm.seeds)
        return sorted(counts, key=lambda init: -counts[init])


T = TypeVar("T", Comparison, Accuracy)


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
    comparisons = [_compare(arms, start, place) for start in compared for place in range(len(common.levels))]
    accuracies = [_compare_accuracy(arms, start) for start in compared]
    comparisons, accuracies = _corrected(comparisons), _corrected(accuracies)
    inits = dict.fromkeys(start.init for start in arms)
    return Study(
        config=common,
        arms=tuple(_arm(start, trainings) for start, trainings in arms.items()),
        comparisons=tuple(comparisons),
        accuracies=tuple(accuracies),
        large=tuple(large for init in inits if (large := _large(init, comparisons))),
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
    theirs = _seeds(standard or [])
    if missing := sorted({*seeds} ^ {*theirs}):
        raise InvalidInput(f"{start.key} and its standard {start.standard.key}: seeds {missing} are of one alone")


def _clipped(result: Result, place: int) -> float:
    """Return the steps to a level, those of a censored training being the budget."""
    steps = result.steps_to[place]
    return float(result.config.steps) if steps is None else max(steps, 1.0)


def _compare(arms: dict[Start, list[Result]], start: Start, place: int) -> Comparison:
    ours, theirs = arms[start], arms[start.standard]
    ratios = np.log([_clipped(one, place) for one in theirs]) - np.log([_clipped(one, place) for one in ours])
    missed = [(a.steps_to[place] is None, b.steps_to[place] is None) for a, b in zip(ours, theirs, strict=True)]
    low, high = pairs_interval(ratios, _median, REPLICATES, derive(0, PAIRS))
    return Comparison(
        start=start,
        level=ours[0].config.levels[place],
        reductions=tuple(_reduction(ratio) for ratio in ratios),
        reduction=_reduction(float(np.median(ratios))),
        interval=(_reduction(low), _reduction(high)),
        p=sign_flip_p(ratios, derive(0, SIGNS)),
        corrected_p=None,
        censored=(missed.count((True, False)), missed.count((False, True)), missed.count((True, True))),
    )


def _median(values: np.ndarray) -> np.ndarray:
    return np.median(values, axis=1)


def _mean(values: np.ndarray) -> np.ndarray:
    return values.mean(1)


def _reduction(log_ratio: float) -> float:
    """Return 1 - steps / standard's steps from the logarithm of standard's steps / steps."""
    return float(-np.expm1(-log_ratio))


def _compare_accuracy(arms: dict[Start, list[Result]], start: Start) -> Accuracy:
    ours, theirs = ([one.final_accuracy for one in arms[key]] for key in (start, start.standard))
    differences = np.subtract(ours, theirs)
    interval = pairs_interval(differences, _mean, REPLICATES, derive(0, PAIRS))
    return Accuracy(start, float(differences.mean()), interval, sign_flip_p(differences, derive(0, SIGNS)), None)


def _corrected(found: list[T]) -> list[T]:
    """Return the comparisons with p values corrected over those of each init, the null's left out."""
    families: dict[Init, list[int]] = {}
    for place, one in enumerate(found):
        if not one.start.fresh:
            families.setdefault(one.start.init, []).append(place)
    corrected = list(found)
    for family in families.values():
        for place, p in zip(family, holm([found[place].p for place in family]), strict=True):
            corrected[place] = replace(found[place], corrected_p=p)
    return corrected


def _large(init: Init, comparisons: Sequence[Comparison]) -> LargeReductions | None:
    """Return how often reductions are large; None without a null at every kernel size compared."""
    own = [one for one in comparisons if one.start.init is init]
    low, null = ([one for one in own if one.start.fresh is fresh] for fresh in (False, True))
    if not low or {one.start.kernel_size for one in low} != {one.start.kernel_size for one in null}:
        return None
    ours = np.array([one.reductions for one in low])
    chance = np.array([one.reductions for one in null])
    # Fresh weights could as well have been the standard: 1 - a / b becomes 1 - b / a.
    chance = np.concatenate([chance, 1 - 1 / (1 - chance)])
    by_seed = [(found >= PAPER_REDUCTION).mean(0) for found in (ours, chance)]
    excess = pairs_interval(by_seed[0] - by_seed[1], _mean, REPLICATES, derive(0, PAIRS))
    shares = [float(one.mean()) for one in by_seed]
    return LargeReductions(
        init, ours.size, shares[0], float(ours.max()), chance.size, shares[1], float(chance.max()), excess
    )


def _arm(start: Start, trainings: Sequence[Result]) -> Arm:
    levels = range(len(trainings[0].config.levels))
    accuracies = [one.final_accuracy for one in trainings]
    before, after = ([one.moments[at].erf_size for one in trainings] for at in (0, -1))
    return Arm(
        start,
        tuple(_seeds(trainings)),
        tuple(one.steps_to for one in trainings),
        tuple(sum(one.steps_to[place] is None for one in trainings) for place in levels),
        tuple(float(np.mean([_clipped(one, place) for one in trainings])) for place in levels),
        sum(one.diverged for one in trainings),
        float(np.mean(accuracies)),
        mean_interval(accuracies),
        *_sizes(before),
        *_sizes(after),
    )


def _sizes(sizes: Sequence[float | None]) -> tuple[float | None, Interval | None]:
    known = [size for size in sizes if size is not None]
    if len(known) < len(sizes):
        return None, None
    return float(np.mean(known)), mean_interval(known)


def _curves(common: Config, arms: dict[Start, list[Result]]) -> dict[str, np.ndarray]:
    steps = np.arange(0, common.steps + 1, common.evaluate_every)
    curves = {"steps": steps}
    for start, trainings in arms.items():
        accuracy = np.full((len(trainings), len(steps)), 1 / len(CLASSES))  # of guessing, once diverged
        size = np.full(accuracy.shape, np.nan)
        for row, training in enumerate(trainings):
            for column, at in enumerate(training.moments):
                accuracy[row, column] = at.accuracy
                size[row, column] = np.nan if at.erf_size is None else at.erf_size
        curves |= {f"accuracy/{start.key}": accuracy, f"erf_size/{start.key}": size}
    return curves


def name_of(start: Start) -> str:
    """Return a start in words, without its init and kernel size."""
    if start.fresh:
        return "fresh weights"
    if not start.strength:
        return "standard"
    return "four corners" if start.strength == 1 else f"strength {start.strength:g}"


def caption(study: Study) -> str:
    """Return of how many trainings the study is."""
    pairs = {init: max(len(arm.seeds) for arm in study.arms if arm.start.init is init) for init in study.inits()}
    told = ", ".join(f"{count} seeds of {init}" for init, count in pairs.items())
    trainings = sum(len(arm.seeds) for arm in study.arms)
    return f"{trainings} trainings, {told}; intervals are 95 % from {REPLICATES} resamplings of the pairs."


def summary(study: Study) -> Group:
    """Return the tables of arms, of steps and of final accuracies, and a line on large reductions."""
    levels = [f"{level:.0%}" for level in study.config.levels]
    arms = Table("init", "kernel", "start", "n", *(f"steps to {level} (censored)" for level in levels), "accuracy",
                 "ERF size before", "after", "diverged")  # fmt: skip
    for arm in study.arms:
        steps = [f"{mean:.0f} ({missed})" for mean, missed in zip(arm.mean_steps, arm.censored, strict=True)]
        sizes = ["-" if size is None else f"{size:.1f}" for size in (arm.size_before, arm.size_after)]
        arms.add_row(*_names(arm.start), str(len(arm.seeds)), *steps, f"{arm.accuracy:.3f}", *sizes, str(arm.diverged))
    steps = Table("init", "kernel", "start", "to", "steps saved, median", "95 %", "p", "p, Holm")
    for one in study.comparisons:
        texts = [f"{one.level:.0%}", f"{one.reduction:.1%}", percent_text(one.interval)]
        steps.add_row(*_names(one.start), *texts, f"{one.p:.4f}", _p_text(one.corrected_p))
    accuracies = Table("init", "kernel", "start", "accuracy gained, mean", "95 %", "p", "p, Holm")
    for gain in study.accuracies:
        texts = [f"{gain.difference:.4f}", interval_text(gain.interval, 4)]
        accuracies.add_row(*_names(gain.start), *texts, f"{gain.p:.4f}", _p_text(gain.corrected_p))
    return Group(arms, steps, accuracies, *_large_lines(study))


def _names(start: Start) -> list[str]:
    return [start.init, f"{start.kernel_size}x{start.kernel_size}", name_of(start)]


def _p_text(p: float | None) -> str:
    return "-" if p is None else f"{p:.4f}"


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
