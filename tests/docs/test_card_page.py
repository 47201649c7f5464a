"""The example of the page on cards does what it says."""

import doctest
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "card.md"


def test_the_example_makes_a_card(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text()
    assert text.count("input_size=224") == 1
    smaller = text.replace("input_size=224", "input_size=64")  # which takes seconds less
    example = doctest.DocTestParser().get_doctest(smaller, {}, PAGE.name, str(PAGE), 0)
    results = doctest.DocTestRunner().run(example)
    assert (results.attempted, results.failed) == (4, 0)
    assert "How far ResNet sees" in (tmp_path / "card.html").read_text()
