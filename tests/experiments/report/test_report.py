"""The report's page: it shows the records and claims in the words of the docs, and loads nothing."""

import base64
import hashlib
import io
import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
from markupsafe import escape
from PIL import Image

from experiments.harness.environment import ROOT
from experiments.harness.reference import REFERENCE
from experiments.report import pictures
from experiments.report.page import COMMANDS, _told, render
from scripts import report
from tests.experiments.claims.recorded import recorded_rows
from tests.experiments.report.told import told

pytestmark = pytest.mark.usefixtures("without_places")

LARGEST = 5 * 2**20  # bytes of the page


def test_the_committed_page_shows_the_committed_records():
    page = (REFERENCE / "report.html").read_text()
    digests_shown = dict(re.findall(r'<article id="(\w+)"[^>]*data-record-sha256="(\w+)"', page))
    records = {name: REFERENCE / name / "result.json" for name in COMMANDS}
    digests = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in records.items() if path.exists()}
    assert digests_shown == digests
    assert re.findall(r'<tr id="claim-(\w+)">', page) == [row.id for row in recorded_rows()]
    for row in recorded_rows():
        verdict = re.search(rf'<tr id="claim-{row.id}">.*?class="verdict (\w+)"', page, re.DOTALL)
        assert verdict
        assert verdict[1] == row.verdict.name
    assert len(page.encode()) < LARGEST


class Links(HTMLParser):
    """Collects where a page's links lead, and what they may lead to within it."""

    def __init__(self):
        super().__init__()
        self.targets, self.ids = [], set()

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.ids.add(attributes.get("id"))
        if tag == "a":
            self.targets.append(attributes["href"])


def dead_links(page, folder):
    parser = Links()
    parser.feed(page)
    within = [target for target in parser.targets if not target.startswith("http")]
    assert within
    alive = [target[1:] in parser.ids if target.startswith("#") else (folder / target).exists() for target in within]
    return [target for target, lives in zip(within, alive, strict=True) if not lives]


def test_no_link_of_the_committed_page_is_dead():
    page = (REFERENCE / "report.html").read_text()
    assert dead_links(page, REFERENCE) == []
    assert dead_links(f'{page}<a href="typo.md"></a><a href="#typo"></a>', REFERENCE) == ["typo.md", "#typo"]


def test_links_of_the_docs_lead_to_sections_and_records_or_are_words(tmp_path):
    said = _told("cifar10", REFERENCE, {"growth_controls"})
    assert '<a href="#growth_controls">growth_controls</a> compares them' in said
    assert '<a href="cifar10/result.json">record</a>' in said
    said = _told("cifar10", tmp_path, set())
    assert "growth_controls compares them" in said
    assert "(record)" in said


class Loads(HTMLParser):
    """Collects what a page loads from elsewhere."""

    def __init__(self):
        super().__init__()
        self.sources = []

    def handle_starttag(self, tag, attrs):
        keys = {"link": "href", "a": None}.get(tag, "src")
        self.sources += [value for key, value in attrs if key == keys and value and not value.startswith("data:")]


def test_the_page_loads_nothing(folder):
    page = render(folder)
    parser = Loads()
    parser.feed(page)
    assert parser.sources == []
    assert not re.search(r"@import|url\((?!data:|#)", page)
    parser.feed('<img src="http://example.org/a.png">')
    assert parser.sources == ["http://example.org/a.png"]


@pytest.mark.parametrize("name", ["exact_theory", "nonlinearities"])
def test_each_run_is_told_of_in_the_words_of_its_page_in_the_docs(folder, name):
    article = re.search(rf'<article id="{name}".*?</article>', render(folder), re.DOTALL)[0]
    page = (ROOT / "docs" / "experiments" / f"{name}.md").read_text()
    (question,) = re.findall(r"^\*\*Question\.\*\* (.+)$", page, re.M)
    assert question in article
    assert "## Details" in page
    assert page.partition("## Details\n\n")[2].partition("\n")[0] in article
    assert article.count("<img") == 1


def test_a_whole_record_has_all_its_parts(folder):
    one = told(folder)
    assert one.complete
    assert one.command == "python run.py experiment=exact_theory"
    assert one.caption.startswith("Statistic mean_square, runs 4000, seed 0; intervals are 95 % from 1000")
    assert "(3, 5, 7, 9, 10)" in one.numbers
    assert one.pictures[0].source.startswith("data:image/webp;base64,")
    assert {"result.json", "arrays.npz", "exact_theory.svg"} <= set(one.files)


def test_the_page_shows_what_fails_outside_of_what_is_folded():
    page = (REFERENCE / "report.html").read_text()
    for row in recorded_rows():
        row_shown = re.search(rf'<tr id="claim-{row.id}">.*?</tr>', page, re.DOTALL)
        assert row_shown
        open_text = re.sub(r"<details>.*?</details>", "", row_shown[0], flags=re.DOTALL)
        fails = '<span class="mark fails">'
        assert open_text.count(fails) == row.headline().count("**not:**")
        assert row_shown[0].count("<li>") == len(row.shown()) + (len(row.parts) if row.folded() else 0)


def test_figures_are_inlined_with_colours_that_look_the_same():
    source, size = pictures.inlined(REFERENCE / "exact_theory" / "exact_theory.png")
    with Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))) as shown:
        assert shown.size == size
        with Image.open(REFERENCE / "exact_theory" / "exact_theory.png") as drawn:
            difference = np.asarray(shown.convert("RGB"), int) - np.asarray(drawn.convert("RGB"), int)
    assert np.abs(difference).max() == pictures.STEP // 2


def test_notes_stand_at_their_claims_where_the_page_is_of_the_reference(tmp_path):
    for name in ("erf_growth", "erf_growth_deep"):
        shutil.copytree(REFERENCE / name, tmp_path / name)
    note = escape({row.id: row.note for row in recorded_rows()}["F2"])
    assert note in render(tmp_path)
    assert note not in render(tmp_path, note="at reduced size")


def test_speed_is_told_where_it_is_asked_for(folder):
    shutil.copytree(REFERENCE / "benchmark", folder / "benchmark")
    assert 'id="speed"' not in render(folder)
    speed = re.search(r'<section id="speed">.*?</section>', render(folder, speed=report.speed), re.DOTALL)
    assert speed
    case = json.loads((folder / "benchmark" / "benchmark.json").read_text())["cases"][0]
    assert f"<td>{case['name']}</td>" in speed[0]
    assert speed[0].count("<img") == 1
    for file in ("benchmark.json", "scaling.png"):
        (folder / "benchmark" / file).unlink()
    page = render(folder, speed=report.speed)
    assert '<p class="problem">benchmark/benchmark.json: ' in page
    assert "benchmark/scaling.png is missing" in page


def test_a_run_of_some_arms_is_told_of_in_the_words_of_the_study():
    one = told(REFERENCE, "growth_controls_wide")
    assert one.caption == (
        "3 trainings, 3 of each arm (seed 0), at width 16; statistic mean_abs over 128 images; intervals are 95 %, "
        "those of growth t over trainings."
    )


def test_the_command_writes_the_report(folder, capsys):
    assert report.main([str(folder)]) == 0
    assert "report.html" in capsys.readouterr().out
    assert (folder / "report.html").read_text() == render(folder)
    assert report.main([str(folder / "typo")]) == 1
    assert capsys.readouterr().err.count("\n") == 1
