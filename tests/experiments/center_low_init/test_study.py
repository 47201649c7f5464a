"""The study against what was put into made-up trainings: effects, censoring, corrections, the null, the rule."""

import io
from dataclasses import dataclass, replace

import numpy as np
import pytest
from rich.console import Console
from scipy import stats

from erf import InvalidInput
from erf.inits import Init
from experiments.center_low_init import study as study_module
from experiments.center_low_init.config import Config
from experiments.center_low_init.experiment import Moment, Result
from experiments.center_low_init.pairs import PAPER_REDUCTION, Start
from experiments.center_low_init.study import Study, gather
from experiments.claims import Verdict, center_low
from experiments.harness.environment import Environment
from experiments.harness.intervals import Mean
from experiments.harness.paired import holm, sign_flip_p
from experiments.harness.record import read_record, write_record

LEVELS = [0.4, 0.5]
SEEDS = range(12)
BASE = {seed: (300.0 + 10 * seed, 600.0 + 17 * seed) for seed in SEEDS}


@dataclass(frozen=True)
class MadeUp(Result):
    """A training that reaches the levels when it is told to, whatever its course."""

    told: tuple[float | None, ...]

    @property
    def steps_to(self):
        return self.told


def training(seed, steps_to, accuracy=0.5, diverged=False, **settings):
    config = Config(seed=seed, levels=LEVELS, steps=1000, evaluate_every=500, **settings)
    moments = (Moment(0, 0.1, None, 9.0, 3.0), Moment(500, 0.3, 1.5, 10.0, 3.1), Moment(1000, accuracy, 1.2, 11.0, 3.2))
    return MadeUp(config, moments[:2] if diverged else moments, diverged, 29, 4, 100, "data", {}, steps_to)


def arm(factor=lambda seed: 1.0, **settings):
    return [
        training(seed, tuple(steps * factor(seed) for steps in BASE[seed]), 0.5 + 0.001 * seed, **settings)
        for seed in SEEDS
    ]


def noise(scale, seed):
    return np.random.default_rng(seed).normal(0, scale, len(SEEDS))


def study_of(*arms):
    return gather([training for one in arms for training in one])


def found(study, strength, level=0.4, draw=0, kernel_size=3, init=Init.he_normal):
    start = Start(init, kernel_size, strength, draw)
    return next(one for one in study.comparisons if (one.start, one.level) == (start, level))


def test_a_constant_effect_is_found_exactly():
    study = study_of(arm(), arm(lambda seed: 0.8, strength=0.5), arm(lambda seed: 1.25, strength=1.0))
    faster, slower = found(study, 0.5), found(study, 1.0, 0.5)
    assert faster.reduction == pytest.approx(0.2)
    assert faster.interval == pytest.approx((0.2, 0.2))
    assert faster.reductions == pytest.approx([0.2] * 12)
    assert slower.reduction == pytest.approx(-0.25)
    assert faster.p == slower.p == 2 / 2**12
    assert faster.corrected_p == pytest.approx(4 * 2 / 2**12)
    assert (faster.faster, faster.slower, slower.faster, slower.slower) == (True, False, False, True)


def test_pairs_are_of_one_seed_whatever_the_order():
    ratios = np.exp(noise(0.3, 1))
    shuffled = [arm()[seed] for seed in np.random.default_rng(0).permutation(12)]
    one = found(study_of(shuffled, arm(lambda seed: ratios[seed], strength=0.5)), 0.5)
    assert one.reductions == pytest.approx(1 - ratios)
    assert one.reduction == pytest.approx(1 - np.exp(np.median(np.log(ratios))))
    assert one.p == sign_flip_p(np.log(ratios), 0)
    assert one.interval[0] < one.reduction < one.interval[1]


def test_effects_without_noise_are_not_confused_with_chance():
    ratios = {strength: np.exp(noise(0.2, index)) for index, strength in enumerate((0.25, 0.5, 0.75))}
    arms = [arm(lambda seed, r=r: r[seed], strength=s) for s, r in ratios.items()]
    study = study_of(arm(), *arms)
    p = [one.p for one in study.comparisons]
    assert [one.corrected_p for one in study.comparisons] == pytest.approx(holm(p))
    assert not any(one.faster or one.slower for one in study.comparisons)


def test_censored_trainings_count_with_the_whole_budget():
    variant = arm(strength=0.5)
    standard = arm()
    variant[0] = training(0, (300.0, None), strength=0.5)
    standard[1] = training(1, (310.0, None))
    variant[2], standard[2] = training(2, (320.0, None), strength=0.5), training(2, (320.0, None))
    study = study_of(standard, variant)
    one = found(study, 0.5, 0.5)
    assert one.censored == (1, 1, 1)
    assert found(study, 0.5).censored == (0, 0, 0)
    assert one.reductions[:4] == pytest.approx([1 - 1000 / 600, 1 - 617 / 1000, 0, 0])
    assert len(one.reductions) == 12
    assert [arm.censored for arm in study.arms] == [(0, 2), (0, 2)]
    assert study.arms[0].mean_steps[1] == pytest.approx(
        np.mean([600, 1000, 1000] + [600 + 17 * s for s in range(3, 12)])
    )


def test_a_diverged_training_is_censored_and_guesses():
    variant = arm(strength=1.0)
    variant[0] = training(0, (None, None), diverged=True, strength=1.0)
    study = study_of(arm(), variant)
    corners = study.arms[1]
    assert (corners.diverged, corners.censored) == (1, (1, 1))
    assert corners.accuracy.value == pytest.approx(np.mean([0.1] + [0.5 + 0.001 * seed for seed in range(1, 12)]))
    assert study.arrays[f"accuracy/{corners.start.key}"][0].tolist() == [0.1, 0.3, 0.1]
    for name, known in {"erf_size": [9.0, 10.0], "sigma": [3.0, 3.1]}.items():
        values = study.arrays[f"{name}/{corners.start.key}"][0]
        assert values[:2].tolist() == known
        assert np.isnan(values[2])
    assert corners.size_after is not None
    assert corners.size_after.value == pytest.approx((11 * 11 + 10) / 12)


def test_means_and_intervals_of_what_was_measured_before_and_after():
    sizes = {0: (9.0, 12.0), 1: (11.0, 12.0)}
    trainings = [
        replace(training(seed, (None, None)), moments=(
            Moment(0, 0.1, None, before, before / 4), Moment(500, 0.2, 1.0, None, 1.0),
            Moment(1000, 0.3, 1.0, after, after / 4 if seed else None),
        ))
        for seed, (before, after) in sizes.items()
    ]  # fmt: skip
    (standard,) = study_of(trainings).arms
    half = stats.t.ppf(0.975, 1) * 1.0  # the standard error of 9 and 11 is 1
    assert standard.size_before == Mean(10.0, pytest.approx((10 - half, 10 + half)))
    assert standard.size_after == Mean(12.0, (12.0, 12.0))
    assert standard.sigma_before == Mean(2.5, pytest.approx((2.5 - half / 4, 2.5 + half / 4)))
    assert standard.sigma_after is None  # one training has none
    console = Console(width=200, file=io.StringIO())
    console.print(study_module.summary(study_of(trainings)))
    printed = console.file.getvalue()
    assert "σ before / after" in printed
    assert "10.0 / 12.0" in printed
    assert "2.50 / -" in printed


def test_final_accuracies_are_paired():
    gains = noise(0.01, 4) + 0.02
    variant = [training(seed, BASE[seed], 0.5 + 0.001 * seed + gains[seed], strength=0.5) for seed in SEEDS]
    (gain,) = study_of(arm(), variant).accuracies
    assert gain.difference == pytest.approx(gains.mean())
    assert gain.p == sign_flip_p(gains, 0)
    half = 1.96 * gains.std() / np.sqrt(12)
    assert gain.interval == pytest.approx((gains.mean() - half, gains.mean() + half), abs=0.2 * half)


def test_the_null_is_in_no_family_and_taken_both_ways_round():
    low, chance = np.exp(noise(0.3, 5) - 0.3), np.exp(noise(0.5, 6))
    study = study_of(arm(), arm(lambda s: low[s], strength=0.5), arm(lambda s: chance[s], draw=1))
    assert found(study, 0.0, draw=1).corrected_p is None
    own = [one for one in study.comparisons if one.start.strength == 0.5]
    assert [one.corrected_p for one in own] == pytest.approx(holm([one.p for one in own]))
    (large,) = study.large
    ours, theirs = 1 - low, np.concatenate([1 - chance, 1 - 1 / chance])
    assert (large.pairs, large.null_pairs) == (24, 48)
    assert large.share == pytest.approx(np.mean(ours >= PAPER_REDUCTION))
    assert large.null_share == pytest.approx(np.mean(theirs >= PAPER_REDUCTION))
    assert large.largest == pytest.approx(ours.max())
    assert large.null_largest == pytest.approx(theirs.max())
    assert large.excess[0] <= large.share - large.null_share <= large.excess[1]


def test_inits_and_kernel_sizes_are_told_apart():
    arms = [
        arm(lambda seed, f=f: f, strength=s, kernel_size=k, init=init)
        for init, k, s, f in [
            (Init.he_normal, 3, 0.0, 1.0), (Init.he_normal, 3, 0.5, 0.9), (Init.he_normal, 5, 0.0, 2.0),
            (Init.he_normal, 5, 0.5, 1.0), (Init.glorot_uniform, 3, 0.0, 3.0), (Init.glorot_uniform, 3, 0.5, 1.5),
        ]
    ]  # fmt: skip
    study = study_of(*arms)
    assert found(study, 0.5).reduction == pytest.approx(0.1)
    assert found(study, 0.5, kernel_size=5).reduction == pytest.approx(0.5)
    glorot = found(study, 0.5, init=Init.glorot_uniform)
    assert glorot.reduction > 0.4  # censored trainings understate 0.5
    assert glorot.corrected_p == pytest.approx(2 * glorot.p)  # a family of its own: one start, two levels
    assert found(study, 0.5).corrected_p == pytest.approx(4 * 2 / 2**12)
    assert study.inits()[0] is Init.he_normal


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda arms: arms[1].pop(), r"he_normal-3-0.5-0 and its standard he_normal-3-0-0: seeds \[11\] are of one"),
        (lambda arms: arms[0].pop(3), r"seeds \[3\] are of one alone"),
        (lambda arms: arms.pop(0), "are of one alone"),
        (lambda arms: arms[1].append(arms[1][0]), r"seeds \[0\] are there twice"),
        (lambda arms: arms.append(arm(strength=0.5, draw=1)), "draw=1 with strength=0.5"),
        (lambda arms: arms.append(arm(strength=0.7, width=8)), "runs differ in width"),
        (lambda arms: arms.append([replace(one, data="other") for one in arm(strength=0.7)]), "differ in their images"),
        (lambda arms: arms.__setitem__(slice(None), [arms[0][:1]]), "1 training; at least 2"),
    ],
)
def test_what_makes_no_study_is_named(change, named):
    arms = [arm(), arm(strength=0.5)]
    change(arms)
    with pytest.raises(InvalidInput, match=named):
        study_of(*arms)


def test_the_caption_counts_trainings():
    glorot = [training for training in arm(init=Init.glorot_uniform) if training.config.seed < 4]
    assert study_module.caption(study_of(arm(), arm(strength=0.5), glorot)) == (
        "28 trainings, 12 seeds of he_normal, 4 seeds of glorot_uniform; "
        "intervals are 95 % from 10000 resamplings of the pairs."
    )


def the_row(tmp_path, study):
    (tmp_path / "center_low_init").mkdir()
    write_record(tmp_path / "center_low_init", study, Environment.now("cpu"))
    assert read_record(tmp_path / "center_low_init", Study).comparisons == study.comparisons
    (row,) = (claim(tmp_path) for claim in center_low.CLAIMS)
    return row


def chance(scale=0.02):
    return arm(lambda seed: float(np.exp(noise(scale, 9))[seed]), draw=1)


def holding(row):
    return [part.holds for part in row.parts if part.holds is not None]


@pytest.mark.parametrize(
    ("factors", "null", "held", "verdict"),
    [
        ((0.9, 1.0), 0.02, [True, False, True], Verdict.qualified),  # faster, but nowhere by 30 %
        ((0.6, 1.0), 0.02, [True, True, True], Verdict.reproduced),
        ((0.6, 0.7), 0.02, [True, True, False], Verdict.qualified),  # faster wherever one looks
        ((1.0, 1.0), 0.02, [False, False], Verdict.not_reproduced),
        ((1.2, 1.0), 0.02, [False, False], Verdict.not_reproduced),
        ((0.6, 1.0), 1.5, [True, False, True], Verdict.qualified),  # chance alone does as much
    ],
)
def test_the_claims_rule(factors, null, held, verdict, tmp_path):
    arms = [arm(lambda seed, f=f: f, strength=0.5 * (at + 1)) for at, f in enumerate(factors)]
    row = the_row(tmp_path, study_of(arm(), *arms, chance(null)))
    assert holding(row) == held
    assert row.verdict is verdict
    assert "n = 12 pairs" in row.headline()
    assert len(row.headline()) < 350
    assert [len(part.intervals) for part in row.parts if part.holds is not None][:2] == [2 * len(factors), 1]
    assert "python scripts/reproduce.py --only center_low_init" in row.markdown()


def test_other_inits_are_told_beside_and_decide_nothing(tmp_path):
    glorot = [arm(init=Init.glorot_uniform)[:4], arm(lambda seed: 0.5, strength=0.5, init=Init.glorot_uniform)[:4]]
    row = the_row(tmp_path, study_of(arm(), arm(strength=0.5), chance(), *glorot))
    assert row.verdict is Verdict.not_reproduced
    (part,) = (part for part in row.parts if part.measured.startswith("glorot_uniform"))
    assert part.holds is None
    assert part.measured == (
        "glorot_uniform (n = 4 pairs, a look beside): median of the steps saved to 50% accuracy: "
        "3x3 strength 0.5 50.0 % (50.0 to 50.0 %)"
    )
