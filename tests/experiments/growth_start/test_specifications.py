"""The share that agrees with growth and the choice that flips the sign, on curves made by hand."""

from itertools import product

import pytest

from erf.maps.statistic import Statistic
from experiments.growth_start.specifications import Specification, agreeing, flip_of, verdicts
from experiments.trainings.growth_result import SIZES

STATISTICS = [Statistic.mean_abs, Statistic.rms, Statistic.mean_square]


def curve(factor, data_set="cifar10", starts=("unit_gain",), seeds=(0,)):
    """Return all specifications, with the factor that each choice has."""
    return [
        Specification(data_set, 8, start, seed, statistic, aggregation, size, 10.0, 10.0 * f, f)
        for start, seed, statistic, aggregation, size in product(
            starts, seeds, STATISTICS, ("random_sign", "sum"), SIZES
        )
        for f in [factor(start, seed, statistic, aggregation, size)]
    ]


def test_a_size_that_alone_shrinks_is_the_choice_that_flips_the_sign():
    some = curve(lambda start, seed, statistic, aggregation, size: 0.9 if size == "half_height_size" else 1.1)
    flip = flip_of(some)
    assert (agreeing(some), len(some)) == (36, 42)
    assert (flip.axis, flip.option, flip.agreeing, flip.asked) == ("size", "half_height_size", 0, 6)
    assert (flip.pairs, flip.opposite) == (
        6 * 21,
        6 * 6,
    )  # 21 pairs of seven sizes, 6 of them with the one that shrinks
    assert verdicts(some) == [
        "CIFAR-10: 36 of 42 ways to measure (86%) agree with growth; the measure of size flips the sign most often "
        "(half height: 0 of 6 agree)."
    ]


def test_a_start_that_decides_is_named_before_what_matters_less():
    some = curve(
        lambda start, seed, statistic, aggregation, size: (
            1.0 + (0.3 if start == "small_gain_0.16" else -0.1) - (0.5 if (statistic, size) == ("rms", "r50") else 0)
        ),
        starts=("unit_gain", "small_gain_0.16"),
        seeds=(0, 1),
    )
    flip = flip_of(some)
    assert (flip.axis, flip.option) == ("start", "unit_gain")
    assert flip.pairs == 2 * 42
    assert flip.opposite == 2 * 40


def test_pairs_differ_in_one_choice_alone():
    grows = {("unit_gain", 0), ("small_gain_0.16", 1)}  # neither start nor seed tells, each flips every pair
    some = curve(
        lambda start, seed, *_: 1.1 if (start, seed) in grows else 0.9,
        starts=("unit_gain", "small_gain_0.16"),
        seeds=(0, 1),
    )
    flip = flip_of(some)
    assert flip.opposite == flip.pairs == 2 * 42
    assert flip.axis == "start"


def test_where_all_agree_no_choice_flips_the_sign():
    assert flip_of(curve(lambda *_: 0.8)) is None
    assert verdicts(curve(lambda *_: 0.8, "camvid")) == [
        "CamVid: 0 of 42 ways to measure (0%) agree with growth; no choice alone flips the sign."
    ]


def test_data_sets_are_told_one_by_one():
    sentences = verdicts(curve(lambda *_: 0.8, "camvid") + curve(lambda *_: 1.2))
    assert [sentence.partition(":")[0] for sentence in sentences] == ["CamVid", "CIFAR-10"]
    assert "(100%)" in sentences[1]
    assert verdicts([]) == []


def test_no_change_is_no_growth():
    assert agreeing(curve(lambda *_: 1.0)) == 0


@pytest.mark.parametrize("odd", ["mean_abs", "rms", "mean_square"])
def test_the_option_that_is_named_is_the_odd_one(odd):
    flip = flip_of(curve(lambda start, seed, statistic, *_: 1.2 if statistic == odd else 0.9))
    assert (flip.axis, flip.option, flip.agreeing, flip.asked) == ("statistic", odd, 14, 14)
