"""Trainings of one network from several starts and seeds, gathered into one record (F3a, F3b, section 3.2).

Before is epoch 0 with calibrated batch norm, after is the epoch of the best validation metric. Intervals are 95 %,
Student's t over seeds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby
from typing import ClassVar, TypeVar

import numpy as np
from rich.console import Group
from rich.table import Table

from erf import InvalidInput
from erf.networks.start import Start
from experiments.harness.intervals import Mean
from experiments.harness.soundness import Sides
from experiments.harness.study import shared_config
from experiments.harness.table import table, text
from experiments.trainings.arms import Arm, Gap, Point, Training, Way
from experiments.trainings.expectations import Expectation, NotTrained
from experiments.trainings.growth_result import SIZES, Growth, Moment
from experiments.trainings.growth_tables import in_words
from experiments.trainings.plan import GrowthConfig

MEASURES = (*SIZES, "mean_square_size", "mean_square_sigma_rows", "mean_square_sigma_columns")


@dataclass(frozen=True)
class StartsStudy:
    """All trainings of one data set's network, compared; each data set has a kind of its own.

    Attributes:
        config: What all trainings share; what was swept has the default there.
        trainings: By way and seed.
        arms: By way.
        gaps: Of all pairs of arms of one width with a seed in common; the first has the larger size before.
        data: SHA-256 of the images and labels used.
        input_size: Of the images, and so of the maps, in pixels.
        arrays: By arm, ``before/KEY`` and ``after/KEY [h, w]``: the map of the first seed's center unit, to be looked
            at, of peak 1, shrunk as in the training's record.
    """

    config: GrowthConfig
    trainings: tuple[Training, ...]
    arms: tuple[Arm, ...]
    gaps: tuple[Gap, ...]
    data: str
    input_size: tuple[int, int]
    arrays: dict[str, np.ndarray]

    DATA_SET: ClassVar[str]  # in words
    PAPER_SIZES: ClassVar[tuple[float, float] | None] = None  # before and after; None where the paper gives none
    MEASURES: ClassVar[tuple[str, ...]] = MEASURES  # the first is the one that sizes are of
    METRIC: ClassVar[str]  # on the validation images; it chooses the best epoch
    TESTED: ClassVar[str]  # the field of a training's result that has it on the test images
    EXPECTATIONS: ClassVar[tuple[Expectation, ...]]

    def trf_box(self, _key: str) -> str:
        """Return why a map is shown without the TRF's box."""
        return "the record does not hold the TRF: there is no box"

    def map_in_words(self, key: str) -> str:
        """Return what the map of this key is of."""
        when, _, way_key = key.partition("/")
        (way,) = [arm.way for arm in self.arms if arm.way.key == way_key]
        return f"{when} training: {way.name}, learning rate {way.learning_rate:g}"

    def layout(self) -> dict[str, Sides]:
        """Return the sides of each array."""
        return {f"{when}/{one.way.key}": ("h", "w") for one in self.trainings for when in ("before", "after")}

    def arm(self, start: Start, width: int | None = None) -> Arm:
        """Return the arm that starts so.

        Raises:
            NotTrained: There is none.
        """
        for arm in self.arms:
            if (arm.way.start, arm.way.width) == (start, width):
                return arm
        raise NotTrained(f"no training from {in_words(start)}" + ("" if width is None else f" at width {width}"))

    def gap(self, one: Start, other: Start, width: int | None = None) -> Gap:
        """Return the gap between two arms, whichever is the first.

        Raises:
            NotTrained: There is none.
        """
        ways = {self.arm(start, width).way for start in (one, other)}
        for gap in self.gaps:
            if {gap.one, gap.other} == ways:
                return gap
        raise NotTrained(f"{in_words(one)} and {in_words(other)} have no seed in common")

    def of(self, arm: Arm) -> list[Training]:
        """Return the trainings of an arm, by seed."""
        return [one for one in self.trainings if one.way == arm.way]


S = TypeVar("S", bound=StartsStudy)


def gather_starts(kind: type[S], results: Sequence[Growth], swept: Sequence[str], width: str | None = None) -> S:
    """Return the study of these trainings, which differ in the settings ``swept`` alone; ``width`` names one of them.

    Raises:
        InvalidInput: They differ in others or in their images, one is there twice, or a record lacks the first measure.
    """
    configs = [result.config for result in results]
    common = shared_config(configs, {key: getattr(type(configs[0]), key) for key in swept})
    if len({result.data for result in results}) > 1:
        raise InvalidInput("trainings are of different data: their SHA-256 in result.json differ")
    named = sorted(
        ((_training(kind, result, width), result) for result in results),
        key=lambda pair: (pair[0].way.order, pair[0].seed),
    )
    trainings = tuple(training for training, _ in named)
    _require_once(trainings)
    by_way = {way: list(group) for way, group in groupby(trainings, key=lambda training: training.way)}
    maps = {training.way.key: result.arrays for training, result in reversed(named)}  # the first seed's stay
    return kind(
        config=common,
        trainings=trainings,
        arms=tuple(_arm(kind, group) for group in by_way.values()),
        gaps=tuple(_gaps(kind, list(by_way.values()))),
        data=results[0].data,
        input_size=results[0].input_size,
        arrays={f"{when}/{key}": maps[key][f"units/{when}"][0] for key in maps for when in ("before", "after")},
    )


def _require_once(trainings: Sequence[Training]) -> None:
    named = [f"{training.way.key} of seed {training.seed}" for training in trainings]
    if twice := {name for name in named if named.count(name) > 1}:
        raise InvalidInput(f"trainings are there twice: {', '.join(sorted(twice))}")


def _training(kind: type[StartsStudy], result: Growth, width: str | None) -> Training:
    config, first, best = result.config, kind.MEASURES[0], result.trajectory[result.best_epoch]
    way = Way(config.start, config.gain, config.learning_rate, getattr(config, width) if width else None)
    before, after = (_measured(kind, at) for at in (result.trajectory[0], best))
    if first not in before:
        raise InvalidInput(f"the training {way.key} of seed {config.seed} has no {first}: its record is too old")
    return Training(
        way=way,
        seed=config.seed,
        best_epoch=result.best_epoch,
        tested=getattr(result, kind.TESTED),
        before=before,
        after=after,
        fresh=result.fresh and result.fresh.averaged_size,
        trajectory=tuple(
            Point(at.epoch, _measured(kind, at).get(first), at.validation[kind.METRIC]) for at in result.trajectory
        ),
    )


def _measured(kind: type[StartsStudy], at: Moment) -> dict[str, float]:
    """Return what was measured at an epoch, by measure in the order of the study; of older records the size alone."""
    numbers = {} if at.erf_size is None else {"erf_size": at.erf_size}
    if known := at.measures:
        numbers |= {name: getattr(known, name) for name in MEASURES if hasattr(known, name)}
        for prefix, pair in (("", known.sigma), ("mean_square_", known.mean_square_sigma)):
            numbers |= dict(zip((f"{prefix}sigma_rows", f"{prefix}sigma_columns"), pair, strict=True))
    return {name: numbers[name] for name in kind.MEASURES if name in numbers}


def _arm(kind: type[StartsStudy], trainings: Sequence[Training]) -> Arm:
    first = kind.MEASURES[0]
    known = [name for name in kind.MEASURES if all(name in one.before for one in trainings)]
    return Arm(
        way=trainings[0].way,
        seeds=tuple(one.seed for one in trainings),
        before=Mean.of([one.before[first] for one in trainings]),
        after=Mean.of([one.after[first] for one in trainings]),
        factor=Mean.of([one.after[first] / one.before[first] for one in trainings]),
        validation=Mean.of([one.validation for one in trainings]),
        tested=Mean.of([one.tested for one in trainings]),
        growths={name: Mean.of([one.after[name] - one.before[name] for one in trainings]) for name in known},
    )


def _gaps(kind: type[StartsStudy], arms: Sequence[Sequence[Training]]) -> Iterator[Gap]:
    first = kind.MEASURES[0]
    largest_first = sorted(arms, key=lambda arm: -np.mean([one.before[first] for one in arm]))
    for arm, other in combinations(largest_first, 2):
        pairs = [(one, two) for one in arm for two in other if one.seed == two.seed]
        if not pairs or arm[0].way.width != other[0].way.width:
            continue
        before, after = (
            np.array([getattr(one, when)[first] - getattr(two, when)[first] for one, two in pairs])
            for when in ("before", "after")
        )
        yield Gap(
            one=arm[0].way,
            other=other[0].way,
            seeds=tuple(one.seed for one, _ in pairs),
            before=Mean.of(before),
            after=Mean.of(after),
            ratio=Mean.of(after / before) if before.all() else None,
            validation=Mean.of([one.validation - two.validation for one, two in pairs]),
        )


def caption(study: StartsStudy) -> str:
    """Return of how many trainings the study is, by which statistic of how many images."""
    arms = ", ".join(f"{len(arm.seeds)} of {arm.way.name}" for arm in study.arms)
    return (
        f"{len(study.trainings)} trainings ({arms}); statistic {study.config.statistic} over {study.config.images} "
        "images; intervals are 95 %, t over seeds."
    )


def summary(study: StartsStudy) -> Group:
    """Return the tables of arms, of measures, of gaps, of trainings, and of what was expected."""
    return Group(
        _arms_table(study), _measures_table(study), _gaps_table(study), _trainings_table(study), _expected_table(study)
    )


def _arms_table(study: StartsStudy) -> Table:
    return table(
        study.arms, ("start", "way.name"), ("learning rate", lambda arm: f"{arm.way.learning_rate:g}"),
        ("n", lambda arm: len(arm.seeds)), ("before", "before", 1), ("after", "after", 1), ("growth", "growth", 1),
        ("factor", "factor", 2), (f"validation {in_words(study.METRIC)}", "validation", 3), ("test", "tested", 3),
        title=f"{study.DATA_SET}: {in_words(study.MEASURES[0])} in pixels, 95 % over seeds",
    )  # fmt: skip


def _measures_table(study: StartsStudy) -> Table:
    made = Table("growth in pixels by", *(arm.way.name for arm in study.arms))
    for name in study.MEASURES:
        made.add_row(in_words(name), *(text(arm.growths.get(name), 1) for arm in study.arms))
    counts = [f"{len(arm.agreeing)} of {len(arm.growths)}" for arm in study.arms]
    made.add_row("of the same sign as the first", *counts)
    return made


def _gaps_table(study: StartsStudy) -> Table:
    return table(
        study.gaps, ("gap between", lambda gap: f"{gap.one.name} - {gap.other.name}"),
        ("n", lambda gap: len(gap.seeds)), ("before", "before", 1), ("after", "after", 1),
        ("after / before", "ratio", 2), (f"validation {in_words(study.METRIC)}", "validation", 3),
    )  # fmt: skip


def _trainings_table(study: StartsStudy) -> Table:
    first = study.MEASURES[0]
    return table(
        study.trainings, ("training", "way.name"), "seed", ("before", lambda one: one.before[first], 1),
        ("fresh", "fresh", 1), ("after", lambda one: one.after[first], 1), ("at epoch", "best_epoch"),
        (f"validation {in_words(study.METRIC)}", "validation", 4), ("test", "tested", 4),
    )  # fmt: skip


def _expected_table(study: StartsStudy) -> Table:
    judged = [expectation.judge(study) for expectation in study.EXPECTATIONS]
    return table(judged, ("", "number"), "expected", "measured", "outcome")
