"""Each panel of a figure, alone and as wide as a column of a paper."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from experiments.harness import figure_columns
from experiments.harness.figure_columns import write_columns
from experiments.harness.style import COLUMN, PAGE, entitle, map_colour_bar, new_figure, show_map

DPI = 160


@pytest.fixture
def figure():
    """Return a figure with all that a panel may leave to others: labels, a heading, a legend, a colour bar."""
    figure = new_figure(PAGE, 5)
    curves, maps = figure.subfigures(2, 1)
    curves.suptitle("of two kinds")
    left, right = curves.subplots(1, 2, sharey=True)
    for axes in (left, right):
        axes.plot([0, 1], [0, 1], "o-", label="a curve with a long name")
        axes.plot([0, 1], [1, 0], "s-", label="another one, whose name is longer")
        axes.set_xlabel("depth")
    left.set_xticks([0, 1])
    left.set_yticks([0, 1])  # a tick beyond the ends would have a text that is not drawn
    left.set_ylabel("size (pixels)")
    left.set_title("a title that is much wider than one column of a paper, so that its ends would be cut off")
    right.set_xticks(np.linspace(0, 1, 20), [f"layer {number}" for number in range(20)], rotation=45, ha="right")
    curves.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    panels = maps.subplots(2, 2)
    for number, axes in enumerate(panels.flat):
        show_map(axes, np.eye(9) * number)
        axes.set_xticks([])
        axes.set_yticks([])
    panels[0, 0].set_title("before")
    panels[1, 0].set_ylabel("fresh")
    map_colour_bar(maps, list(panels.flat))
    entitle(figure, "The message", "The caption.")
    return figure


def seen(figure, part):
    """Return the texts that a part of a figure shows, and where, in pixels."""
    figure.draw_without_rendering()
    shown = figure.findobj(lambda one: isinstance(one, Text) and bool(one.get_text()) and _visible(one, figure))
    box = part.transformed(figure.dpi_scale_trans)
    boxes = {one.get_text(): one.get_window_extent() for one in shown}
    return {text: where for text, where in boxes.items() if box.overlaps(where)}


def _visible(text, figure):
    parts = {id(child): part for part in figure.findobj() for child in part.get_children()}
    while text.get_visible() and text is not figure:
        text = parts[id(text)]
    return text is figure


def test_every_panel_is_as_wide_as_a_column_and_nothing_is_cut_off(figure, tmp_path):
    written = write_columns(tmp_path / "x", figure)
    assert [path.name for path in written] == [f"x_column_{number}" for number in range(1, 7)]
    for path in written:
        assert all(path.with_name(f"{path.name}.{ending}").exists() for ending in ("svg", "pdf"))
        with Image.open(f"{path}.png") as picture:
            assert picture.width == pytest.approx(COLUMN * DPI, abs=1)
            assert picture.height < 4 * DPI
            assert picture.info["Description"] == "The caption."
            ink = np.asarray(picture.convert("L")) < 250
        assert ink.mean() > 0.02
        assert not ink[[0, -1]].any()
        assert not ink[:, [0, -1]].any()


def test_a_panel_has_all_words_that_it_needs_and_no_others(figure, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(figure_columns, "write_figure", lambda _, drawn, part: shown.append(seen(drawn, part)))
    write_columns(tmp_path / "x", figure)
    names = ["a curve with a long name", "another one, whose name is longer"]
    for words, title, labels in (
        (shown[0], "a title that is much wider than one column", ["depth", "size (pixels)", *names]),
        (shown[1], "of two kinds", ["depth", "size (pixels)", "layer 0", "layer 19", *names]),
        (shown[2], "before", ["influence / peak", "1.0"]),
        (shown[4], "before", ["fresh", "influence / peak"]),
    ):
        assert any(title in text.replace("\n", " ") for text in words)
        assert {*labels} <= {*words}
        assert "The message" not in words
    assert "fresh" not in shown[2]
    assert "influence / peak" not in shown[0]
    for words in shown:
        for one, other in combinations(words, 2):
            assert not words[one].padded(-1).overlaps(words[other].padded(-1)), (one, other)
