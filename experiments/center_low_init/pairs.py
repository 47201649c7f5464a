"""Trainings of the center-low initialization against their standards, pair by pair (I2, section 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import partial
from typing import TypeVar

import numpy as np

from erf.inits import Init
from erf.seeds import derive
from experiments.center_low_init.experiment import Result
from experiments.harness.intervals import Interval
from experiments.harness.paired import holm, pairs_interval, sign_flip_p

PAPER_REDUCTION = 0.30  # section 4: in a few cases up to so much faster
REPLICATES = 10_000
SIGNIFICANT = 0.05
MEAN, MEDIAN = partial(np.mean, axis=1), partial(np.median, axis=1)  # over pairs


class Stream(IntEnum):
    """Streams of random numbers of the comparisons."""

    signs = 0
    pairs = 1


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
    def name(self) -> str:
        """In words, without its init and kernel size."""
        if self.fresh:
            return "fresh weights"
        if not self.strength:
            return "standard"
        return "four corners" if self.strength == 1 else f"strength {self.strength:g}"

    @property
    def key(self) -> str:
        """Its name in the arrays."""
        return f"{self.init}-{self.kernel_size}-{self.strength:g}-{self.draw}"


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
    """How often a pair is faster by the paper's 30 % or more: over all center-low starts of an init, and by chance.

    Attributes:
        init: Of which.
        pairs: Pairs of a center-low training and its standard, times levels.
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


T = TypeVar("T", Comparison, Accuracy)


def clipped_steps(result: Result, place: int) -> float:
    """Return the steps to a level, those of a censored training being the budget."""
    steps = result.steps_to[place]
    return float(result.config.steps) if steps is None else max(steps, 1.0)


def compare_steps(arms: Mapping[Start, Sequence[Result]], start: Start, place: int) -> Comparison:
    """Return the steps to the level at that place of the config's from a start, compared with its standard."""
    own, standard = arms[start], arms[start.standard]
    logs, standard_logs = (np.log([clipped_steps(one, place) for one in arm]) for arm in (own, standard))
    ratios = standard_logs - logs
    missed = [(a.steps_to[place] is None, b.steps_to[place] is None) for a, b in zip(own, standard, strict=True)]
    low, high = pairs_interval(ratios, MEDIAN, REPLICATES, derive(0, Stream.pairs))
    return Comparison(
        start=start,
        level=own[0].config.levels[place],
        reductions=tuple(_reduction(ratio) for ratio in ratios),
        reduction=_reduction(float(np.median(ratios))),
        interval=(_reduction(low), _reduction(high)),
        p=sign_flip_p(ratios, derive(0, Stream.signs)),
        corrected_p=None,
        censored=(missed.count((True, False)), missed.count((False, True)), missed.count((True, True))),
    )


def _reduction(log_ratio: float) -> float:
    """Return 1 - steps / standard's steps from the logarithm of standard's steps / steps."""
    return float(-np.expm1(-log_ratio))


def compare_accuracy(arms: Mapping[Start, Sequence[Result]], start: Start) -> Accuracy:
    """Return the final accuracies from a start, compared with its standard."""
    own, standard = ([one.final_accuracy for one in arms[key]] for key in (start, start.standard))
    differences = np.subtract(own, standard)
    interval = pairs_interval(differences, MEAN, REPLICATES, derive(0, Stream.pairs))
    return Accuracy(start, float(differences.mean()), interval, sign_flip_p(differences, derive(0, Stream.signs)), None)


def holm_corrected(comparisons: list[T]) -> list[T]:
    """Return the comparisons with p values corrected over those of each init, the null's left out."""
    families: dict[Init, list[int]] = {}
    for place, one in enumerate(comparisons):
        if not one.start.fresh:
            families.setdefault(one.start.init, []).append(place)
    corrected = list(comparisons)
    for family in families.values():
        for place, p in zip(family, holm([comparisons[place].p for place in family]), strict=True):
            corrected[place] = replace(comparisons[place], corrected_p=p)
    return corrected


def large_reductions(init: Init, comparisons: Sequence[Comparison]) -> LargeReductions | None:
    """Return how often reductions are large; None without a null at every kernel size compared."""
    own = [one for one in comparisons if one.start.init is init]
    low, null = ([one for one in own if one.start.fresh is fresh] for fresh in (False, True))
    if not low or {one.start.kernel_size for one in low} != {one.start.kernel_size for one in null}:
        return None
    ours = np.array([one.reductions for one in low])
    chance = np.array([one.reductions for one in null])
    # Fresh weights could as well have been the standard: 1 - a / b becomes 1 - b / a.
    chance = np.concatenate([chance, 1 - 1 / (1 - chance)])
    by_seed = [(reductions >= PAPER_REDUCTION).mean(0) for reductions in (ours, chance)]
    excess = pairs_interval(by_seed[0] - by_seed[1], MEAN, REPLICATES, derive(0, Stream.pairs))
    shares = [float(one.mean()) for one in by_seed]
    return LargeReductions(
        init, ours.size, shares[0], float(ours.max()), chance.size, shares[1], float(chance.max()), excess
    )
