import numpy as np
import pytest
from scipy import stats

from erf import InvalidInput
from experiments.claims import Part, Row, Verdict
from experiments.claims.comparison import LEVEL, compare
from tests.experiments.claims.recorded import recorded_rows


def row(*intervals, id="X", holds=True):
    return Row(id, "says", "plainly", "rms", (Part("measured", holds, intervals),), ("erf_growth",))


def test_a_difference_counts_in_standard_errors_of_both():
    # Middles 0 and 3, standard errors 1 and 2: 3 / sqrt(1 + 4) of them.
    (judged,) = compare([row((-1.96, 1.96))], [row((3 - 3.92, 3 + 3.92))])
    assert judged.largest == pytest.approx(3 / (1.96 * np.sqrt(5)))
    assert judged.p == judged.adjusted == pytest.approx(2 * stats.norm.sf(3 / np.sqrt(5)))
    assert judged.agrees


def test_the_limit_is_1_96_standard_errors():
    def agrees(difference):
        (judged,) = compare([row((-1.96, 1.96))], [row((difference - 1.96, difference + 1.96))])
        return judged.agrees, judged.largest

    assert agrees(1.959 * np.sqrt(2)) == (True, pytest.approx(1.959 / 1.96))
    assert agrees(1.961 * np.sqrt(2)) == (False, pytest.approx(1.961 / 1.96))


def test_several_numbers_and_claims_raise_the_bar_by_bonferroni_and_holm():
    still, moved = (-1.96, 1.96), (-1.96 + 2.5 * np.sqrt(2), 1.96 + 2.5 * np.sqrt(2))
    p = 2 * stats.norm.sf(2.5)
    assert p < LEVEL < 10 * p
    (alone,) = compare([row(still)], [row(moved)])
    (among,) = compare([row(*[still] * 10)], [row(moved, *[still] * 9)])
    assert (alone.adjusted, among.adjusted) == (pytest.approx(p), pytest.approx(10 * p))
    assert not alone.agrees
    assert among.agrees
    claims = [row(still, id=f"X{i}") for i in range(3)]
    comparisons = compare(claims, [row(moved, id="X0"), row(still, id="X1"), row(moved, id="X2")])
    assert [one.adjusted for one in comparisons] == pytest.approx([3 * p, 1.0, 3 * p])


def test_an_interval_holds_the_middle_of_the_other_or_not():
    (judged,) = compare([row((0, 2), (0, 2), (5, 5))], [row((1.8, 2.0), (1.8, 2.4), (5, 5))])
    assert (judged.numbers, judged.held) == (3, 2)
    assert "2 of 3 intervals hold the new value" in judged.in_words()


def test_another_verdict_differs_whatever_the_numbers():
    (judged,) = compare([row((0, 1))], [row((0, 1), holds=False)])
    assert (judged.before, judged.after, judged.largest) == (Verdict.reproduced, Verdict.not_reproduced, 0)
    assert not judged.agrees


def test_exact_numbers_must_be_equal():
    assert compare([row((2, 2))], [row((2, 2))])[0].agrees
    assert not compare([row((2, 2))], [row((3, 3))])[0].agrees


def test_claims_without_numbers_are_compared_by_their_verdict_and_unmeasured_ones_not_at_all():
    empty = Row("X", "says", "plainly", "rms", (), ("erf_growth",))
    assert compare([empty], [row((0, 1))]) == []
    (judged,) = compare([row()], [row()])
    assert (judged.numbers, judged.adjusted, judged.agrees) == (0, 1.0, True)
    with pytest.raises(InvalidInput, match="claim X has 1 numbers in one measurement and 2 in the other"):
        compare([row((0, 1))], [row((0, 1), (0, 1))])


def test_the_reference_agrees_with_itself():
    comparisons = compare(recorded_rows(), recorded_rows())
    assert len(comparisons) == sum(bool(one.parts) for one in recorded_rows())
    assert all(one.agrees and one.largest == 0 and one.held == one.numbers for one in comparisons)
    exact = {"T1", "T2", "T3", "R1"}  # nothing random but largest deviations
    assert {one.id for one in comparisons if not one.numbers} == exact
