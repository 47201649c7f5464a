import doctest
import re
from pathlib import Path

import markdown
import pytest

from tests.browser.pages import PHONE

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"


@pytest.mark.parametrize("page", ["docs/measure.md", "docs/tiles.md"])
def test_the_examples_of_the_page_do_what_it_says(page):
    results = doctest.testfile(str(ROOT / page), module_relative=False)
    assert results.attempted > 5
    assert results.failed == 0


def test_the_readme_opens_with_a_sentence_a_picture_results_and_an_example():
    text = README.read_text()
    picture = r"!\[[^\]]+\]\([^)]+\)\n"
    results = r"<!-- results: [^\n]+\n(?:- [^\n]+\d[^\n]+\n){3}<!-- end of results -->\n"
    paragraph = r"(?:[^\n]+\n)+\n"
    opening = rf"# erf\n\n{paragraph}{picture}\n{paragraph}{paragraph}{results}\n## [^\n]+\n\n```python\n"
    assert re.match(opening, text)
    assert "```\nmake run\nmake test\n```\n" in text


def test_the_example_of_the_readme_works(tmp_path, monkeypatch, capsys):
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(example, names)
    assert "pixels can reach a unit of layer4" in capsys.readouterr().out
    assert names["measurement"]["layer3"].erf_size > 100
    assert (tmp_path / "card.html").stat().st_size > 10_000


def test_no_table_of_the_readme_is_wider_than_a_phone(browser):
    """In the margins, borders and letters that the repository's page has."""
    style = "body { margin: 17px; font: 16px sans-serif } th, td { padding: 6px 13px; border: 1px solid } "
    style += "table { display: block; width: max-content; max-width: 100%; overflow: auto; border-collapse: collapse }"
    page = browser.new_page(viewport=PHONE)
    page.set_content(f"<style>{style}</style>{markdown.markdown(README.read_text(), extensions=['tables'])}")
    widths = page.locator("table").evaluate_all("all => all.map(one => [one.scrollWidth, one.clientWidth])")
    page.close()
    assert len(widths) == 3
    assert [needed for needed, width in widths if needed > width] == []
