"""Each experiment's page has the same parts in the same order, and its result is from a record."""

import re

import pytest

from experiments.claims.numbers import MEANINGS, NUMBER
from experiments.harness.about import about
from scripts.docs_site import experiment_pages


def _runs(title):
    return {run for name in title.split(", ") for run in (*about(name).runs, *about(name).studies)}


PAGES = {title: page for title, page in experiment_pages().items() if _runs(title)}  # `measure` has no record
OWN_CLAIMS = "own_claims"  # the table of these is made from the records, too
PARTS = (
    r"\*\*Question\.\*\* ",
    r"\*\*The paper says\.\*\* ",
    r"\*\*Result\.\*\* ",
    r"!\[[^\]]+\]\([^)]+\.png\)\n",
    r"\*\*How to read the figure\.\*\* ",
    r"\*\*What to take from it\.\*\* ",
    r"\*\*Measure it again\.\*\* ",
    r"\| command \| minutes \| CPU threads \|\n",
    r"## Details\n",
)


def _part(page, name):
    return re.search(rf"\*\*{name}\.\*\* (.*?)\n\n", page, re.DOTALL)[1]


@pytest.mark.parametrize("title", PAGES)
def test_a_page_has_all_parts_in_their_order(title):
    places = [re.search(rf"(?m)^{part}", PAGES[title].read_text()) for part in PARTS]
    assert all(places), [part for part, place in zip(PARTS, places, strict=True) if not place]
    assert [place.start() for place in places] == sorted(place.start() for place in places)


@pytest.mark.parametrize("title", experiment_pages())
def test_page_overview_and_command_line_ask_the_same_question(title):
    question = " ".join(_part(experiment_pages()[title].read_text(), "Question").split())
    assert [about(name).question for name in title.split(", ")] == [question] * len(title.split(", "))


@pytest.mark.parametrize("title", PAGES)
def test_the_result_is_two_sentences_with_numbers_from_its_records(title):
    page = PAGES[title].read_text()
    result = _part(page, "Result")
    sentences = re.split(r"(?<=[.])\s+(?=[A-Z])", result)
    assert len(sentences) == 2
    assert all(NUMBER.search(sentence) for sentence in sentences)
    measured = {line.partition(" = ")[2].partition(":")[0] for line in MEANINGS.search(page)[1].splitlines()}
    assert measured - {OWN_CLAIMS} <= _runs(title)


@pytest.mark.parametrize("title", PAGES)
def test_the_commands_of_a_page_have_minutes_of_their_records(title):
    page = PAGES[title].read_text()
    rows = re.findall(r"(?m)^\| `python [^`]*?(\w+)` \| <!--(minutes[ \d]*)-->", page)
    assert rows
    for run, name in rows:
        assert f"\n{name} = {run}:environment.seconds minutes\n" in page
