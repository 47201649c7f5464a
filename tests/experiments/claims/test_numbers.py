import json
import re
import shutil

import pytest

from erf import InvalidInput
from experiments.claims.numbers import number, with_numbers
from experiments.claims.pages import pages_with_numbers
from experiments.harness.reference import REFERENCE
from experiments.harness.reference_runs import DATA
from tests.experiments.claims.recorded import recorded_own_rows, recorded_rows

SLOPE = "slope = erf_growth:slopes[kind=random,y=size,x=trf_size,depths=5-40].exponent .2f"
PAGE = "The slope is <!--slope-->0.99<!--/-->.\n\n<!-- numbers\n{}\n-->\n"


@pytest.mark.parametrize("page", pages_with_numbers(), ids=lambda page: page.name)
def test_each_number_of_a_page_is_that_of_its_record(page):
    assert with_numbers(page.read_text()) == page.read_text()


def test_the_article_has_numbers():
    assert "article.md" in {page.name for page in pages_with_numbers()}


@pytest.mark.parametrize("page", pages_with_numbers(), ids=lambda page: page.name)
def test_no_line_begins_with_a_number_which_would_end_a_paragraph(page):
    assert not re.search(r"(?m)^ *<!--[\w ]+-->[^\n]", page.read_text())


def test_a_number_that_differs_from_its_record_is_replaced():
    assert with_numbers(PAGE.format(SLOPE)).startswith("The slope is <!--slope-->0.56<!--/-->.\n")


def test_a_number_follows_its_record(tmp_path):
    shutil.copytree(REFERENCE / "erf_growth", tmp_path / "erf_growth")
    record = tmp_path / "erf_growth" / "result.json"
    record.write_text(record.read_text().replace('"exponent": 0.55', '"exponent": 0.75'))
    assert number(SLOPE, tmp_path) == "0.76"


@pytest.mark.parametrize(
    ("meaning", "text"),
    [
        ("a = exact_theory:example_trf_sizes[0] d", "3"),
        ("a = exact_theory:example_trf_sizes[-1] d", "10"),
        ("a = exact_theory:uniform count d", "12"),
        ("a = exact_theory:uniform.depth most d", "40"),
        ("a = exact_theory:random[kind=relu] count d", "1"),
        ("a = camvid_starts:arms[way.start=small_gain].seeds count d", "3"),
        ("a = exact_theory:uniform.depth least d", "5"),
        ("a = erf_growth:slopes[kind=random,y=size,x=trf_size,depths=5-40].interval .2f", "0.54 to 0.58"),
        ("a = cifar10_starts:arms[way.start=small_gain].growths.erf_size .1f", "7.3 (6.5 to 8.1)"),
        ("a = erf_growth:environment.seconds minutes", "1"),
        ("a = exact_theory:environment.seconds minutes", "1"),
    ],
)
def test_places_and_formats(meaning, text):
    assert number(meaning) == text


def test_a_claim_is_a_record_too():
    f2 = next(row for row in recorded_rows() if row.id == "F2")
    assert number("a = claims:[id=F2].verdict") == f2.verdict
    assert number("a = claims:[id=F2].answer") == f2.answer()
    alike = [row for row in recorded_rows() if row.verdict is f2.verdict]
    assert number(f"a = claims:[verdict={f2.verdict}] count d") == str(len(alike))
    ids = [row.id for row in recorded_rows()]
    assert len({*ids}) == len(ids)
    assert [number(f"a = claims:[id={id}] count d") for id in ids[::6]] == ["1"] * 3


def test_the_parts_of_our_own_claims_are_counted():
    for row in recorded_own_rows():
        held = [part.holds for part in row.parts]
        assert number(f"a = own_claims:[id={row.id}].parts count d") == str(len(held))
        assert number(f"a = own_claims:[id={row.id}].parts[holds=True] count d") == str(held.count(True))
        assert 0 < held.count(True) < len(held)


def test_the_runs_of_the_claims_are_a_record_too():
    names = {run for row in recorded_rows() for run in row.runs}
    seconds = {}
    for run in names - {*DATA}:
        environment = json.loads((REFERENCE / run / "environment.json").read_text())
        seconds[run] = environment["seconds"] * environment["threads"]
    assert number("a = runs:[trains=False].minutes total .1f") == f"{sum(seconds.values()) / 60:.1f}"
    assert number("a = runs:name count d") == str(len(names))


@pytest.mark.parametrize(
    "meanings",
    [
        "slope = nothing:x",
        "slope = erf_growth:slopes.none",
        "slope = erf_growth:slopes .2f",
        "slope is 3",
        f"{SLOPE}\nb = a:b",
    ],
)
def test_what_means_no_number_is_refused_by_name(meanings):
    with pytest.raises(InvalidInput, match=r"slope|b"):
        with_numbers(PAGE.format(meanings))
