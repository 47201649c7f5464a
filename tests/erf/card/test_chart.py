"""Where the chart puts sizes: the same size lies as high in each of its parts."""

import re
from math import inf

import pytest

from erf.card.chart import BOTTOM, HEIGHT, TOP, Size, chart


def points(path):
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", path)]


def test_a_size_lies_as_high_as_a_tick_the_input_and_a_mark_of_its_value():
    drawn = chart([20, 50, 200], [20, 50, 200], [Size(4, 1, 20, (10, 50))], 200)
    (_, first), (x, second), (_, third) = points(drawn.field)
    ticks = {text: y for y, text in drawn.ticks}
    assert (first, second, third) == (ticks["20"], ticks["50"], ticks["200"])
    assert drawn.input_y == third
    (mark,) = drawn.marks
    assert (mark.number, mark.x, mark.y, mark.low, mark.high) == (4, x, ticks["20"], ticks["10"], ticks["50"])
    assert all(TOP < y <= HEIGHT - BOTTOM for y in ticks.values())


def test_equal_factors_are_equal_heights():
    drawn = chart([1], [1], [], 1000)
    ticks = {text: y for y, text in drawn.ticks}
    assert ticks["1"] - ticks["10"] == pytest.approx(ticks["100"] - ticks["1000"], abs=0.11)
    assert ticks["1"] > ticks["10"]


def test_the_line_breaks_where_a_field_is_infinite_and_one_alone_is_a_dot():
    drawn = chart([3, inf, 5, 9], [3, 3, 5, 9], [], 32)
    assert re.sub(r"[\d. ]+", "", drawn.field) == "MhMhL"
    assert re.sub(r"[\d. ]+", "", drawn.local) == "MhLLL"


def test_sizes_below_a_pixel_and_ranges_of_many_powers_have_few_ticks():
    drawn = chart([1], [1], [Size(1, 0, 0.0, None)], 1e6)
    assert [text for _, text in drawn.ticks] == ["1", "10", "100", "1000", "10000", "100000", "1e+06"]
