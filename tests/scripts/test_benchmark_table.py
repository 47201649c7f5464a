import re
from pathlib import Path

import pytest

from erf import InvalidInput
from experiments.record import Environment
from experiments.reference import REFERENCE
from scripts.benchmarks import markdown
from scripts.benchmarks.case import Case, Report
from scripts.report import BEGIN, END

README = Path(__file__).parents[2] / "README.md"


def test_a_row_says_what_its_case_does():
    environment = Environment.now("cpu")
    timed = Case.of("both", [[0.02, 0.04], [3.0, 4.0]], environment)
    alone = Case.of("ours alone", [[2.0]], environment)
    _, _, both, ours, _, machine = markdown.table(Report(environment, [timed, alone])).splitlines()
    assert both == "| both | 30 ms | 3.5 s | **117** (100 to 150) | - |"
    assert ours == "| ours alone | 2 s | - | - | - |"
    assert environment.device in machine
    assert "medians of 2 turns" in machine


def test_a_damaged_record_is_named(tmp_path):
    path = tmp_path / "benchmark.json"
    with pytest.raises(InvalidInput, match=r"benchmark.json: .*scripts/benchmark.py --output writes it"):
        markdown.read(path)
    path.write_text('{"cases": []}')
    with pytest.raises(InvalidInput, match=r"benchmark.json: .*environment"):
        markdown.read(path)


def test_the_readmes_table_is_the_records():
    block = re.search(f"{BEGIN}\n(.*?)\n{END}", README.read_text(), re.DOTALL)
    assert block
    assert block[1] == markdown.table(markdown.read(REFERENCE / "benchmark" / "benchmark.json"))
