import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console
from scipy import stats

from erf import InvalidInput
from erf.networks.start import Start
from experiments.camvid import experiment as camvid
from experiments.camvid import study as camvid_study
from experiments.cifar10 import experiment as cifar10
from experiments.cifar10 import study as cifar10_study
from experiments.harness.environment import Environment
from experiments.harness.intervals import Mean
from experiments.harness.record import read_record, write_record
from experiments.harness.reference import reference
from experiments.trainings import study_figure
from experiments.trainings.arms import Way
from experiments.trainings.expectations import Condition, Outcome
from experiments.trainings.study import MEASURES
from experiments.trainings.study_figure import draw_starts, message, spread
from tests.experiments.trainings.made_up_trainings import training

UNIT, SMALL, DEFAULT, BRANCHES = Start.unit_gain, Start.small_gain, Start.framework_default, Start.small_branches
BEFORE = {UNIT: (203.0, 200.0, 206.0), SMALL: (99.0, 100.0, 101.0), DEFAULT: (201.0, 199.0, 205.0)}
AFTER = {UNIT: (163.0, 161.0, 164.0), SMALL: (155.0, 152.0, 157.0), DEFAULT: (164.0, 162.0, 166.0)}


def on_camvid(starts=tuple(BEFORE), before=BEFORE, after=AFTER, **settings):
    return [
        training(camvid.Result, start, seed, (before[start][seed], None, after[start][seed]), **settings)
        for seed in range(3)
        for start in starts
    ]


def on_cifar10(start, befores, afters, width=16, first=0):
    return [
        training(cifar10.Result, start, seed, (before, None, after), width=width)
        for seed, (before, after) in enumerate(zip(befores, afters, strict=True), first)
    ]


def t_interval(values):
    half = stats.t(len(values) - 1).ppf(0.975) * np.std(values, ddof=1) / len(values) ** 0.5
    return pytest.approx((np.mean(values) - half, np.mean(values) + half))


def test_arms_have_means_and_t_intervals_over_seeds():
    study = camvid_study.gather(on_camvid()[::-1])
    assert [arm.way.start for arm in study.arms] == [UNIT, SMALL, DEFAULT]
    for arm in study.arms:
        before, after = (np.array(sizes[arm.way.start]) for sizes in (BEFORE, AFTER))
        assert arm.seeds == (0, 1, 2)
        assert arm.before == Mean(pytest.approx(before.mean()), t_interval(before))
        assert arm.after == Mean(pytest.approx(after.mean()), t_interval(after))
        assert arm.growth == Mean(pytest.approx((after - before).mean()), t_interval(after - before))
        assert arm.factor == Mean(pytest.approx((after / before).mean()), t_interval(after / before))
        assert (arm.validation.value, arm.tested.value) == pytest.approx((0.5, 0.49))


def test_sizes_are_those_of_the_map_averaged_over_the_grid_where_it_has_a_period():
    assert next(iter(camvid_study.gather(on_camvid()).arms[0].growths)) == "averaged_size"
    raw = cifar10_study.gather(on_cifar10(UNIT, (19.0, 19.5), (20.0, 20.0)))
    assert next(iter(raw.arms[0].growths)) == "erf_size"
    assert raw.arms[0].before.value == pytest.approx(19.25 + 0.5)  # the made-up raw count has 0.5 more


def test_every_recorded_measure_has_its_growth_and_those_of_another_sign_are_counted():
    trainings = on_camvid([SMALL], half_heights=[30.0, None, 20.0])
    (arm,) = camvid_study.gather(trainings).arms
    assert list(arm.growths) == list(MEASURES)
    growth = np.mean(np.subtract(AFTER[SMALL], BEFORE[SMALL]))
    factors = {"averaged_size": 1, "erf_size": 1, "r50": 0.3, "r95": 0.7, "sigma_rows": 0.2, "sigma_columns": 0.3}
    factors |= {"mean_square_size": 0.9, "mean_square_sigma_rows": 0.1, "mean_square_sigma_columns": 0.15}
    for name, factor in factors.items():
        assert arm.growths[name].value == pytest.approx(factor * growth)
    assert arm.growths["half_height_size"].value == pytest.approx(-10)
    assert set(arm.growths) - set(arm.agreeing) == {"half_height_size"}


def test_the_maps_are_those_of_the_first_seed():
    trainings = on_camvid([SMALL])[::-1]
    study = camvid_study.gather(trainings)
    for when in ("before", "after"):
        expected = trainings[-1].arrays[f"units/{when}"][0]
        np.testing.assert_array_equal(study.arrays[f"{when}/small_gain-0.16-0.05"], expected)
    assert (trainings[0].arrays["units/after"] != trainings[-1].arrays["units/after"]).any()


def test_gaps_are_paired_by_seed():
    study = camvid_study.gather([*on_camvid([UNIT]), *on_camvid([SMALL])[1:]])
    (gap,) = study.gaps
    assert gap == study.gap(SMALL, UNIT) == study.gap(UNIT, SMALL)
    assert ((gap.one.start, gap.other.start), gap.seeds) == ((UNIT, SMALL), (1, 2))
    before, after = (np.subtract(sizes[UNIT], sizes[SMALL])[1:] for sizes in (BEFORE, AFTER))
    assert gap.before == Mean(pytest.approx(before.mean()), t_interval(before))
    assert gap.after == Mean(pytest.approx(after.mean()), t_interval(after))
    assert gap.ratio == Mean(pytest.approx((after / before).mean()), t_interval(after / before))


def test_arms_of_different_widths_are_not_compared_and_equal_starts_have_no_ratio():
    wide, narrow = (on_cifar10(UNIT, (19.0, 19.0), (20.0, 21.0), width) for width in (32, 16))
    study = cifar10_study.gather([*wide, *narrow, *on_cifar10(DEFAULT, (19.0, 18.0), (20.0, 21.0))])
    assert [arm.way.width for arm in study.arms] == [16, 16, 32]
    (gap,) = study.gaps
    assert gap.ratio is None


def test_an_older_record_of_a_count_alone_is_one_of_its_arm():
    """The recorded training of CIFAR-10 has no other measures; there the count is the averaged size."""
    old = reference("cifar10", cifar10.Result)
    others = [replace(one, data=old.data) for one in on_cifar10(UNIT, (19.0, 19.5), (21.0, 21.0), 32, first=1)]
    (arm,) = cifar10_study.gather([*others, old]).arms
    assert arm.seeds == (0, 1, 2)
    assert list(arm.growths) == ["erf_size"]
    assert arm.growth.value == pytest.approx((old.growth + 2.0 + 1.5) / 3)


@pytest.mark.parametrize(
    ("others", "said"),
    [
        (lambda: on_camvid([UNIT], shift=8), "runs differ in shift; a study varies start, gain, learning_rate, seed"),
        (lambda: [replace(on_camvid([SMALL])[0], data="others")], "trainings are of different data"),
        (lambda: on_camvid([UNIT])[:1], "trainings are there twice: unit_gain-0.05 of seed 0"),
        (lambda: [reference("camvid", camvid.Result)], "unit_gain-0.05 of seed 0 has no averaged_size"),
    ],
)
def test_what_makes_no_study_is_named(others, said):
    with pytest.raises(InvalidInput, match=said):
        camvid_study.gather([*on_camvid([UNIT]), *others()])


def outcomes(study):
    return {one.number: str(one.outcome) for one in (expected.judge(study) for expected in study.EXPECTATIONS)}


def test_what_was_expected_of_camvid_is_judged():
    branches = training(camvid.Result, BRANCHES, 0, (102.0, None, 106.0), best=0.33, learning_rate=0.01)
    study = camvid_study.gather([*on_camvid(), branches])
    assert outcomes(study) == dict.fromkeys((1, 2, 3, 4, 5, 6, 7, 12), "holds")
    moved = replace(branches, trajectory=on_camvid([SMALL])[0].trajectory)
    assert outcomes(camvid_study.gather([*on_camvid(), moved]))[7] == "fails"


def test_what_did_not_come_as_expected_fails_and_what_is_not_there_is_not_measured():
    study = camvid_study.gather(on_camvid([UNIT, SMALL], before=AFTER, after=BEFORE))
    assert outcomes(study) == {
        1: "fails", 2: "fails", 3: "fails", 4: "not measured", 5: "not measured", 6: "holds", 7: "not measured",
        12: "holds",
    }  # fmt: skip
    one_seed = camvid_study.gather(on_camvid()[:3])
    assert outcomes(one_seed) == dict.fromkeys((1, 2, 3, 4, 5, 6), "undecided") | {7: "not measured", 12: "holds"}
    turned = camvid_study.gather([replace(one, trajectory=_with_r50_falling(one)) for one in on_camvid([UNIT, SMALL])])
    assert outcomes(turned)[12] == "fails"


def _with_r50_falling(result):
    *others, last = result.trajectory
    return (*others, replace(last, measures=replace(last.measures, r50=0.0)))


def test_a_start_of_the_framework_that_behaves_otherwise_fails():
    far = camvid_study.gather(on_camvid(after=AFTER | {DEFAULT: (100.0, 101.0, 102.0)}))
    assert outcomes(far)[4] == "fails"
    assert outcomes(far)[5] == "holds"  # still above the 80 pixels of the made-up fresh networks


def test_what_was_expected_of_cifar10_is_judged():
    arms = (
        on_cifar10(UNIT, (19.5, 19.7, 19.1), (19.4, 19.6, 19.3)),
        on_cifar10(SMALL, (12.2, 12.1, 12.2), (19.0, 18.8, 18.5)),
    )
    study = cifar10_study.gather([one for arm in arms for one in arm])
    assert outcomes(study) == {8: "holds", 9: "holds", 10: "holds", 11: "not measured", 12: "holds"}
    wide = on_cifar10(UNIT, (19.0, 19.2, 18.9), (21.3, 21.2, 21.4), 32)
    assert outcomes(cifar10_study.gather(wide))[11] == "holds"


@pytest.mark.parametrize(
    ("interval", "outcome"),
    [
        ((1, 2), "holds"),
        ((-2, -1), "fails"),
        ((-1, 1), "undecided"),
        ((3, 8), "undecided"),
        ((5, 8), "fails"),
        (None, "undecided"),
    ],
)
def test_a_condition_holds_where_its_whole_interval_agrees(interval, outcome):
    assert Condition("it", Mean(1.5, interval), 0, 4).outcome == outcome
    assert Condition("it", Mean(1.5, None), 0, 4, alone=True).outcome is Outcome.holds
    assert Condition("it", Mean(4.5, None), 0, 4, alone=True).outcome is Outcome.fails


def test_a_study_is_written_and_read_and_told_in_full(tmp_path):
    study = camvid_study.gather(on_camvid())
    write_record(tmp_path, study, Environment.now("cpu"))
    assert replace(read_record(tmp_path, camvid_study.Study), arrays={}) == replace(study, arrays={})
    console = Console(file=io.StringIO(), width=200)
    console.print(camvid_study.summary(study))
    text = console.file.getvalue()
    assert "55.0 (" in text or "54.7 (" in text
    assert text.count("holds") == 7
    assert "3 of small gain 0.16" in camvid_study.caption(study)


def texts(figure):
    figure.canvas.draw()
    return figure.findobj(lambda artist: hasattr(artist, "get_text") and bool(artist.get_text()))


def test_the_figure_of_both_data_sets_is_readable_in_print():
    cifar = cifar10_study.gather(
        [*on_cifar10(UNIT, (19.5, 19.7), (19.4, 19.3)), *on_cifar10(SMALL, (12.2, 12.1), (19.0, 18.5))]
    )
    figure = draw_starts([cifar, camvid_study.gather(on_camvid())])
    assert figure.get_size_inches()[0] == 6.75
    assert min(text.get_fontsize() for text in texts(figure)) >= 7
    words = [text.get_text() for text in texts(figure)]
    assert "Where an ERF starts decides whether training makes it grow or shrink" in words
    assert {"small gain 0.16", "unit gain", "framework default", "the paper, before"} <= {*words}
    assert not any("width" in text for text in words)  # which all arms share
    lines = [line for axes in figure.axes for line in axes.lines if line.get_color() == study_figure.COLOURS[SMALL]]
    assert len([line for line in lines if len(line.get_xdata()) > 1]) == 2 * (3 + 2)  # of size and of the metric


def test_small_erfs_are_drawn_with_the_papers_sizes_above_them():
    """Labels outside of the axes would leave no room for these, of which matplotlib warns."""
    small = camvid_study.gather(on_camvid([UNIT], before={UNIT: (40.0,) * 3}, after={UNIT: (40.0,) * 3}))
    figure = draw_starts([small])
    figure.canvas.draw()
    assert max(axes.get_ylim()[1] for axes in figure.axes if axes.get_ylabel() == "ERF size (px)") > 150


@pytest.mark.parametrize(
    ("starts", "said"),
    [
        ([UNIT, SMALL], "Where an ERF starts decides whether training makes it grow or shrink"),
        ([SMALL], "From every start the ERF grows in training"),
        ([UNIT, DEFAULT], "From every start the ERF shrinks in training"),
    ],
)
def test_the_title_says_what_came_out(starts, said):
    assert message(camvid_study.gather(on_camvid(starts)).arms) == said
    undecided = camvid_study.gather([*on_camvid([SMALL]), on_camvid([UNIT])[0]])
    assert message(undecided.arms) == "In training the ERF clearly grows from 1 and shrinks from 0 of 2 starts"
    spread_out = camvid_study.gather(on_camvid([UNIT], after={UNIT: (150.0, 200.0, 260.0)}))
    assert message(spread_out.arms) == "In training the ERF clearly grows from 0 and shrinks from 0 of 1 starts"


def test_labels_keep_their_order_and_distance():
    assert spread([1.0, 5.0, 9.0], 2.0) == [1.0, 5.0, 9.0]
    close = spread([5.0, 5.2, 5.1, 20.0], 1.0)
    assert close == pytest.approx([4.05, 6.25, 5.15, 20.0], abs=0.2)
    assert np.diff(sorted(close)).min() >= 1 - 1e-9
    assert np.argsort(close).tolist() == [0, 2, 1, 3]


def test_a_way_has_a_name_and_a_key_of_its_own():
    ways = [Way(SMALL, 0.16, 0.05), Way(SMALL, 0.5, 0.05), Way(SMALL, 0.16, 0.1), Way(SMALL, 0.16, 0.05, 16)]
    assert len({way.key for way in ways}) == 4
    assert ways[3].name == "small gain 0.16, width 16"
