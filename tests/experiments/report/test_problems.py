"""Records that are missing, damaged or of doubtful origin are named in the report and shown as such."""

import json
import re

import pytest

from experiments.harness.environment import Environment
from experiments.harness.record import read_environment
from experiments.harness.reference import REFERENCE
from experiments.report import provenance
from experiments.report.page import claim_rows, render
from tests.experiments.claims.recorded import recorded_rows
from tests.experiments.report.told import told

pytestmark = pytest.mark.usefixtures("without_places")

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
