"""Each panel of a figure, alone and as wide as a column of a paper."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from experiments.harness import figure_columns
from experiments.harness.figure_columns import write_columns
from experiments.harness.style import COLUMN, PAGE, entitle, fill, map_colour_bar, new_figure, show_map

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
    box = part.transformed(figure.dpi_scale_trans)
    boxes = {one.get_text(): one.get_window_extent() for one in _visible(figure) if isinstance(one, Text)}
    return {text: where for text, where in boxes.items() if text and box.overlaps(where)}


def _visible(part):
    """Yield a part of a figure and all that is in it, except for what is hidden, itself or with all around it."""
    if part.get_visible():
        yield part
        for child in part.get_children():
            yield from _visible(child)


def words_of_columns(figure, monkeypatch):
    """Return the texts of each panel alone, and where they are."""
    texts = []
    monkeypatch.setattr(figure_columns, "write_figure", lambda _, drawn, part: texts.append(seen(drawn, part)))
    write_columns(Path("x"), figure)
    return texts


@pytest.mark.slow
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


def test_a_panel_has_all_words_that_it_needs_and_no_others(figure, monkeypatch):
    panels = words_of_columns(figure, monkeypatch)
    names = ["a curve with a long name", "another one, whose name is longer"]
    for words, title, labels in (
        (panels[0], "a title that is much wider than one column", ["depth", "size (pixels)", *names]),
        (panels[1], "of two kinds", ["depth", "size (pixels)", "layer 0", "layer 19", *names]),
        (panels[2], "before", ["influence / peak", "1.0"]),
        (panels[4], "before", ["fresh", "influence / peak"]),
    ):
        assert any(title in text.replace("\n", " ") for text in words)
        assert {*labels} <= {*words}
        assert "The message" not in words
    assert "fresh" not in panels[2]
    assert "influence / peak" not in panels[0]
    for words in panels:
        for one, other in combinations(words, 2):
            assert not words[one].padded(-1).overlaps(words[other].padded(-1)), (one, other)


def test_a_panel_names_what_it_shows_and_nothing_else(monkeypatch):
    figure = new_figure(PAGE, 3)
    part = figure.subfigures(1, 2)[0]
    both, one, other, alone = part.subplots(2, 2).flat
    both.plot([0, 1], "o-", color="blue", label="wide")
    both.plot([1, 0], "s-", color="red", label="narrow")
    one.plot([0, 1], color="red", label="narrow")  # by its name
    other.plot([0, 1], color="blue")  # by its colour
    alone.plot([0, 1], color="black", label="theory")
    alone.legend()
    part.legend(*both.get_legend_handles_labels(), loc="outside lower center")
    below = []
    alone_as_before = figure_columns._alone
    monkeypatch.setattr(
        figure_columns, "_alone", lambda *given: (alone_as_before(*given), below.append([*figure.legends]))[0]
    )
    panels = words_of_columns(figure, monkeypatch)
    named = [{"wide", "narrow", "theory"} & {*words} for words in panels]
    assert named == [{"wide", "narrow"}, {"narrow"}, {"wide"}, {"theory"}]
    assert [len(legends) for legends in below] == [1, 1, 1, 0]  # what has a legend needs no second one


def test_what_is_named_in_the_legend_of_another_panel_of_the_row_is_named_below(monkeypatch):
    figure = new_figure(PAGE, 3)
    left, right = figure.subplots(1, 2)
    for axes in (left, right):
        axes.plot([0, 1], label="5")
        axes.plot([1, 0], label="8")
    right.legend(title="depth")
    for words in words_of_columns(figure, monkeypatch):
        assert {"5", "8", "depth"} <= {*words}


def test_the_name_of_a_part_stands_above_its_panels_in_place_of_its_long_heading(monkeypatch):
    figure = new_figure(PAGE, 3)
    part = figure.subfigures(1, 1)
    part.suptitle("CIFAR-10: a sentence with what all panels say")
    part.set_label("CIFAR-10")
    part.subplots().plot([0, 1])
    (words,) = words_of_columns(figure, monkeypatch)
    assert "CIFAR-10" in words


def test_titles_that_are_broken_for_a_narrow_panel_are_joined_again(monkeypatch):
    figure = new_figure(PAGE, 3)
    for axes, title in zip(
        figure.subplots(1, 3),
        (fill("random labels, batch norm", 9), "efficientnet_\nb0\nstem", "plain\nERF 19"),
        strict=True,
    ):
        axes.plot([0, 1])
        axes.set_title(title)
    panels = words_of_columns(figure, monkeypatch)
    assert [max(words, key=len) for words in panels] == [
        "random labels, batch norm",
        "efficientnet_b0\nstem",
        "plain\nERF 19",
    ]


def test_names_of_ticks_that_would_lie_over_each_other_go_on_more_lines(monkeypatch):
    figure = new_figure(PAGE, 3)
    axes = figure.subplots()
    axes.plot(range(5))
    axes.set_xticks(range(5), [f"random + leaky {number}" for number in range(5)])
    (words,) = words_of_columns(figure, monkeypatch)
    assert {f"random\n+\N{NO-BREAK SPACE}leaky\n{number}" for number in range(5)} <= {*words}
    for one, other in combinations(words, 2):
        assert not words[one].overlaps(words[other]), (one, other)
