"""The site of docs/ builds without a warning, holds what it promises and loads nothing from elsewhere."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner
from mkdocs.__main__ import cli

from experiments.claims import Verdict, own_rows, rows
from experiments.harness.about import about
from experiments.harness.experiment import experiment_names
from scripts.docs_site import experiment_pages, labelled, notebook_page, wrapping
from tests.browser.pages import PHONE, WIDE, screenshot
from tests.test_public import PUBLIC

ROOT = Path(__file__).parents[2]
WRAPPED = ".md-typeset__scrollwrap, code[data-wraps]"


class Page(HTMLParser):
    """The words of a page, by the tag they stand in, and what its tags refer to."""

    def __init__(self, path):
        super().__init__()
        self.words, self.loaded, self.linked, self.paragraphs, self.cells = [], [], [], [], []
        self._in = []
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self._in.append(tag)
        if tag == "p":
            self.paragraphs.append("")
        if tag == "td":
            self.cells.append(attributes.get("data-label"))
        if tag == "a":
            self.linked.append(attributes.get("href", ""))
        elif tag in ("script", "img", "link", "iframe") and attributes.get("rel") != "canonical":
            self.loaded.append(attributes.get("src") or attributes.get("href") or "")

    def handle_endtag(self, tag):
        while self._in and self._in.pop() != tag:
            pass

    def handle_data(self, data):
        self.words.append(data)
        if self._in and self._in[-1] == "p":
            self.paragraphs[-1] += data


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        # The theme advertises its successor at each start, which is no warning about these pages.
        patch.setenv("NO_MKDOCS_2_WARNING", "1")
        built = CliRunner().invoke(cli, ["build", "--strict", "--site-dir", str(folder)])
    assert built.exit_code == 0, built.output
    assert not re.search("warn|error|deprecat", built.output, re.IGNORECASE), built.output
    return folder


@pytest.fixture(scope="module")
def pages(site):
    return {path.parent.relative_to(site).as_posix(): Page(path) for path in site.rglob("index.html")}


@pytest.mark.parametrize("name", experiment_names())
def test_each_experiment_has_a_page_in_the_navigation_and_in_the_overview(name, pages):
    (page,) = [page for title, page in experiment_pages().items() if name in title.split(", ")]
    assert pages["experiments"].linked.count(f"{page.stem}/") >= 2
    assert about(name).question in pages["experiments"].words


def test_each_series_of_each_experiment_is_in_the_table_of_tags(pages):
    tags = [one.tag for name in experiment_names() for one in about(name).series]
    assert [word for word in pages["tags"].words if word in tags] == tags


def test_the_reference_shows_docstrings_without_their_markup(pages):
    """The names are all there: tests/docs/test_reference.py."""
    reference = {name: " ".join(page.words) for name, page in pages.items() if name.startswith("reference/")}
    assert len(reference) == len(PUBLIC)
    assert sum(text.count("Parameters:") for text in reference.values()) > 30
    for name, text in reference.items():
        assert not re.search(r":\w+:`|\.\. \w+::|``", text), name


def test_no_page_loads_anything_from_elsewhere(pages):
    assert len(pages) > 25
    for page in pages.values():
        assert not [source for source in page.loaded if re.match("(https?:)?//", source)]


def test_what_pages_load_and_link_to_is_in_the_site(site, pages):
    for name, page in pages.items():
        for target in page.loaded + page.linked:
            path = target.partition("#")[0].partition("?")[0]
            if path and not re.match("https?:|data:", path):
                assert (site / name / path).exists(), f"{name}: {target}"


def test_lists_are_lists(pages):
    """Without an empty line before it a list would be part of a paragraph here, but not on the repository's page."""
    for name, page in pages.items():
        assert not [text for text in page.paragraphs if re.search(r"\n(- |\|)", text)], name


def test_the_page_of_claims_shows_all_of_them(pages):
    ids = [row.id for row in rows()]
    words = [word.strip() for word in pages["claims"].words]
    assert [word for word in words if word in ids][: len(ids)] == ids  # notes below name some again
    reproduced = [row for row in (*rows(), *own_rows()) if row.verdict is Verdict.reproduced]
    assert words.count("reproduced") == len(reproduced) > 5


def test_a_notebook_becomes_a_page():
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "text"]},
        {"cell_type": "code", "source": ["print(1)"], "outputs": [{"output_type": "stream", "text": ["1\n"]}]},
        {"cell_type": "code", "source": ["draw()"], "outputs": [{"data": {"image/png": "QUJD\n", "text/plain": "f"}}]},
    ]
    page = notebook_page({"cells": cells})
    assert page.startswith(
        "# Title\ntext\n\n```python\nprint(1)\n```\n\n```text\n1\n```\n\n```python\ndraw()\n```\n\n!["
    )
    assert page.endswith("(data:image/png;base64,QUJD)\n")


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_links_of_the_repository_s_page_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / page).read_text())
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_each_cell_of_a_table_names_its_column(pages):
    table = "<thead><tr><th>a</th><th style='x'>say <em>\"b\"</em></th></tr></thead><tbody><tr><td>1</td><td></td></tr>"
    assert '<td data-label="a" data-number>1</td><td data-label="say &quot;b&quot;"></td>' in labelled(table)
    cells = {name: [cell for cell in page.cells if cell is None] for name, page in pages.items()}
    assert {name for name, bare in cells.items() if bare} == set()
    assert sum(len(page.cells) for page in pages.values()) > 1000


def test_a_card_that_begins_with_a_bare_number_is_marked():
    rows = ["<td>8</td><td>1</td>", "<td style='x'>1,000</td>", "<td>8 calls</td><td>2</td>"]
    marked = labelled(f"<tr><th>samples</th><th>b</th></tr>{''.join(f'<tr>{row}</tr>' for row in rows)}")
    assert marked.count("data-number") == 2
    assert '<td data-label="samples" data-number>8</td>' in marked


def test_on_a_phone_such_a_card_names_its_first_column(browser, site):
    page = browser.new_page(viewport=PHONE)
    page.goto((site / "measure" / "index.html").as_uri())
    names = page.locator("td[data-number]").evaluate_all(
        "all => all.map(one => getComputedStyle(one, '::before').content)"
    )
    assert names[:3] == ['"images: "'] * 3
    page.close()


def test_code_is_wrapped_unless_its_words_stand_in_columns():
    command = "<code>pip install .     <i>#</i> the library\n...     with <i>a</i>:"
    table = "<code>layer  TRF\n<b>conv</b>     3"
    pages = "<pre>{}</code></pre><p>{}</code></p>"
    assert wrapping(pages.format(table, command)) == pages.format(table, command)
    wraps = command.replace("<code", '<code data-wraps="yes"')
    assert wrapping(pages.format(command, command)) == pages.format(wraps, command)


def test_each_figure_of_an_experiment_opens_alone(site):
    for page in experiment_pages().values():
        html = (site / "experiments" / page.stem / "index.html").read_text()
        figures = re.findall(r'<img [^>]*src="([^"]+)"', html)
        assert figures or page.stem == "measure"
        assert re.findall(r'<a href="([^"]+)" [^>]+><img', html) == figures


@pytest.mark.parametrize(
    ("word", "place"),
    [("install", "install/"), ("license", "install/#license"), ("causal", "measure/"), ("tiles", "tiles/")],
)
def test_the_search_knows(word, place, site):
    """It looks for words in titles first, then in the text."""
    parts = json.loads((site / "search" / "search_index.json").read_text())["docs"]
    named = [part["location"] for part in parts if word in part["title"].lower()]
    told = [part["location"] for part in parts if word in part["text"].lower()]
    assert place in [location.partition("#")[0] if place.endswith("/") else location for location in named or told]


# Of tables, of code, of a figure, and of the reference.
SOME = ("claims", "measure", "experiments/kernels", "reference/theory")


@pytest.fixture(params=[SOME, pytest.param(None, marks=pytest.mark.slow)], ids=["some", "all"])
def names(request, pages):
    assert {*SOME} <= {*pages}
    return request.param or [*pages]


@pytest.mark.parametrize(
    "viewport", [pytest.param(WIDE, id="wide", marks=pytest.mark.slow), pytest.param(PHONE, id="phone")]
)
def test_no_page_scrolls_sideways_and_no_table_is_cut(browser, site, names, viewport):
    page = browser.new_page(viewport=viewport)
    cut = "all => all.filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.textContent.slice(0, 80))"
    for name in names:
        page.goto((site / name / "index.html").as_uri())
        screenshot(page, f"site-{name.replace('/', '-')}-{viewport['width']}")
        assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"], name
        assert page.locator(f".md-content :is(td, {WRAPPED})").evaluate_all(cut) == [], name
    page.close()
