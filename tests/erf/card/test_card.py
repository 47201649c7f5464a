"""The page of a measured network."""

import html
import math
import re
import time
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from torch import nn

import erf
from erf.card import card
from erf.card.table import columns
from tests.erf.card.cards import convolutions, layer_of, measured, page_of, small, worst

LARGEST = 10**6  # bytes of a page of eight layers
ALERT = "<script>alert(1)</script>"


class Tags(HTMLParser):
    """Collects a page's tags and all that it refers to."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.targets = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.targets += [value for name, value in attrs if name in ("src", "href", "srcset", "action")]


def text_of(page):
    """Return a page's text as it is read, without styles and scripts."""
    return " ".join(re.sub(r"<[^>]*>", " ", re.sub(r"(?s)<(style|script)[ >].*?</\1>", "", page)).split())


def test_it_shows_the_numbers_of_each_layer():
    network = small()
    page = page_of(network)
    for layer in network.layers:
        (row,) = re.findall(rf'<tr><th scope="row"><span class="number">\d</span> {layer.name}</th>.*?</tr>', page)
        cells = re.findall(r"<td[^>]*>([^<]*)</td>", row)
        low, high = layer.interval
        assert cells[:4] == [
            f"{layer.field.size[0]:.0f}",
            f"{layer.erf_size:.1f} ({low:.1f} to {high:.1f})",
            f"{layer.ratio:.2f}",
            f"{layer.raw_size:.1f}",
        ]
    assert "4 images" not in page
    assert network.images in page


def test_the_box_of_each_field_is_drawn_where_it_lies():
    network = small()
    drawn = re.findall(r'<rect class="trf" x="(-?\d+)" y="(-?\d+)" width="(\d+)" height="(\d+)"/>', page_of(network))
    boxes = [layer.field.box for layer in network.layers]
    assert [tuple(map(int, box)) for box in drawn] == [
        (left, top, right - left, bottom - top) for (top, bottom), (left, right) in boxes
    ]
    assert boxes[0][0] != boxes[0][1]


def test_it_says_how_to_make_it_again():
    page = html.unescape(page_of(small()))
    assert (
        "m = erf.measure(network, input_size=(32, 40), samples=4, layers=['1', '3', '5'], "
        "statistic='mean_abs', aggregation='random_sign', seed=0, mode='eval')"
    ) in page
    assert "erf resnet18 --card card.html" in page_of(small(), "erf resnet18 --card card.html")
    on_images = html.unescape(page_of(replace(small(), example=np.zeros((1, 32, 40)))))
    assert "m = erf.measure(network, images, layers=" in on_images


def test_it_loads_nothing_and_refers_to_nothing_outside_of_itself():
    image = np.random.default_rng(0).uniform(size=(3, 32, 40))
    page = page_of(replace(small(), example=image))
    assert all(target.startswith(("data:", "#")) for target in Tags(page).targets)
    assert not re.search(r"@import|url\((?!#|data:)|https?://(?!www\.w3\.org)", page)


def test_what_a_user_has_named_is_shown_and_does_nothing():
    network = convolutions(nn.Conv2d)
    network.add_module(ALERT, nn.Conv2d(4, 4, 3))
    plain = measured(network, (1, 32, 32), ["3", ALERT])
    named = replace(plain, network=ALERT, images=f"4 of {ALERT}")
    noted = replace(named, layers=[replace(layer, notes=(ALERT,)) for layer in named.layers])
    page = page_of(noted, f"erf {ALERT}")
    ordinary = replace(plain, layers=[replace(layer, name=f"a{at}") for at, layer in enumerate(plain.layers)])
    assert Tags(page).tags.count("script") == Tags(page_of(ordinary)).tags.count("script")
    assert ALERT not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") > 10


def test_eight_layers_are_under_a_megabyte_and_a_second():
    network = worst()
    began = time.process_time()
    page = page_of(network)
    assert time.process_time() - began < 1
    assert len(page.encode()) < LARGEST
    assert page.count('"block":2') == 8


def test_a_measurement_is_saved_as_its_page_whole_or_not_at_all(tmp_path, monkeypatch):
    network = convolutions(nn.Conv2d)
    measurement = erf.measure(network, torch.rand(4, 1, 32, 40), layers=["1", "5"])
    path = measurement.save(tmp_path / "card.html")
    before = path.read_text()
    assert before == card.card_page(measurement.layers, measurement.setting)
    assert f"{measurement['5'].erf_size:.1f} (" in before
    assert 'id="photo"' in before
    monkeypatch.setattr(card, "rendered", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        measurement.save(path, overwrite=True)
    assert path.read_text() == before
    assert [file.name for file in tmp_path.iterdir()] == ["card.html"]


def test_the_call_on_the_card_of_noise_measures_the_same():
    network = convolutions(nn.Conv2d)
    first = erf.measure(
        network, input_size=32, layers=["1", "5"], samples=3, statistic="rms", aggregation="sum", seed=7
    )
    call = html.unescape(card.card_page(first.layers, first.setting)).partition("m = ")[2].partition("\n")[0]
    again = eval(call, {"erf": erf, "network": network})
    assert (again["5"].map.values == first["5"].map.values).all()


def test_the_call_on_a_card_with_theory_asks_for_theory_too():
    network = convolutions(nn.Conv2d)
    measured = erf.measure(network, input_size=32, layers=["1"], samples=1, theory=True)
    call = html.unescape(card.card_page(measured.layers, measured.setting)).partition("m = ")[2].partition("\n")[0]
    again = eval(call, {"erf": erf, "network": network})
    assert again["1"].expected.erf_size == measured["1"].expected.erf_size
    without = erf.measure(network, input_size=32, layers=["1"], samples=1)
    assert "theory" not in card.card_page(without.layers, without.setting).partition("m = ")[2]


def test_the_card_of_noise_has_no_photo(tmp_path):
    measurement = erf.measure(convolutions(nn.Conv2d), input_size=32, layers=["1"])
    assert 'id="photo"' not in measurement.save(tmp_path / "card.html").read_text()


def test_signals_have_curves_and_no_inspector():
    network = measured(convolutions(nn.Conv1d), (1, 64), ["1", "5"])
    page = page_of(network)
    assert 'class="maps curves"' in page
    assert page.count('<path class="line" d="M') == 2
    assert 'class="inspector"' not in page
    assert f"TRF 7, ERF {network.layers[-1].erf_size:.0f} samples" in page


def test_videos_are_summed_over_frames():
    page = page_of(measured(convolutions(nn.Conv3d), (1, 8, 24, 32), ["1", "5"]))
    assert "summed over frames" in page
    assert page.count('viewBox="0 0 32 24"') == 2
    assert "8 x 24 x 32 pixels" in page


def test_a_field_that_spans_the_image_stands_beside_its_local_one():
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4), nn.Conv2d(4, 4, 3))
    page = page_of(measured(network, (1, 24, 24), ["0", "2"]))
    assert re.findall(r'<td data-label="(?:local )?TRF">(\w+)</td>', page) == ["3", "3", "inf", "5"]
    (box,) = re.findall(r'<rect class="local" x="(\d+)" y="(\d+)" width="(\d+)" height="(\d+)"/>', page)
    assert box[2:] == ("5", "5")
    assert page.count('<rect class="trf"') == 1
    assert "All pixels can reach a unit of 2" in page
    assert "local TRF" not in [column.title for column in columns(small().layers)]


def test_a_dead_unit_is_no_error():
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    nn.init.constant_(network[0].bias, -99)
    page = page_of(measured(network, (1, 16, 16), ["1"]))
    assert "9 x" not in page
    assert "3 x 3 pixels can reach a unit of 1, but none has an influence on it." in page
    assert "the unit is dead" in page


@pytest.mark.parametrize("side", [1, 2])
def test_the_smallest_images_have_a_page(side):
    page = page_of(measured(nn.Sequential(nn.Conv2d(1, 2, 1)), (1, side, side), ["0"]))
    assert 'class="inspector"' not in page
    assert "Make it again" in page


def test_an_image_of_the_users_is_shown_over_its_whole_range():
    image = np.linspace(-2, 3, 32 * 40).reshape(1, 32, 40)
    page = page_of(replace(small(), example=image))
    assert page.count('id="photo"') == 1
    assert page.count('href="#photo"') == 5  # of three layers, the first of which holds it
    assert "Noise compares" not in text_of(page)
    assert 'id="photo"' not in page_of(small())


def test_maps_of_a_constant_image_are_no_error():
    assert 'id="photo"' in page_of(replace(small(), example=np.zeros((1, 32, 40))))


def test_the_page_of_a_network_is_the_same_each_time():
    torch.manual_seed(3)
    assert page_of(small()) == page_of(small())


def test_a_cut_erf_is_a_bound_and_asks_for_a_larger_image():
    field = erf.theoretical_receptive_field(nn.Conv2d(1, 1, 63, padding=31), (32, 32))
    imap = erf.InfluenceMap(np.ones((32, 32)), "mean_abs", field.center, field.box, 4)
    page = text_of(page_of(replace(small(), layers=[layer_of("wide", field, imap)])))
    assert f"≥ {32 / 63:.2f}" in page
    assert f"at least {100 * 32 / 63:.0f} %" in page
    assert "Measure on larger ones, for example 64 x 64." in page
    assert math.isclose(layer_of("wide", field, imap).erf_size, 32)
