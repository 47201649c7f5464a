"""Each panel of a figure on its own, as wide as one column of a paper: text keeps its size, and nothing is scaled."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib import rcParams
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba_array
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure, SubFigure
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from experiments.harness.figure_file import write_figure
from experiments.harness.style import COLUMN, is_colour_bar, joined

MARGIN = 0.04  # inches, on all sides
GAP = 0.08  # inches between a panel and what stands above, beside or below it
HEIGHTS = (1.5, 2.4)  # inches: the least and the most of a panel of curves
BAR = 0.08  # inches: how wide a colour bar is
SLANTED = 0.2  # inches: closer than that, slanted labels of ticks lie over each other


def write_columns(path: Path, figure: Figure) -> list[Path]:
    """Write each panel as a figure of its own, 3.25 inches wide: ``path_column_1.png``, ...

    A panel without labels of its own has those of its row and column. The name of its part of the figure, or else the
    heading, becomes part of its title. What is named in no legend of its own goes into one below, as far as the panel
    shows it, and a map has its colour bar beside it. The figure itself is of no use afterwards.

    Returns:
        The paths that were written, without their endings.
    """
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    panels = [axes for axes in figure.get_axes() if axes.axison and axes.has_data() and not is_colour_bar(axes)]
    words = [_words(axes) for axes in panels]
    legends = [_legend(axes) for axes in panels]
    paths = [path.with_name(f"{path.name}_column_{number}") for number, _ in enumerate(panels, 1)]
    for written, axes, (title, xlabel, ylabel), legend in zip(paths, panels, words, legends, strict=True):
        figure.texts.clear()
        figure.legends.clear()
        axes.set(title="", xlabel=xlabel, ylabel=ylabel)
        axes.tick_params(labelleft=True, labelbottom=True)
        _name_ticks(axes)
        write_figure(written, figure, _alone(figure, axes, title, legend))
    return paths


def _colours(axes: Axes) -> set[str]:
    """Return the names of the colour maps of a map, or of a colour bar."""
    drawn = axes.collections if is_colour_bar(axes) else axes.images
    return {one.get_cmap().name for one in drawn if one.get_array() is not None}


def _parts(axes: Axes) -> list[Figure | SubFigure]:
    """Return the parts of the figure that hold a panel, the innermost first, the whole figure last."""
    parts = [axes.get_figure(root=False)]
    while isinstance(parts[-1], SubFigure):
        parts.append(parts[-1].get_figure(root=False))
    return [part for part in parts if part is not None]


def _words(axes: Axes) -> tuple[str, str, str]:
    """Return title, xlabel and ylabel of a panel, where it has none those of its column and row."""
    row, column = _mates(axes)
    above = [one.get_title() for one in column if one.images]
    named = above if any(one.get_title() for one in column) else [one.get_title() for one in row]
    title = axes.get_title() or next(filter(None, named), "")
    headings = [part.get_label() or part.get_suptitle() for part in _parts(axes)[-2::-1]]  # but not the message of all
    of_map = bool(axes.images) and len(axes.get_xticks()) > 0
    below = [one for one in column[::-1] if of_map or axes.get_shared_x_axes().joined(axes, one)]
    beside = [one for one in row if (axes.images and one.images) or axes.get_shared_y_axes().joined(axes, one)]
    xlabel = axes.get_xlabel() or next(filter(None, (one.get_xlabel() for one in below)), "")
    ylabel = axes.get_ylabel() or next(filter(None, (one.get_ylabel() for one in beside)), "")
    return joined("\n".join(filter(None, [*map(str, headings), title]))), xlabel, joined(ylabel)


class _Named(NamedTuple):
    """What a legend names."""

    handles: Sequence[Any]
    labels: Sequence[str]
    title: str | None


def _legend(axes: Axes) -> _Named | None:
    """Return what a panel shows of what is named outside of the panels, or else in its row; None: it has a legend."""
    own = dict(zip(*axes.get_legend_handles_labels()[::-1], strict=True))
    if axes.get_legend() or axes.images:
        return None
    outside = next((legend for part in _parts(axes) for legend in part.legends), None)
    named = _handles(axes, outside) if outside else {}
    chosen = {label: own[label] for label in named if label in own} or own
    if not own:
        colours = {_colour(one) for one in (*axes.lines, *axes.collections, *axes.patches)}
        chosen = {label: handle for label, handle in named.items() if _colour(handle) in colours}
    beside = [one.get_legend() for one in _mates(axes)[0]]
    near = [legend for legend in (outside, *beside) if legend and {*_texts(legend)} >= {*chosen}]
    title = near[0].get_title().get_text() if near else ""
    return _Named([*chosen.values()], [*chosen], title or None) if chosen else None


def _texts(legend: Legend) -> list[str]:
    return [text.get_text() for text in legend.get_texts()]


def _handles(axes: Axes, legend: Legend) -> dict[str, Any]:
    """Return what the labels of a legend outside of the panels stand for, in its order."""
    drawn = [one.get_legend_handles_labels() for one in _root(axes).get_axes()]
    handles = {label: handle for pair in drawn for handle, label in zip(*pair, strict=True)}
    return {label: handles[label] for label in _texts(legend)}


def _colour(artist: Any) -> tuple[float, ...]:
    """Return the colour of a line, of points with bars or of an area; () where nothing is drawn."""
    artist = artist[2][0] if isinstance(artist, ErrorbarContainer) else artist
    colour = artist.get_color() if hasattr(artist, "get_color") else artist.get_facecolor()
    return tuple(to_rgba_array(colour)[:1, :3].ravel())


def _name_ticks(axes: Axes) -> None:
    """Give ticks of the y axis without texts those of the same ticks in another panel of the row."""
    if any(label.get_text() for label in axes.get_yticklabels()):
        return
    ends = axes.get_ylim()
    for one in _mates(axes)[0]:
        texts = [label.get_text() for label in one.get_yticklabels()]
        if any(texts) and [*one.get_yticks()] == [*axes.get_yticks()]:
            axes.set_yticks(axes.get_yticks(), texts)
            axes.set_ylim(ends)  # ticks beyond the ends would widen them
            return


def _mates(axes: Axes) -> tuple[list[Axes], list[Axes]]:
    """Return the panels of a panel's row, from the left, and of its column, from the top."""
    own = axes.get_subplotspec()
    if own is None:
        return [axes], [axes]
    places = {
        one: place
        for one in _parts(axes)[0].axes
        if (place := one.get_subplotspec()) and place.get_gridspec() is own.get_gridspec() and not is_colour_bar(one)
    }
    row = [one for one, place in places.items() if place.rowspan == own.rowspan]
    column = [one for one, place in places.items() if place.colspan == own.colspan]
    return sorted(row, key=lambda one: places[one].colspan.start), sorted(
        column, key=lambda one: places[one].rowspan.start
    )


def _alone(figure: Figure, axes: Axes, title: str, outside: _Named | None) -> Bbox:
    """Lay a panel out as wide as a column, with its legend and colour bar and nothing else; return where, in inches."""
    parts = _parts(axes)
    bars = (one for one in (*parts[0].axes, *figure.get_axes()) if is_colour_bar(one))
    bar = next((one for one in bars if _colours(one) == _colours(axes)), None)
    visible = {figure.patch, axes, *parts} | ({bar, *_parts(bar)} if bar else set())
    for part in _all_parts(figure):
        for child in part.get_children():
            child.set_visible(child in visible)
    around = [axes, bar] if bar else [axes]
    _widen(axes, bar)
    inside = axes.get_legend()
    if inside and inside.get_window_extent().width > axes.get_window_extent().width:
        inside.set_visible(False)
        outside = _Named([*axes.get_legend_handles_labels()[0]], _texts(inside), inside.get_title().get_text() or None)
        _widen(axes, bar)
    box = _inches(around)
    middle = (box.x0 + box.x1) / 2
    added: list[Artist] = [_above(figure, title, middle, box.y1 + GAP / 2)] if title else []
    if outside:
        added.append(_below(figure, outside, middle, box.y0 - GAP))
    box = _inches([*around, *added])
    return Bbox([[middle - COLUMN / 2, box.y0 - MARGIN], [middle + COLUMN / 2, box.y1 + MARGIN]])


def _all_parts(part: Figure | SubFigure) -> Iterator[Figure | SubFigure]:
    yield part
    for one in part.subfigs:
        yield from _all_parts(one)


def _inches(artists: Sequence[Artist]) -> Bbox:
    """Return where artists are, with all that belongs to them."""
    boxes = [box for artist in artists if (box := artist.get_tightbbox())]
    return Bbox.union(boxes).transformed(_root(artists[0]).dpi_scale_trans.inverted())


def _root(artist: Artist) -> Figure:
    figure = artist.get_figure(root=True)
    assert figure, "what is drawn is in a figure"
    return figure


def _widen(axes: Axes, bar: Axes | None) -> None:
    """Let a panel and its colour bar be as wide as a column."""
    inches = axes.get_window_extent().height / _root(axes).dpi
    height = min(max(inches, HEIGHTS[0]), HEIGHTS[1])
    equal = bool(axes.images) and axes.get_aspect() != "auto"
    width = COLUMN / 2
    slanted = [label for label in axes.get_xticklabels() if label.get_rotation() % 90]
    if COLUMN / (len(slanted) + 1) < SLANTED:
        for label in slanted:
            label.set(rotation=90, ha="center")
    _break_ticks(axes, width)
    for _ in range(4):  # labels that rotate or thin out change the rest a little
        _put(axes, 0, 0, width, width * axes.get_data_ratio() if equal else height)
        if bar:
            _put_bar(bar, axes)
        width -= _inches([axes, bar] if bar else [axes]).width - (COLUMN - 2 * MARGIN)


def _break_ticks(axes: Axes, width: float) -> None:
    """Write the names of ticks on so many lines that they do not lie over each other."""
    names = [joined(label.get_text()).replace("+ ", "+\N{NO-BREAK SPACE}") for label in axes.get_xticklabels()]
    if any(label.get_rotation() for label in axes.get_xticklabels()) or not any(" " in name for name in names):
        return
    _put(axes, 0, 0, width, HEIGHTS[0])
    for letters in range(max(map(len, names)), 3, -1):
        boxes = [label.get_window_extent() for label in axes.get_xticklabels()]
        if not any(one.overlaps(other) for one, other in pairwise(boxes)):
            break
        axes.set_xticks(axes.get_xticks(), [textwrap.fill(name, letters, break_long_words=False) for name in names])


def _put(axes: Axes, left: float, bottom: float, width: float, height: float) -> None:
    """Move a panel, without its labels, to a place in inches."""
    wanted = Bbox.from_bounds(left, bottom, width, height).transformed(_root(axes).dpi_scale_trans)
    axes.set_position(wanted.transformed(_parts(axes)[0].transSubfigure.inverted()))


def _put_bar(bar: Axes, axes: Axes) -> None:
    """Move a colour bar beside a map or, where it lies, below it."""
    bar.set_box_aspect(None)
    place = axes.get_window_extent().transformed(_root(axes).dpi_scale_trans.inverted())
    if bar.get_ylabel():
        _put(bar, place.x1 + GAP, place.y0, BAR, place.height)
    else:
        _put(bar, place.x0, 0, place.width, BAR)
        _put(bar, place.x0, _inches([axes]).y0 - GAP - _inches([bar]).y1, place.width, BAR)


def _share(figure: Figure, x: float, y: float) -> tuple[float, float]:
    """Return a place in inches as shares of the figure's sides, by which a part that is cut out is placed."""
    width, height = figure.get_size_inches()
    return x / width, y / height


def _above(figure: Figure, title: str, middle: float, bottom: float) -> Text:
    """Write a title that is no wider than the column."""
    text = figure.text(
        *_share(figure, middle, bottom), title, ha="center", va="bottom", size=rcParams["axes.titlesize"]
    )
    letters = max(map(len, title.split("\n")))
    while _inches([text]).width > COLUMN - 2 * MARGIN:
        letters -= 1
        text.set_text("\n".join(textwrap.fill(line, letters) for line in title.split("\n")))
    return text


def _below(figure: Figure, named: _Named, middle: float, top: float) -> Legend:
    """Write a legend in as many columns as fit."""
    for columns in range(len(named.labels), 0, -1):
        written = figure.legend(
            named.handles, named.labels, title=named.title, ncols=columns,
            loc="upper center", bbox_to_anchor=_share(figure, middle, top), bbox_transform=figure.transFigure,
            frameon=False, borderaxespad=0, borderpad=0,
        )  # fmt: skip
        if columns == 1 or _inches([written]).width <= COLUMN - 2 * MARGIN:
            return written
        written.remove()
    raise AssertionError("a legend has an entry")
