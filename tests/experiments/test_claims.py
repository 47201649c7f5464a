import shutil
from pathlib import Path

import pytest

from erf import InvalidInput
from experiments.claims import Part, Row, Verdict, rows, table
from experiments.reference import REFERENCE, RUNS, command

README = Path(__file__).parents[2] / "README.md"


def test_the_readme_shows_the_records():
    assert table() in README.read_text()


def test_every_claim_of_these_figures_has_its_row():
    assert [row.id for row in rows()] == ["F1", "F1b", "F2", "T1", "T2", "T4", "R1"]
    for row in rows():
        assert row.parts
        assert set(row.runs) <= set(RUNS)
        for run in row.runs:
            assert command(run) in row.markdown()


def test_every_link_of_the_readme_leads_somewhere():
    import re

    root = README.parent
    links = re.findall(r"\]\(([^)#]+)\)", README.read_text())
    assert links
    assert [link for link in links if not link.startswith("http") and not (root / link).exists()] == []


@pytest.mark.parametrize(
    ("held", "verdict"),
    [([True, True], Verdict.reproduced), ([True, False], Verdict.qualified), ([False], Verdict.not_reproduced)],
)
def test_verdicts(held, verdict):
    row = Row("X", "says", tuple(Part("measured", holds) for holds in held), ("erf_growth",))
    assert row.verdict is verdict
    assert row.markdown().count("**not:**") == held.count(False)


def test_a_changed_record_changes_the_table_and_a_missing_one_is_named(tmp_path):
    folder = tmp_path / "reference"
    shutil.copytree(REFERENCE, folder)
    record = folder / "exact_theory" / "result.json"
    record.write_text(record.read_text().replace('"largest_deviation": ', '"largest_deviation": 9'))
    changed = {row.id: row for row in rows(folder)}
    assert changed["T2"].verdict is Verdict.not_reproduced
    assert table(folder) != table()
    record.unlink()
    with pytest.raises(InvalidInput, match=r"exact_theory/result\.json is missing"):
        rows(folder)
