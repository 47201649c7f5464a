"""The report in a real browser, as a reader opens it: from a file, without a network."""

import io
import re
import shutil
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image

from experiments.harness.reference import REFERENCE
from experiments.report.page import COMMANDS, write_report
from experiments.report.section import section
from scripts.report import speed
from tests.browser.pages import PHONE, WIDE, opened, screenshot

TALL = WIDE | {"height": 2000}  # a figure stands wholly below the contents, which stay in sight


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    """Return the report of the committed records, of which one is missing and one damaged."""
    folder = tmp_path_factory.mktemp("evidence")
    for name in ("exact_theory", "nonlinearities", "kernels", "attention"):
        shutil.copytree(REFERENCE / name, folder / name)
    (folder / "benchmark").mkdir()
    shutil.copy(REFERENCE / "benchmark" / "benchmark.json", folder / "benchmark")
    (folder / "sparse_connections").mkdir()
    (folder / "sparse_connections" / "result.json").write_text("{")
    return write_report(folder, speed=speed)


@pytest.fixture(scope="module")
def open_page(browser, report):
    page = opened(browser, report)
    yield page
    page.close()


@pytest.fixture
def page(open_page):
    """Return the page as the tests before have left it, as a reader does who goes on reading."""
    yield open_page
    assert open_page.said == []


def inspector(page, run: str):
    """Return the inspector of a run's maps, unpacked."""
    root = page.locator(f"#{run} .inspector")
    root.scroll_into_view_if_needed()
    page.wait_for_selector(f"#{run} .inspector[data-ready=true]")
    return root


def pixels(root) -> str:
    """Return the picture of the map as text that differs where the picture does."""
    return root.locator("canvas.map").evaluate("canvas => canvas.toDataURL()")


@pytest.mark.parametrize(
    ("viewport", "scheme"),
    [pytest.param(WIDE, "light", id="wide", marks=pytest.mark.slow), pytest.param(PHONE, "dark", id="phone")],
)
def test_the_page_opens_clean_and_fits_the_screen(browser, report, viewport, scheme):
    page = opened(browser, report, viewport, scheme)
    loaded = page.locator("img").evaluate_all("all => all.map(image => image.complete && image.naturalWidth > 100)")
    assert loaded == [True] * 4
    assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]
    for run in ("exact_theory", "nonlinearities", "kernels", "attention"):
        inspector(page, run)
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 19, 24)"
    assert dark is (scheme == "dark")
    screenshot(page, f"report-{viewport['width']}-{scheme}")
    assert page.said == []
    page.close()


def test_formulas_are_no_wider_than_a_small_phone(browser, report):
    page = opened(browser, report, PHONE | {"width": 320})
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    page.close()


def test_all_columns_of_the_speed_are_seen_on_a_phone(browser, report):
    page = opened(browser, report, PHONE)
    tables = page.locator("#speed table")
    fits = tables.evaluate_all("all => all.map(one => one.offsetWidth <= one.parentElement.clientWidth)")
    assert fits == [True, True]
    names = tables.last.locator("tbody td:first-child").all_inner_texts()
    assert "vit_b_16, encoder.layers.encoder_layer_11" in names
    page.close()


def test_every_figure_says_its_message_in_words(page):
    alternatives = page.locator("img").evaluate_all("all => all.map(image => image.alt)")
    assert len(set(alternatives)) == 4
    assert all(re.search(r"\d", text) and len(text) > 40 for text in alternatives)
    captions = page.locator("article figcaption").all_inner_texts()
    assert not set(captions) & set(alternatives)


def test_the_numbers_of_a_figure_are_tables(page):
    page.locator("#kernels summary", has_text="as tables").click()
    tables = page.locator("#kernels .numbers table")
    assert tables.count() == 4
    assert tables.first.locator("th").all_inner_texts()[0] == "profile"
    assert tables.first.locator("tbody tr").first.is_visible()


def test_in_the_dark_figures_are_dark_and_their_maps_keep_their_colours(browser, report):
    looks = {}
    for scheme in ("light", "dark"):
        page = opened(browser, report, TALL, scheme)
        image = page.locator("#kernels img")
        image.evaluate("image => { image.scrollIntoView({block: 'center'}); return image.decode(); }")
        assert image.bounding_box()["y"] > page.locator("nav").bounding_box()["height"], "the contents cover the figure"
        with Image.open(io.BytesIO(image.screenshot())) as shot:
            looks[scheme] = np.asarray(shot.convert("RGB"), int)
        page.close()
    (figure,) = section(REFERENCE, "kernels", "").pictures
    light, dark = looks["light"], looks["dark"]
    height, width, _ = light.shape
    assert light[3, 3].min() > 240
    assert dark[3, 3].max() < 40
    for box in figure.maps:
        top, left = int(box.y * height), int(box.x * width)
        bottom, right = int((box.y + box.height) * height), int((box.x + box.width) * width)
        inside = np.s_[top + 3 : bottom - 2, left + 3 : right - 2]  # without the lines around it
        assert np.ptp(light[inside]) > 200
        assert np.abs(dark[inside] - light[inside]).max() <= 2


def test_each_claim_has_a_link_in_the_contents_which_stay_in_sight(page):
    links = page.locator("nav .ids a")
    assert links.all_inner_texts() == page.locator(".claims tbody th").all_inner_texts()
    links.last.click()
    assert page.locator("nav").bounding_box()["y"] == 0
    assert links.last.is_visible()


@pytest.mark.slow
def test_on_paper_it_takes_at_most_twenty_pages(browser):
    page = opened(browser, REFERENCE / "report.html")
    printed = page.pdf(format="A4", margin=dict.fromkeys(("top", "right", "bottom", "left"), "12mm"))
    assert 5 < len(re.findall(rb"/Type\s*/Page\b", printed)) <= 20
    page.close()


def test_hovering_reads_the_pixel_under_the_pointer_and_the_arrow_keys_the_next(page):
    root = inspector(page, "kernels")
    root.locator(".which").select_option("map/lopsided")
    frame = root.locator("canvas.map").bounding_box()
    side = frame["width"] / 41
    root.locator("canvas.map").hover(position={"x": 26.5 * side, "y": 23.5 * side})
    values = {
        at: root.evaluate(f"root => root.inspector.at(root.inspector.shown, {at})") for at in ("23, 26", "23, 27")
    }
    assert 0.5 < values["23, 26"] <= 1
    assert root.locator(".readout").inner_text().startswith(f"row 23, column 26: {values['23, 26']:#.3g} of the peak")
    root.locator("canvas.map").press("ArrowRight")
    assert root.locator(".readout").inner_text().startswith(f"row 23, column 27: {values['23, 27']:#.3g} of the peak")
    assert "; theory, lopsided " in root.locator(".readout").inner_text()


def test_the_scale_has_the_colours_of_magma(page):
    bar = inspector(page, "kernels").locator(".bar")
    drawn = bar.evaluate("bar => Array.from(bar.getContext('2d').getImageData(0, 0, 256, 1).data)")
    magma = 255 * matplotlib.colormaps["magma"](np.arange(256))
    assert np.abs(np.reshape(drawn, (256, 4)) - magma).max() < 4


def test_values_arrive_as_they_are_recorded(page):
    with np.load(REFERENCE / "kernels" / "arrays.npz") as arrays:
        recorded = arrays["map/lopsided"] / arrays["map/lopsided"].max()
    root = inspector(page, "kernels")
    root.locator(".which").select_option("map/lopsided")
    values = root.evaluate("({inspector: i}) => Array.from(i.values.slice(i.shown.first, i.shown.first + 41 * 41))")
    np.testing.assert_allclose(np.reshape(values, (41, 41)), recorded, rtol=4.5e-3, atol=3e-7)


@pytest.mark.parametrize("control", ["log", "contour", "box"])
def test_each_switch_changes_the_picture_and_back(page, control):
    root = inspector(page, "kernels")
    before = pixels(root)
    root.locator(f".{control}").click()
    assert pixels(root) != before
    root.locator(f".{control}").click()
    assert pixels(root) == before


def test_the_logarithmic_scale_lifts_the_flanks_of_the_cross_section(page):
    root = inspector(page, "exact_theory")
    before = root.locator(".across .line").last.get_attribute("d")
    root.locator(".log").click()
    assert root.locator(".across .line").last.get_attribute("d") != before
    assert "1e-4" in root.locator(".low").inner_text()
    assert root.locator(".across .line.second").count() == 1


def test_before_and_after_a_training_are_compared_on_one_scale(browser):
    page = opened(browser, REFERENCE / "report.html")
    root = inspector(page, "cifar10")
    assert root.locator(".beside").input_value() == "after"
    assert "left: before, right: after" in root.locator(".captions").inner_text()

    def beside():
        picture = root.locator("canvas.twin").evaluate("canvas => canvas.toDataURL()")
        return picture, root.evaluate("({inspector: i}) => i.at(i.second(), 16, 16)")

    picture, value = beside()
    root.locator(".shared").check()
    other_picture, other_value = beside()
    with np.load(REFERENCE / "cifar10" / "arrays.npz") as arrays:
        assert other_value == pytest.approx(value * float(arrays["after"].max() / arrays["before"].max()))
    assert other_picture != picture
    assert "of the larger peak; after 0." in root.locator(".readout").inner_text()
    for part in (".unit", ".across", ".down"):
        assert "influence / larger peak" in root.locator(part).text_content()
    root.locator(".beside").select_option("nothing")
    assert root.locator("canvas.twin").is_hidden()
    assert root.locator(".shared").is_disabled()
    root.locator(".which").select_option("after")
    assert root.locator(".beside").input_value() == "before"
    assert page.said == []
    page.close()


def test_what_is_folded_opens(page):
    assert page.locator("#claim-T3 details li").first.is_hidden()
    page.locator("#claim-T3 summary").click()
    assert page.locator("#claim-T3 details li").first.is_visible()
    assert page.locator("#claim-T3 details summary").count() == 1


def test_switches_that_mean_nothing_here_are_off(page):
    root = inspector(page, "attention")
    root.locator(".which").select_option("map/self_attention")
    assert root.locator(".box").is_disabled()
    assert "the TRF is infinite" in root.locator(".note").inner_text()
    root.locator(".which").select_option("map/none")
    assert root.locator(".box").is_enabled()
    assert "TRF 21 x 21 pixels" in root.locator(".note").inner_text()


def test_links_lead_to_records_and_sections(page):
    page.locator("#claim-T3 a").click()
    assert page.url.endswith("#kernels")
    page.locator("#go").select_option("exact_theory")
    page.wait_for_url("**#exact_theory")
    links = page.locator("article .files a, nav a, .claims a").evaluate_all("all => all.map(one => one.href)")
    for link in links:
        path, _, anchor = link.removeprefix("file://").partition("#")
        assert Path(path).exists()
        assert not anchor or page.locator(f"[id='{anchor}']").count() == 1


@pytest.mark.parametrize(
    "viewport", [pytest.param(WIDE, id="wide"), pytest.param(PHONE, id="phone", marks=pytest.mark.slow)]
)
def test_a_map_is_seen_within_two_screens_and_the_contents_stay_in_sight(browser, report, viewport):
    page = opened(browser, report, viewport)
    top = page.locator(".opening image").first.evaluate("image => image.getBoundingClientRect().top")
    assert 0 < top < 2 * viewport["height"]
    page.locator("#go").select_option("claim-T3")
    page.wait_for_url("**#claim-T3")
    nav, claim = (page.locator(place).bounding_box() for place in ("nav", "#claim-T3"))
    assert nav["y"] == 0
    assert nav["height"] <= claim["y"] < viewport["height"]
    page.close()


def test_missing_and_damaged_records_are_shown_as_such(page):
    assert "its record is missing: erf_growth/result.json" in page.locator("#erf_growth .problem").inner_text()
    assert "sparse_connections/result.json is damaged" in page.locator("#sparse_connections .problem").inner_text()
    assert "sparse_connections/result.json is damaged" in page.locator("#claim-A1 .problem").inner_text()
    assert "no record of gaussian_shape" in page.locator("#claim-F1 .problem").inner_text()
    assert page.locator("article").count() == len(COMMANDS)
