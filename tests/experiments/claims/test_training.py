"""The rule of Figure 3 over trainings from several starts, on made-up ones."""

import numpy as np
import pytest

from erf.networks.start import Start
from experiments.camvid import experiment as camvid
from experiments.camvid import study as camvid_study
from experiments.cifar10 import experiment as cifar10
from experiments.cifar10 import study as cifar10_study
from experiments.claims import Verdict, training
from experiments.harness.environment import Environment
from experiments.harness.record import write_record
from experiments.harness.reference import REFERENCE, reference
from tests.experiments.claims.test_claims import LONGEST
from tests.experiments.trainings import made_up_trainings

F3A, F3B = training.CLAIMS
UNIT, SMALL, DEFAULT, BRANCHES = Start.unit_gain, Start.small_gain, Start.framework_default, Start.small_branches
NOISE = (-4.0, 0.5, 3.5)  # of three seeds
CAMVID = {UNIT: (203.2, 163.1), SMALL: (99.9, 155.2), DEFAULT: (201.4, 165.3)}
CIFAR10 = {UNIT: (19.5, 19.0), SMALL: (12.2, 18.9)}


def trainings(kind, ends, noise=NOISE, **settings):
    return [
        made_up_trainings.training(kind, start, seed, (before, None, after + more), **settings)
        for start, (before, after) in ends.items()
        for seed, more in enumerate(noise)
    ]


def write(folder, name, study):
    (folder / name).mkdir(exist_ok=True)
    write_record(folder / name, study, Environment.now("cpu"))


@pytest.fixture
def folder(tmp_path):
    """Return a folder with the records of the single trainings."""
    for name in ("camvid", "cifar10"):
        (tmp_path / name).symlink_to(REFERENCE / name)
    return tmp_path


@pytest.fixture
def studies(folder):
    """Return what writes the records of both studies."""

    def both(on_camvid=CAMVID, on_cifar10=CIFAR10, more=()):
        write(folder, "camvid_starts", camvid_study.gather([*trainings(camvid.Result, on_camvid), *more]))
        narrow = trainings(cifar10.Result, on_cifar10, [one / 10 for one in NOISE], width=16)
        write(folder, "cifar10_starts", cifar10_study.gather(narrow))
        return folder

    return both


def test_without_the_studies_nothing_is_decided(folder):
    assert [claim(folder).verdict for claim in training.CLAIMS] == [Verdict.not_measured] * 2


def test_the_start_nearest_the_papers_size_decides_and_all_others_stand_beside(studies):
    row = F3B(studies())
    assert row.verdict is Verdict.reproduced
    assert row.runs == ("camvid_starts", "camvid")
    judged, *others = row.parts
    growth = 155.2 - 99.9
    half = 4.302652729911275 * np.std(NOISE, ddof=1) / 3**0.5
    assert judged.intervals[0] == pytest.approx((growth - half, growth + half))
    assert judged.measured.startswith("start small gain 0.16: ERF size 99.9 before, 155.2 after: growth 55.3 (")
    assert "n = 3 trainings), 10 of 10 measures agree in sign" in judged.measured
    assert [part.holds for part in others] == [None, None, None]
    assert [part.measured.partition(":")[0] for part in others[:2]] == ["start unit gain", "start framework default"]
    assert [part.intervals[0][1] < 0 for part in others[:2]] == [True, True]
    assert "growth -40.1 (" in others[0].measured
    assert "factor 1.55 (" in others[-1].measured


def test_the_rule_at_first_and_what_it_said_stand_beside(studies):
    folder = studies()
    for claim, verdict in ((F3A, True), (F3B, False)):
        at_first = claim(folder).parts[0].at_first
        assert at_first.holds is verdict
        assert at_first.measured == claim(REFERENCE).parts[0].at_first.measured
        assert "of one training" in claim(folder).note
    assert "[at first, **not:** one from unit gain: -43.1 (-59.7 to -28.3)]" in F3B(folder).headline()


@pytest.mark.parametrize(
    ("nearest", "verdict"),
    [
        ((100.0, 155.0), Verdict.reproduced),
        ((100.0, 90.0), Verdict.not_reproduced),
        ((100.0, 101.0), Verdict.not_reproduced),
    ],
)
def test_the_other_starts_do_not_decide(studies, nearest, verdict):
    assert F3B(studies(CAMVID | {SMALL: nearest})).verdict is verdict
    grow = {UNIT: (120.0, 160.0), DEFAULT: (110.0, 170.0)}
    assert F3B(studies(grow | {SMALL: nearest})).verdict is verdict


def test_one_training_of_a_start_decides_nothing(studies):
    nearer = made_up_trainings.training(camvid.Result, BRANCHES, 0, (100.0, None, 60.0), learning_rate=0.01)
    row = F3B(studies(more=[nearer]))
    assert row.verdict is Verdict.reproduced
    assert row.parts[0].measured.startswith("start small gain 0.16")
    assert "small branches: -40.0" in row.headline()
    assert len(row.headline()) <= LONGEST


def test_cifar10_is_decided_by_the_start_that_decides_on_camvid(studies):
    assert F3A(studies()).verdict is Verdict.reproduced
    assert F3A(studies(on_cifar10={UNIT: (19.0, 21.0), SMALL: (12.0, 11.0)})).verdict is Verdict.not_reproduced
    other_start = {UNIT: (100.0, 150.0), SMALL: (50.0, 60.0)}
    row = F3A(studies(other_start, {UNIT: (19.0, 21.0), SMALL: (12.0, 11.0)}))
    assert row.verdict is Verdict.reproduced
    assert row.parts[0].measured.startswith("start unit gain, width 16: ")
    assert row.runs == ("cifar10_starts", "camvid_starts", "cifar10")


def test_a_start_that_was_not_trained_on_cifar10_decides_nothing(studies):
    assert F3A(studies(on_cifar10={UNIT: (19.0, 21.0)})).verdict is Verdict.not_measured


def test_rows_are_short_and_name_their_commands(studies):
    folder = studies()
    for claim in (F3A, F3B):
        row = claim(folder)
        assert len(row.headline()) <= LONGEST
        assert f"`python scripts/reproduce.py --only {row.runs[0]}`" in row.markdown()
        assert all(any(character.isdigit() for character in part.markdown()) for part in row.parts)


def test_both_tables_say_where_the_sign_depends_on_the_measure_or_the_start():
    for claim, study in ((F3A, cifar10_study.Study), (F3B, camvid_study.Study)):
        row = claim(REFERENCE)
        arms = reference(row.runs[0], study).arms
        signs = [(len(arm.agreeing), len(arm.growths)) for arm in arms]
        unclear = [f"only {agree} of {all} measures" for agree, all in signs if agree < all]
        assert [text in row.headline() and text in row.answer() for text in unclear] == [True] * len(unclear)
        assert row.headline().count("only ") == row.answer().count("only ") == len(unclear)
        largest = max(arms, key=lambda arm: arm.before.value)
        assert f"from another start {largest.before.value:.1f} to {largest.after.value:.1f} pixels" in row.answer()
