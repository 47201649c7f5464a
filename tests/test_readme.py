import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"


@pytest.mark.parametrize("page", ["README.md", "docs/measure.md", "docs/tiles.md"])
def test_the_examples_of_the_page_do_what_it_says(page):
    results = doctest.testfile(str(ROOT / page), module_relative=False)
    assert results.attempted > 5
    assert results.failed == 0


def test_the_readme_opens_with_one_sentence_one_figure_and_the_two_commands():
    text = README.read_text()
    assert re.search(r"^# erf\n\n[^\n]+\n(?:[^\n]+\n)*\n!\[[^\]]+\]\([^)]+\)\n\n```\nmake run\nmake test\n```\n", text)
