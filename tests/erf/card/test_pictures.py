"""A map's picture, its outline and boxes, and the curve of a signal."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from erf import InfluenceMap
from erf.card.outline import outline
from erf.card.pictures import MOST_PIXELS, block_of, blocks, curve, flat, picture
from erf.card.png import of_shares


def test_blocks_are_means_and_the_last_may_be_smaller():
    values = np.arange(15.0).reshape(3, 5)
    assert blocks(values, 2).tolist() == [[3, 5, 6.5], [10.5, 12.5, 14]]
    assert blocks(values, 1).tolist() == values.tolist()


@pytest.mark.parametrize(("shape", "maps"), [((224, 224), 1), ((224, 224), 8), ((16, 512, 512), 4), ((9000,), 3)])
def test_all_maps_of_a_page_have_the_pixels_that_fit_into_it(shape, maps):
    block = block_of(shape, maps)
    plane = np.prod(shape[-2:])
    assert maps * plane / block**2 <= MOST_PIXELS
    assert block == 1 or maps * plane / (block - 1) ** 2 > MOST_PIXELS


def test_the_outline_and_boxes_are_those_of_the_image():
    values = np.zeros((8, 12))
    values[2:6, 4:10] = 2.0
    drawn = picture(values, values > 1, ((1, 7), (-3, 11)), ((2, 6), (4, 10)), 1)
    assert drawn.outline == outline(values > 1)
    assert (drawn.trf, drawn.local) == (((1, 7), (-3, 11)), ((2, 6), (4, 10)))
    assert drawn.source == of_shares(values / 2)
    assert (drawn.rows, drawn.columns, drawn.width, drawn.height) == (8, 12, 12, 8)


def test_blocks_that_are_half_in_the_region_are_in_it_and_the_picture_reaches_beyond_the_image():
    region = np.zeros((5, 7), bool)
    region[0:2, 0:3] = True
    drawn = picture(region.astype(float), region, None, None, 2)
    assert (drawn.width, drawn.height) == (8, 6)
    assert drawn.outline == outline(np.array([[1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]], bool))
    with Image.open(io.BytesIO(base64.b64decode(drawn.source.partition(",")[2]))) as image:
        assert image.size == (4, 3)


def test_frames_are_summed_up():
    values = np.arange(24.0).reshape(2, 3, 4)
    imap = InfluenceMap(values, "mean_abs", (0, 1, 1), ((0, 2), (0, 3), (0, 4)), 1)
    assert flat(imap).tolist() == (values[0] + values[1]).tolist()


def test_a_curve_goes_through_the_middle_of_each_sample_and_names_the_stretches_above_the_threshold():
    drawn = curve(np.array([0.0, 2, 1, 4]), np.array([False, True, False, True]), ((-2, 3),), None)
    assert drawn.path == "M0.5 100.0L1.5 50.0L2.5 75.0L3.5 0.0"
    assert drawn.erf == ((1, 2), (3, 4))
    assert (drawn.trf, drawn.local, drawn.samples) == ((-2, 3), None, 4)


def test_a_long_curve_keeps_its_peaks():
    values = np.zeros(5000)
    values[[777, 4999]] = 1
    points = re.findall(r"[ML]([\d.]+) ([\d.]+)", curve(values, None, None, None).path)
    assert len(points) == 1000
    assert [float(x) for x, height in points if height == "0.0"] == pytest.approx([777, 4999], abs=2.5)
