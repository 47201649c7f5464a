"""The example of the page on cards does what it says."""

import doctest
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "card.md"


def test_the_example_makes_a_card(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    results = doctest.testfile(str(PAGE), module_relative=False)
    assert (results.attempted, results.failed) == (4, 0)
    assert "How far ResNet sees" in (tmp_path / "card.html").read_text()
