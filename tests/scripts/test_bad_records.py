"""Records that are damaged, or none: the scripts that read them say so in one line."""

import json
import shutil

import pytest

from experiments.harness.record import CHECKSUMS, ENVIRONMENT, RESULT
from experiments.harness.reference import REFERENCE
from scripts import figures, report

RECORDS = ("exact_theory", "nonlinearities")


@pytest.fixture
def folder(tmp_path):
    """Two reference records, without their figures."""
    for name in RECORDS:
        (tmp_path / name).mkdir()
        for path in (REFERENCE / name).glob("*.[jn]*"):
            shutil.copy(path, tmp_path / name)
    return tmp_path


def with_unknown_entry(record):
    """Give a record an entry as another version might write it; it then has no checksums to compare."""
    for name, change in ((RESULT, {"newer": 1}), (ENVIRONMENT, {})):
        content = json.loads((record / name).read_text()) | change
        content.pop(CHECKSUMS, None)
        (record / name).write_text(json.dumps(content))


def cut_off(name):
    return lambda record: (record / name).write_bytes((record / name).read_bytes()[:-20])


DAMAGES = {"numbers": cut_off(RESULT), "environment": cut_off(ENVIRONMENT), "arrays": cut_off("arrays.npz")}
DAMAGES["unknown"] = with_unknown_entry


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_report_of_a_damaged_record_is_written_and_says_which(damage, folder, capsys):
    DAMAGES[damage](folder / RECORDS[1])
    assert report.main([str(folder)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {folder / RECORDS[1]}/")
    assert RECORDS[1] in (folder / "report.html").read_text()


def test_the_first_of_two_damaged_records_is_named(folder, capsys):
    for name in RECORDS:
        cut_off(RESULT)(folder / name)
    assert report.main([str(folder)]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_report_of_sound_records_ends_well(folder, capsys):
    assert report.main([str(folder)]) == 0
    assert capsys.readouterr().err == ""


def test_a_folder_of_unknown_runs_is_refused_and_nothing_is_written(folder, capsys):
    for name in RECORDS:
        (folder / name).rename(folder / f"my_{name}")
    before = sorted(folder.rglob("*"))
    assert report.main([str(folder)]) == 1
    assert capsys.readouterr().err.startswith(f"error: {folder}: there is no record in it; allowed is a folder")
    assert sorted(folder.rglob("*")) == before


def test_a_record_with_an_unknown_entry_is_not_drawn(folder, capsys):
    with_unknown_entry(folder / RECORDS[0])
    assert figures.main([str(folder), "--only", RECORDS[0]]) == 1
    said = capsys.readouterr().err
    assert (
        said
        == f"error: {folder / RECORDS[0] / RESULT} does not fit its experiment: its entry 'newer' is unknown here\n"
    )
    assert not list(folder.rglob("*.p*"))
