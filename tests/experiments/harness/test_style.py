import numpy as np
import pytest
from matplotlib.text import Text

from experiments.harness.style import PAGE, bar_lengths, fill, joined, new_figure, show_map, ticks_within


def test_bars_reach_to_the_ends_of_intervals_and_to_values_outside_of_them():
    values, intervals = [2.0, 2.0, 2.0, 2.0], [(1.5, 3.0), (0.0, 1.0), (4.0, 5.0), None]
    assert bar_lengths(values, intervals).tolist() == [[0.5, 2.0, 0.0, 0.0], [1.0, 0.0, 3.0, 0.0]]


@pytest.mark.parametrize("side", [5, 11, 21, 33])
def test_the_ticks_of_a_map_stand_at_whole_pixels(side):
    axes = new_figure(PAGE, 3).subplots()
    show_map(axes, np.zeros((side, side)))
    for ticks in (axes.get_xticks(), axes.get_yticks()):
        assert len(ticks) > 2
        assert (ticks % 1 == 0).all()


def test_the_numbers_of_a_logarithmic_axis_do_not_lie_over_each_other():
    figure = new_figure(3.25, 2)
    axes = figure.subplots()
    axes.plot([1.8, 15], [0, 1])
    axes.set_xscale("log")
    ticks_within(axes.xaxis, [1, 2, 5, 10, 20])
    figure.draw_without_rendering()
    texts = axes.xaxis.findobj(lambda one: isinstance(one, Text) and bool(one.get_text()))
    assert {text.get_text() for text in texts} == {"2", "5", "10"}


def test_lines_that_a_narrow_panel_needs_are_joined_again_and_others_stay():
    assert joined(fill("random labels, batch norm", 9)) == "random labels, batch norm"
    assert all(len(line) <= 9 + len(" ") for line in fill("random labels, batch norm", 9).split("\n"))
    assert joined("efficientnet_\nb0\nfeatures.7") == "efficientnet_b0\nfeatures.7"
