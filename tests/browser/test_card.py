"""The card of a network in a real browser."""

from dataclasses import replace

import numpy as np
import pytest
from torch import nn

from tests.browser.pages import PHONE, WIDE, opened, screenshot
from tests.erf.card.cards import convolutions, measured, page_of, small

LONG = "a_long_name_" * 6
# Each screen and scheme once, and an inspector, as well as a layer's name that is hard to fit.
QUICK = {("plain", "light"), ("spanning", "dark")}


@pytest.fixture(scope="module")
def cards(tmp_path_factory):
    """Write a card each of a plain network on an image, of one that spans the image, of a signal's and a video's."""
    folder = tmp_path_factory.mktemp("cards")
    spanning = nn.Sequential(nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4), nn.Conv2d(4, 4, 3))
    spanning.add_module(LONG, nn.Conv2d(4, 4, 3))
    networks = {
        "plain": replace(small(), example=np.random.default_rng(0).uniform(size=(3, 32, 40))),
        "spanning": measured(spanning, (1, 24, 24), ["0", "2", LONG]),
        "signal": measured(convolutions(nn.Conv1d), (1, 64), ["1", "5"]),
        "video": measured(convolutions(nn.Conv3d), (1, 8, 24, 32), ["1", "5"]),
    }
    paths = {name: folder / f"{name}.html" for name in networks}
    for name, path in paths.items():
        path.write_text(page_of(networks[name]))
    return paths


@pytest.mark.parametrize(
    ("viewport", "scheme", "name"),
    [
        pytest.param(*screen, name, id=f"{name}-{scheme}", marks=() if (name, scheme) in QUICK else pytest.mark.slow)
        for name in ("plain", "spanning", "signal", "video")
        for screen in ((WIDE, "light"), (PHONE, "dark"))
        for scheme in screen[1:]
    ],
)
def test_it_opens_clean_and_nothing_is_cut(browser, cards, name, scheme, viewport):
    page = opened(browser, cards[name], viewport, scheme)
    if page.locator(".inspector").count():
        page.locator(".inspector").scroll_into_view_if_needed()
        page.wait_for_selector(".inspector[data-ready=true]")
    assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
    cut = page.evaluate(
        "[...document.querySelectorAll('tbody th, td, p, pre, figcaption, li, h1')]"
        ".filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.textContent)"
    )
    assert cut == []
    assert page.locator(".maps svg").first.bounding_box()["height"] > 90
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 19, 24)"
    assert dark is (scheme == "dark")
    screenshot(page, f"card-{name}-{viewport['width']}-{scheme}")
    assert page.said == []
    page.close()


def test_without_scripts_all_is_there_but_the_inspector_which_says_so(browser, cards):
    page = opened(browser, cards["plain"], scripts=False)
    for heading in ("Layers", "Field and ERF against depth", "Maps", "On one of your images", "What to try"):
        assert page.get_by_role("heading", name=heading, exact=True).is_visible()
    assert page.locator("#maps image").count() == 3
    assert page.locator(".inspector canvas").first.is_hidden()
    assert "needs JavaScript" in page.locator(".inspector noscript").text_content()
    page.close()


def test_a_reader_of_the_keyboard_alone_looks_into_a_map(browser, cards):
    page = opened(browser, cards["plain"])
    page.locator(".inspector").scroll_into_view_if_needed()
    page.wait_for_selector(".inspector[data-ready=true]")
    page.locator("select.which").focus()
    for _ in range(9):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.className") == "map":
            break
    page.keyboard.press("ArrowRight")
    assert page.locator(".readout").inner_text().startswith("row 16, column 21: ")
    assert page.said == []
    page.close()


def test_on_paper_it_has_all_but_the_inspector(browser, cards):
    page = opened(browser, cards["plain"])
    page.emulate_media(media="print")
    assert page.locator(".inspector").is_hidden()
    page.set_viewport_size({"width": 718, "height": 1000})  # of A4 within its margins
    assert page.locator("table.layers thead").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 718
    assert page.locator("#maps svg").first.is_visible()
    for swatch in page.locator(".key span").all():  # which are backgrounds, and would be left out
        assert swatch.evaluate("one => getComputedStyle(one).printColorAdjust") == "exact"
    page.close()


def test_the_image_is_bright_where_the_map_is(browser, cards):
    page = opened(browser, cards["plain"])
    picture = page.locator("#image svg").last
    picture.scroll_into_view_if_needed()
    shot = picture.screenshot()
    pixels = page.evaluate(
        """async bytes => {
          const bitmap = await createImageBitmap(new Blob([Uint8Array.from(bytes)]));
          const pen = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
          pen.drawImage(bitmap, 0, 0);
          const mean = (x, y) => {
            const {data} = pen.getImageData(x * bitmap.width - 5, y * bitmap.height - 5, 10, 10);
            return data.reduce((sum, value, at) => sum + (at % 4 < 3 ? value : 0), 0) / data.length;
          };
          return [mean(.51, .51), mean(.1, .1)];
        }""",
        list(shot),
    )
    middle, corner = pixels
    assert middle > 2 * corner > 0
    page.close()
