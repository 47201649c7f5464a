"""Maps packed for the inspector."""

import base64
import json
import zlib

import numpy as np
import pytest

import erf
from erf.card.inspector import NO_CONTOUR, SPARED, Entry, contour_of, pack


def entry(key, values, **others):
    return Entry(**{"key": key, "values": values, "box": None, "note": "", "contour": None} | others)


def unpacked(packed):
    high, low = np.frombuffer(zlib.decompress(base64.b64decode(packed.values)), np.uint8).reshape(2, -1)
    return ((high.astype(np.uint16) << 8 | low) << SPARED).view(np.float16)


def test_values_are_right_to_four_per_mille_of_themselves_and_lie_one_map_after_the_other():
    generator = np.random.default_rng(0)
    maps = [generator.uniform(-3, 3, (4, 5)), generator.lognormal(-4, 2, (6, 3))]
    packed = pack([entry("a", maps[0]), entry("b", maps[1])])
    first, second = packed.maps
    assert (first.rows, first.columns, first.first) == (4, 5, 0)
    assert (second.rows, second.columns, second.first) == (6, 3, 20)
    assert second.peak == maps[1].max()
    both = unpacked(packed).astype(float)
    for values, one, expected in ((both[:20], first, maps[0]), (both[20:], second, maps[1])):
        np.testing.assert_allclose(values * one.peak, expected.ravel(), rtol=4.5e-3, atol=3e-7 * one.peak)


def test_a_map_without_a_contour_says_so_beside_what_else_is_said():
    (packed,) = pack([entry("a", np.ones((3, 3)), note="the TRF is infinite")]).maps
    assert packed.note == f"the TRF is infinite; {NO_CONTOUR}"


def test_the_json_is_read_back_and_ends_no_script():
    packed = pack([entry("</script><!--é", np.ones((3, 3)), box=(0, 3, 0, 3))])
    text = packed.json()
    assert "<" not in text
    (only,) = json.loads(text)["maps"]
    assert (only["key"], only["box"], only["contour"]) == ("</script><!--é", [0, 3, 0, 3], None)


def test_a_contour_is_the_ellipse_at_the_paper_s_threshold():
    """An anisotropic Gaussian, turned by 30 degrees from the columns towards the rows."""
    rows, columns = np.mgrid[:61, :61] - 30.0
    angle = np.radians(30)
    along, across = columns * np.cos(angle) + rows * np.sin(angle), rows * np.cos(angle) - columns * np.sin(angle)
    values = np.exp(-(along**2 / 6**2 + across**2 / 3**2) / 2)
    contour = contour_of(erf.fit_gaussian(erf.InfluenceMap(values, "rms", (30, 30), ((0, 61), (0, 61)), 1)))
    assert contour is not None
    radius = np.sqrt(-2 * np.log(1 - 0.9545))
    assert contour.radii == pytest.approx((6 * radius, 3 * radius), abs=0.01)
    assert contour.degrees % 180 == pytest.approx(30, abs=0.1)
    assert (contour.row, contour.column, contour.r_squared) == (30, 30, 1)


def test_a_poor_fit_has_no_contour():
    values = np.random.default_rng(0).uniform(0.1, 1, (9, 9))
    fit = erf.fit_gaussian(erf.InfluenceMap(values, "rms", (4, 4), ((0, 9), (0, 9)), 1))
    assert fit.r_squared < 0.5
    assert contour_of(fit) is None
    assert contour_of(None) is None
