import base64
import hashlib
import io
import json
import re
import shutil
import zlib
from html.parser import HTMLParser

import numpy as np
import pytest
from markupsafe import escape
from PIL import Image

from erf.card.inspector import SPARED
from experiments.exact_theory.experiment import Result
from experiments.growth_controls import experiment as growth_controls
from experiments.harness.environment import ROOT, Environment
from experiments.harness.experiment import load
from experiments.harness.record import read_environment, read_record
from experiments.harness.reference import REFERENCE
from experiments.harness.reference_runs import command
from experiments.report import figures, maps, pictures, provenance
from experiments.report.page import COMMANDS, _told, claim_rows, render
from experiments.report.section import section
from experiments.trainings.plan import Probe
from scripts import report
from tests.experiments.claims.recorded import recorded_rows

LARGEST = 5 * 2**20  # bytes of the page


@pytest.fixture
def folder(tmp_path):
    """The records of two runs, of which all the rest are missing."""
    for name in ("exact_theory", "nonlinearities"):
        shutil.copytree(REFERENCE / name, tmp_path / name)
    return tmp_path


@pytest.fixture(autouse=True)
def without_places(monkeypatch):
    """Lay no figure out to see where its maps are, which takes most of a page's time: test_figures.py does."""
    monkeypatch.setattr(figures, "_maps", lambda _: ())


def told(folder, name="exact_theory"):
    return section(folder, name, command(name))


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


BROKEN = (
    ("file", "content", "message"),
    [
        ("result.json", None, "its record is missing: exact_theory/result.json"),
        ("result.json", b"{", "exact_theory/result.json is damaged"),
        ("result.json", b'{"config": {}}', "exact_theory/result.json does not fit its experiment"),
        ("arrays.npz", None, "exact_theory/arrays.npz is missing"),
        ("arrays.npz", b"PK", "exact_theory/arrays.npz is damaged"),
        ("environment.json", None, "exact_theory/environment.json is missing"),
        ("environment.json", b"{", "exact_theory/environment.json is damaged"),
        ("exact_theory.png", None, "exact_theory/exact_theory.png is missing"),
        ("exact_theory.png", b"\x89PNG", "exact_theory/exact_theory.png is damaged"),
    ],
)


def damage(folder, file, content):
    path = folder / "exact_theory" / file
    path.unlink() if content is None else path.write_bytes(content)


@pytest.mark.parametrize(*BROKEN)
def test_what_is_missing_or_damaged_is_named(folder, file, content, message):
    damage(folder, file, content)
    one = told(folder)
    problems = [*one.problems, *(picture.problem for picture in one.pictures)]
    assert any(problem.startswith(message) for problem in problems)
    assert not one.complete


@pytest.mark.parametrize(
    BROKEN[0], [pytest.param(*one, marks=[pytest.mark.slow] * (one not in BROKEN[1][1::6])) for one in BROKEN[1]]
)
def test_what_is_missing_or_damaged_is_shown(folder, file, content, message):
    damage(folder, file, content)
    page = render(folder)
    assert message in page
    assert '<article id="exact_theory" class="incomplete"' in page


def test_a_truncated_figure_is_damaged(folder):
    path = folder / "exact_theory" / "exact_theory.png"
    path.write_bytes(path.read_bytes()[:5000])
    assert "is damaged" in told(folder).pictures[0].problem


def test_a_damaged_study_is_named(folder):
    (folder / "center_low_init").mkdir()
    (folder / "center_low_init" / "result.json").write_text("{")
    assert "center_low_init/result.json is damaged" in told(folder, "center_low_init").problems[0]
    problems = {claim.row.id: claim.problem for claim in claim_rows(folder)}
    assert "center_low_init/result.json is damaged" in problems["I2"]


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


def test_every_claim_has_its_row_whatever_is_missing(folder, tmp_path):
    (folder / "nonlinearities" / "result.json").write_text("{")
    by_id = {claim.row.id: claim for claim in claim_rows(folder)}
    assert list(by_id) == [row.id for row in recorded_rows()]
    assert by_id["T1"].problem == ""
    assert "nonlinearities/result.json is damaged" in by_id["F1b"].problem
    assert by_id["R3"].problem == "no record of attention, attention_mean_square"
    assert [len(claim.row.parts) for claim in claim_rows(tmp_path / "nothing")] == [0] * len(by_id)


def test_a_damaged_record_is_not_called_unmeasured(folder):
    (folder / "nonlinearities" / "result.json").write_text("{")
    row = re.search(r'<tr id="claim-F1b">.*?</tr>', render(folder), re.DOTALL)
    assert row
    assert '<span class="verdict damaged">record damaged</span>' in row[0]
    assert "not measured" not in row[0]


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


def environment(**others):
    values = json.loads((REFERENCE / "exact_theory" / "environment.json").read_text())
    return Environment(**values | others)


DOUBTFUL = [
    ({"dirty": True}, "dirty tree"),
    ({"commit": None, "dirty": None}, "the code is unknown"),
    ({"earlier_commits": ("abc",)}, "the earlier: abc"),
    ({"versions": {"torch": "2.0.0"}}, "measured with torch 2.0.0; pinned is "),
]


@pytest.mark.parametrize(("others", "warning"), DOUBTFUL)
def test_a_doubtful_origin_is_told(others, warning):
    assert [*provenance.warnings(environment())] == []
    (said,) = provenance.warnings(environment(**others))
    assert warning in said


@pytest.mark.parametrize(
    ("others", "warning"), [DOUBTFUL[0], *(pytest.param(*one, marks=pytest.mark.slow) for one in DOUBTFUL[1:])]
)
def test_records_of_doubtful_origin_are_marked(folder, others, warning):
    path = folder / "exact_theory" / "environment.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | others))
    page = render(folder)
    assert warning in page
    assert page.count("exact_theory</a> (see note)") == 4  # the claims T1, T2, T4 and R1
    assert "nonlinearities</a> (see note)" not in page
    assert read_environment(path.parent).dirty is others.get("dirty", False)


def test_maps_are_packed_with_contour_box_and_theory():
    result = read_record(REFERENCE / "exact_theory", Result)
    packed = maps.packed(result)
    assert packed
    random, relu, exact = packed.maps
    assert [one.key for one in packed.maps] == ["random", "relu", "theory"]
    assert [one.name for one in packed.maps] == ["random", "relu", "theory"]
    assert (random.rows, random.columns, relu.first, exact.first) == (21, 21, 441, 882)
    assert random.box == (0, 21, 0, 21)
    assert (random.beside, exact.beside) == ("theory", None)
    assert exact.peak == result.arrays["theory"].max()
    assert exact.contour
    # Variance 2 n / 3 along each axis at depth 10; the contour is at 2.486 sigma.
    assert exact.contour.radii == pytest.approx((2.486 * np.sqrt(20 / 3),) * 2, rel=0.02)
    assert (exact.contour.row, exact.contour.column) == (10, 10)


def test_the_maps_of_a_study_of_starts_can_be_looked_into():
    one = told(REFERENCE, "camvid_starts")
    assert one.maps
    pairs = {shown.key: shown.beside for shown in one.maps.maps}
    assert len(pairs) == 8
    assert all(key.split("/")[0] != beside.split("/")[0] for key, beside in pairs.items())
    assert all(key.split("/")[1] == beside.split("/")[1] for key, beside in pairs.items())
    assert "does not hold the TRF" in one.maps.maps[0].note
    names = {shown.key: shown.name for shown in one.maps.maps}
    assert names["before/small_gain-0.16-0.05"] == "before training: small gain 0.16, learning rate 0.05"


def test_maps_have_readable_names_also_those_of_theory():
    one = told(REFERENCE, "gaussian_shape")
    assert one.maps
    names = {shown.key: shown.name for shown in one.maps.maps}
    assert names["map/relu/5"] == "random weights and ReLU, 5 layers"
    assert names["theory/relu/5" if "theory/relu/5" in names else "theory/random/5"].startswith(
        "theory, random weights"
    )
    other = told(REFERENCE, "expected_maps")
    assert other.maps
    assert {shown.key: shown.name for shown in other.maps.maps}["map/mobilenet_v2"] == "mobilenet v2"


def test_maps_before_and_after_a_training_stand_beside_each_other():
    one = told(REFERENCE, "cifar10")
    assert one.maps
    assert {shown.key: shown.beside for shown in one.maps.maps} == {"before": "after", "after": "before"}
    assert "of one training" in one.caption
    first, second = ({*re.split(r"(?<=\.) ", picture.caption)} for picture in one.pictures)
    assert not first & second  # what both captions say stands once
    assert any("leaves the image" in sentence for sentence in first)
    assert any(sentence.startswith("Each layer's middle unit") for sentence in second)


def test_a_study_shows_the_maps_of_all_its_runs():
    result = read_record(REFERENCE / "growth_controls", growth_controls.Result)
    one = told(REFERENCE, "growth_controls")
    assert one.maps
    assert {shown.key: shown.beside for shown in one.maps.maps} == {
        f"{arm}/{probe}/{moment}": f"{arm}/{probe}/{other}"
        for arm in result.config.arms
        for probe in Probe
        for moment, other in (("before", "after"), ("after", "before"))
    }


def test_a_run_of_some_arms_is_told_of_in_the_words_of_the_study():
    one = told(REFERENCE, "growth_controls_wide")
    assert one.caption == (
        "3 trainings, 3 of each arm (seed 0), at width 16; statistic mean_abs over 128 images; intervals are 95 %, "
        "those of growth t over trainings."
    )


def test_packed_values_are_right_to_four_per_mille():
    result = read_record(REFERENCE / "exact_theory", Result)
    packed = maps.packed(result)
    assert packed
    high, low = np.frombuffer(zlib.decompress(base64.b64decode(packed.values)), np.uint8).reshape(2, -1)
    bits = (high.astype(np.uint16) << 8 | low) << SPARED
    values = bits.view(np.float16)[packed.maps[1].first :][: 21 * 21].reshape(21, 21)
    relu = result.arrays["relu"] / result.arrays["relu"].max()
    assert values.max() == 1
    np.testing.assert_allclose(values, relu, rtol=4.5e-3, atol=3e-7)


def test_the_box_in_an_image_is_the_blocks_own():
    one = told(REFERENCE, "attention")
    assert one.maps
    by_key = {shown.key: shown for shown in one.maps.maps}
    assert by_key["map/none"].box == (14, 35, 14, 35)
    assert by_key["map/residual"].box == (4, 45, 4, 45)
    assert by_key["map/self_attention"].box is None
    assert "infinite" in by_key["map/self_attention"].note


def test_the_command_writes_the_report(folder, capsys):
    assert report.main([str(folder)]) == 0
    assert "report.html" in capsys.readouterr().out
    assert (folder / "report.html").read_text() == render(folder)
    assert report.main([str(folder / "typo")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_the_pictures_at_the_top_say_what_they_show():
    shape = load("gaussian_shape")
    first = maps.largest(read_record(REFERENCE / "gaussian_shape", shape.Result))
    assert [*first] == ["uniform weights, 40 layers", "random weights, 40 layers", "random weights and ReLU, 40 layers"]
    others = maps.largest(read_record(REFERENCE / "nonlinearities", load("nonlinearities").Result))
    assert "leaky relu" in others
