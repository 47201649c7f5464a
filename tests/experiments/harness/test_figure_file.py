"""Files of figures, which are the same for the same figure in every process."""

import numpy as np
import pytest

from experiments.harness.figure_file import DIGITS, write_figure
from experiments.harness.style import new_figure


@pytest.fixture
def figure():
    figure = new_figure(7.3, 4.1)
    maps, curves = figure.subfigures(2, 1, height_ratios=[1, 1.7])
    image = maps.subplots(1, 3)[0].imshow(np.eye(5))
    maps.colorbar(image, ax=maps.axes, label="influence")
    for part in curves.subfigures(1, 2):
        part.subplots(2, 1, sharex=True)[0].set_ylabel("size in pixels")
    return figure


def digits_beyond(figure):
    """Return whether the place of anything in the figure has more digits than are allowed."""
    boxes = [axes.get_position(original=True) for axes in figure.axes]
    boxes += [part.bbox_relative for outer in figure.subfigs for part in (outer, *outer.subfigs)]
    return any((box.get_points() != box.get_points().round(DIGITS)).any() for box in boxes)


def test_what_a_layout_leaves_to_chance_is_in_no_file(figure, tmp_path):
    figure.draw_without_rendering()
    assert digits_beyond(figure)  # as matplotlib lays it out
    write_figure(tmp_path / "first", figure)
    assert not digits_beyond(figure)
    assert all(axes.get_in_layout() for axes in figure.axes)
