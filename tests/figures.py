"""What a figure shows, read off matplotlib's objects, to be compared with what its record says.

A figure is panels, a panel is marks: lines, points with error bars, images, boxes and so on. What is expected is
written down from the record, mark by mark; none may be missing and none too many.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection, PolyCollection
from matplotlib.colors import to_hex
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse, Patch


@dataclass(frozen=True, eq=False)
class Mark:
    """One thing in a panel: numbers by name, its label, and how it looks; a colour or face of None may be any."""

    kind: str
    numbers: dict[str, Any]
    label: str = ""
    colour: str | None = None
    hollow: bool | None = None

    def matches(self, other: Mark) -> bool:
        """Return whether ``other``, which was drawn, is this mark."""
        return (
            (self.kind, self.label) == (other.kind, other.label)
            and (self.colour is None or to_hex(self.colour) == other.colour)
            and (self.hollow is None or self.hollow == other.hollow)
            and self.numbers.keys() == other.numbers.keys()
            and all(_equal(values, other.numbers[name]) for name, values in self.numbers.items())
        )


def _equal(one: Any, other: Any) -> bool:
    one, other = np.asarray(one, float), np.asarray(other, float)
    return one.shape == other.shape and np.allclose(one, other, rtol=1e-6, atol=1e-9, equal_nan=True)


def line(x, y, label="", colour=None, hollow=None) -> Mark:
    """Return a line, or markers without bars."""
    return Mark("line", {"x": x, "y": y}, label, colour, hollow)


def level(y, label="", colour=None) -> Mark:
    """Return a horizontal line over the whole panel."""
    return line([0, 1], [y, y], label, colour)


def upright(x, label="", colour=None) -> Mark:
    """Return a vertical line over the whole panel."""
    return line([x, x], [0, 1], label, colour)


def points(x, y, intervals, label="", colour=None, axis="y") -> Mark:
    """Return points with a bar to each end of their intervals, (low, high), along ``axis``.

    Where an interval does not hold its value, the bar goes from the value to the farther end.
    """
    values = np.reshape({"x": x, "y": y}[axis], (-1, 1))
    reach = np.concatenate([values, np.reshape(intervals, (-1, 2))], 1)
    return Mark("points", {"x": x, "y": y, "ends": np.stack([reach.min(1), reach.max(1)], 1)}, label, colour)


def rises(x, ends) -> Mark:
    """Return upright lines, each between its two ends."""
    return Mark("rises", {"x": x, "ends": ends})


def band(x, intervals, colour=None) -> Mark:
    """Return a filled band between the ends of the intervals at ``x``."""
    return Mark("band", {"x": x, "ends": np.sort(intervals, axis=1)}, "", colour)


def bars(x, heights, label="", colour=None) -> Mark:
    """Return upright bars about ``x``."""
    return Mark("bars", {"x": x, "heights": heights}, label, colour)


def dots(x, y, label="") -> Mark:
    """Return scattered dots."""
    return Mark("dots", {"x": x, "y": y}, label)


def image(values, extent=None, limits=(0, 1)) -> Mark:
    """Return a map; without an extent, its pixels' centers are whole numbers."""
    values = np.asarray(values)
    rows, columns = values.shape
    extent = (-0.5, columns - 0.5, rows - 0.5, -0.5) if extent is None else extent
    return Mark("image", {"values": values, "extent": extent, "limits": limits})


def box(left, top, width, height, label="") -> Mark:
    """Return a rectangle; one over the whole panel goes from 0 to 1."""
    return Mark("box", {"left": left, "top": top, "width": width, "height": height}, label)


def ellipse(fit) -> Mark:
    """Return where a Gaussian fit falls to 1 - 0.9545 of its peak; the matrix of the quadratic form tells it whole."""
    return Mark("ellipse", {"center": fit.center, "covariance": fit.covariance})


def words(text, x, y) -> Mark:
    """Return a text at a place."""
    return Mark("words", {"x": x, "y": y}, text)


@dataclass(frozen=True)
class Panel:
    """What one panel shows; ticks are named places, None where matplotlib chooses them."""

    marks: Sequence[Mark]
    title: str = ""
    xlabel: str = ""
    ylabel: str = ""
    scales: tuple[str, str] = ("linear", "linear")
    xticks: dict[float, str] | None = None
    yticks: dict[float, str] | None = None
    legend: bool = False
    heading: str | None = None  # of the part of the figure that it is in
    named: Sequence[str] = ()  # texts at places that the layout chooses


@dataclass(frozen=True)
class Shown:
    """What a figure shows: panels in the order in which they are made, colour bars apart, each from low to high."""

    panels: Sequence[Panel]
    title: str = ""
    caption: Sequence[str] = ()  # parts of it; it stands beside the figure
    colour_bars: Sequence[tuple[str, float, float]] = field(default_factory=list)
    legend: Sequence[str] = ()  # outside of the panels


def assert_shows(figure: Figure, expected: Shown) -> None:
    """Compare what is drawn with what is expected."""
    drawn = [axes for axes in figure.axes if axes.get_label() != "<colorbar>" and axes.axison]
    assert len(drawn) == len(expected.panels)
    for number, (axes, panel) in enumerate(zip(drawn, expected.panels, strict=True)):
        _assert_panel(axes, panel, f"panel {number}, {axes.get_title() or axes.get_ylabel()!r}")
    assert " ".join(figure.get_suptitle().split()) == expected.title
    assert not figure.get_supxlabel()
    for part in expected.caption:
        assert part in str(figure.get_label())
    bars = [axes for axes in figure.axes if axes.get_label() == "<colorbar>"]
    assert [_colour_bar(axes) for axes in bars] == [(name, pytest.approx(ends)) for name, *ends in expected.colour_bars]
    outside = [
        text.get_text() for part in (figure, *figure.subfigs) for legend in part.legends for text in legend.texts
    ]
    assert outside == list(expected.legend)


def _assert_panel(axes: Axes, panel: Panel, name: str) -> None:
    assert (axes.get_title(), axes.get_xlabel(), axes.get_ylabel()) == (panel.title, panel.xlabel, panel.ylabel), name
    assert (axes.get_xscale(), axes.get_yscale()) == panel.scales, name
    for axis, ticks in ((axes.xaxis, panel.xticks), (axes.yaxis, panel.yticks)):
        if ticks is not None:
            places = axis.get_majorticklocs()
            texts = dict(zip(places, axis.get_major_formatter().format_ticks(places), strict=True))
            assert texts == ticks, name
    if panel.heading is not None:
        assert axes.get_figure(root=False).get_suptitle() == panel.heading, name
    drawn = list(marks(axes))
    if panel.named:
        assert [text.get_text() for text in axes.texts] == list(panel.named), name
        drawn = [mark for mark in drawn if mark.kind != "words"]
    for mark in panel.marks:
        match = next((other for other in drawn if mark.matches(other)), None)
        assert match is not None, f"{name}: {mark} is not among {drawn}"
        drawn.remove(match)
    assert not drawn, f"{name}: too much: {drawn}"
    legend = axes.get_legend()
    labels = sorted(mark.label for mark in panel.marks if mark.label and mark.kind != "words")
    assert ([] if legend is None else sorted(text.get_text() for text in legend.texts)) == (
        labels if panel.legend else []
    ), name


def _colour_bar(axes: Axes) -> tuple[str, tuple[float, float]]:
    if axes.get_ylabel():
        return axes.get_ylabel(), axes.get_ylim()
    return axes.get_xlabel(), axes.get_xlim()


def marks(axes: Axes) -> Iterator[Mark]:
    """Read everything that is drawn on a panel."""
    with_bars = [one for one in axes.containers if isinstance(one, ErrorbarContainer)]
    standing = [one for one in axes.containers if isinstance(one, BarContainer)]
    parts = [part for one in with_bars for part in (one[0], *one[1], *one[2])]
    parts += [patch for one in standing for patch in one]
    yield from map(_points, with_bars)
    yield from map(_bars, standing)
    yield from (_line(one) for one in axes.lines if one not in parts)
    yield from (_patch(one) for one in axes.patches if one not in parts)
    yield from (_collection(one) for one in axes.collections if one not in parts)
    for one in axes.images:
        yield Mark("image", {"values": one.get_array(), "extent": one.get_extent(), "limits": one.get_clim()})
    for text in axes.texts:
        yield words(text.get_text(), *text.xy if hasattr(text, "xy") else text.get_position())


def _label(artist: Any) -> str:
    label = artist.get_label() or ""
    return "" if label.startswith("_") else label


def _line(one: Line2D) -> Mark:
    hollow = to_hex(one.get_markerfacecolor(), keep_alpha=True) in ("#00000000", "#ffffffff")
    return line(one.get_xdata(), one.get_ydata(), _label(one), to_hex(one.get_color()), hollow)


def _points(one: ErrorbarContainer) -> Mark:
    data, _, (ends,) = one
    axis = "x" if one.has_xerr else "y"
    segments = np.array([segment[:, "xy".index(axis)] for segment in ends.get_segments()])
    if data is None:  # bars alone
        x = [segment[0, 0] for segment in ends.get_segments()]
        return points(x, segments.mean(1), segments, _label(one), to_hex(ends.get_color()[0]))
    return points(*data.get_data(), segments, _label(one), to_hex(data.get_color()), axis)


def _bars(one: BarContainer) -> Mark:
    x, heights = zip(*((patch.get_x() + patch.get_width() / 2, patch.get_height()) for patch in one), strict=True)
    return bars(x, heights, _label(one), to_hex(one[0].get_facecolor()))


def _patch(one: Patch) -> Mark:
    if isinstance(one, Ellipse):
        return _ellipse(one)
    return box(one.get_x(), one.get_y(), one.get_width(), one.get_height(), _label(one))


def _ellipse(one: Ellipse) -> Mark:
    """Read the covariance off an outline at which a Gaussian has 4.55 % of its peak."""
    angle = np.deg2rad(one.angle)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])  # rows before columns
    half = np.square([one.height / 2, one.width / 2]) / (-2 * np.log(1 - 0.9545))
    return Mark("ellipse", {"center": one.center[::-1], "covariance": turn @ np.diag(half) @ turn.T})


def _collection(one: Any) -> Mark:
    if isinstance(one, PathCollection):
        return dots(*one.get_offsets().T, _label(one))
    if isinstance(one, LineCollection):
        segments = np.array(one.get_segments())
        return rises(segments[:, 0, 0], segments[:, :, 1])
    assert isinstance(one, PolyCollection), one
    x, y = np.concatenate([path.vertices for path in one.get_paths()]).T
    ends = [(y[x == at].min(), y[x == at].max()) for at in np.unique(x)]
    return band(np.unique(x), ends, to_hex(one.get_facecolor()[0]))
