import doctest
import re
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def test_the_examples_of_the_readme_do_what_it_says():
    results = doctest.testfile(str(README), module_relative=False)
    assert results.attempted > 5
    assert results.failed == 0


def test_the_readme_opens_with_one_sentence_one_figure_and_the_two_commands():
    text = README.read_text()
    assert re.search(r"^# erf\n\n[^\n]+\n(?:[^\n]+\n)*\n!\[[^\]]+\]\([^)]+\)\n\n```\nmake run\nmake test\n```\n", text)
