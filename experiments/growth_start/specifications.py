"""The specification curve (Simonsohn et al. 2020): one question, asked in every way that one might choose."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from erf.maps.statistic import Statistic

# What may be chosen, in words; on one data set all but the first.
AXES = {
    "data_set": "the data set",
    "width": "the width",
    "start": "the start",
    "seed": "the seed",
    "statistic": "the statistic",
    "aggregation": "the aggregation",
    "size": "the measure of size",
}
NAMES = {
    "camvid": "CamVid",
    "cifar10": "CIFAR-10",
    "averaged_size": "averaged size",
    "erf_size": "raw count",
    "half_height_size": "half height",
    "sigma_rows": "σ along rows",
    "sigma_columns": "σ along columns",
}


@dataclass(frozen=True)
class Specification:
    """One way to ask whether the ERF of one training grew, and the answer; sizes in pixels.

    ``factor`` is ``after`` / ``before``; above 1 it agrees with growth.
    """

    data_set: str
    width: int
    start: str
    seed: int
    statistic: Statistic
    aggregation: str
    size: str
    before: float
    after: float
    factor: float

    @property
    def agrees(self) -> bool:
        """Whether the ERF grew."""
        return self.factor > 1


@dataclass(frozen=True)
class Flip:
    """The choice that flips the sign most often.

    Of the ``pairs`` of specifications that differ in ``axis`` alone, ``opposite`` differ in sign. ``option`` is the one
    whose share of growth, ``agreeing`` of ``asked``, is the farthest from that of the others.
    """

    axis: str
    pairs: int
    opposite: int
    option: str
    agreeing: int
    asked: int


def agreeing(specifications: Sequence[Specification]) -> int:
    """Return how many agree with growth."""
    return sum(one.agrees for one in specifications)


def flip_of(specifications: Sequence[Specification]) -> Flip | None:
    """Return the choice that flips the sign in the largest share of its pairs, the first of equals; None for none."""
    pairs, opposite = Counter(), Counter()
    for one, other in combinations(specifications, 2):
        differing = [axis for axis in AXES if getattr(one, axis) != getattr(other, axis)]
        if len(differing) == 1:
            pairs[differing[0]] += 1
            opposite[differing[0]] += one.agrees is not other.agrees
    if not opposite.total():
        return None
    axis = max((axis for axis in AXES if pairs[axis]), key=lambda axis: opposite[axis] / pairs[axis])
    option = _odd_one(specifications, axis)
    asked = [one for one in specifications if getattr(one, axis) == option]
    return Flip(axis, pairs[axis], opposite[axis], str(option), agreeing(asked), len(asked))


def _odd_one(specifications: Sequence[Specification], axis: str) -> object:
    """Return the option of ``axis`` whose share of growth is the farthest from that of all others."""

    def distance(option: object) -> float:
        parts = [[one for one in specifications if (getattr(one, axis) == option) is own] for own in (True, False)]
        own, others = (agreeing(part) / len(part) for part in parts)
        return abs(own - others)

    return max(dict.fromkeys(getattr(one, axis) for one in specifications), key=distance)


def verdicts(specifications: Sequence[Specification]) -> list[str]:
    """Return a sentence for each data set: the share that agrees with growth, and the choice that flips the sign."""
    by_data_set = {
        data_set: [one for one in specifications if one.data_set == data_set]
        for data_set in dict.fromkeys(one.data_set for one in specifications)
    }
    return [_verdict(data_set, some) for data_set, some in by_data_set.items()]


def _verdict(data_set: str, specifications: Sequence[Specification]) -> str:
    count, flip = agreeing(specifications), flip_of(specifications)
    share = f"{count} of {len(specifications)} ways to measure ({count / len(specifications):.0%}) agree with growth"
    if flip is None:
        return f"{in_words(data_set)}: {share}; no choice alone flips the sign."
    return (
        f"{in_words(data_set)}: {share}; {AXES[flip.axis]} flips the sign most often ({in_words(flip.option)}: "
        f"{flip.agreeing} of {flip.asked} agree)."
    )


def in_words(option: str) -> str:
    """Return the name of an option as it is read."""
    return NAMES.get(option, option.replace("_", " "))
