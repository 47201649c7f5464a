"""The general figure of a sweep: each number of its jobs against what varies, with intervals over seeds."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from experiments.harness.intervals import Mean
from experiments.harness.override import value_text
from experiments.harness.style import KINDS, PAGE, apart, bar_lengths, entitle, new_figure

REPEATED = "seed"  # jobs that differ in it alone are repetitions
LOOKS: list[dict[str, Any]] = [{"color": kind.colour, "marker": kind.marker} for kind in KINDS.values()]
PANEL, LINE = 1.6, 0.14  # inches: the height of a panel with an axis of numbers, and of a line of text
LONGEST = 28  # letters of a row's name in one line
APART = 0.012  # of the axis, between the bars of different curves at the same value


@dataclass(frozen=True)
class Point:
    """What is known of a job: the settings that vary in the sweep, and its numbers."""

    settings: Mapping[str, Any]
    metrics: Mapping[str, float]


def draw(points: Sequence[Point], width: float = PAGE) -> Figure:
    """Draw a panel for each number: curves over a setting of numbers, or a row for each combination of texts."""
    keys = [key for key in points[0].settings if key != REPEATED]
    axis = _axis(points, keys)
    names = list(dict.fromkeys(name for point in points for name in point.metrics))
    columns = min(2 if width >= PAGE else 1, len(names))
    rows = -(-len(names) // columns)
    others = [key for key in keys if key != axis]
    combinations = list(dict.fromkeys(_label(point, others) for point in points))
    height = PANEL if axis else LINE * sum(2 + text.count("\n") for text in combinations) + LINE
    figure = new_figure(width, 0.6 + rows * (height + 3 * LINE) + (0.4 if axis and others else 0))
    panels = list(figure.subplots(rows, columns, squeeze=False, sharey=False if axis else "row").flat)
    for panel, name in zip(panels, names, strict=False):
        known = [point for point in points if name in point.metrics]
        if axis:
            _draw_curves(panel, known, name, axis, others, combinations)
        else:
            _draw_rows(panel, known, name, others, combinations, is_left=names.index(name) % columns == 0)
    for panel in panels[len(names) :]:
        panel.remove()
    if axis and others:
        _legend(figure, panels[0], ", ".join(others))
    entitle(figure, _message(points, keys), _caption(points))
    return figure


def _axis(points: Sequence[Point], keys: Sequence[str]) -> str | None:
    """Return the setting with the most values of those whose values are numbers, if the others have a look for each."""
    values = {key: {value_text(point.settings[key]) for point in points} for key in keys}
    numeric = [key for key in keys if all(type(point.settings[key]) in (int, float) for point in points)]
    axis = max(numeric, key=lambda key: len(values[key]), default=None)
    others = [key for key in keys if key != axis]
    return axis if len({_label(point, others) for point in points}) <= len(LOOKS) else None


def _label(point: Point, keys: Sequence[str]) -> str:
    return textwrap.fill(", ".join(value_text(point.settings[key]) for key in keys), LONGEST)


def _mean(points: Sequence[Point], name: str) -> Mean:
    return Mean.of([point.metrics[name] for point in points])


def _draw_curves(
    panel: Axes, points: Sequence[Point], name: str, axis: str, others: Sequence[str], combinations: Sequence[str]
) -> None:
    _scale(panel, every := sorted({point.settings[axis] for point in points}))
    for number, (label, look) in enumerate(zip(combinations, LOOKS, strict=False)):
        curve = [point for point in points if _label(point, others) == label]
        x = sorted({point.settings[axis] for point in curve})
        values, lengths = _bars([_mean([point for point in curve if point.settings[axis] == at], name) for at in x])
        aside = APART * (number - (len(combinations) - 1) / 2)
        panel.errorbar(
            _moved(x, every, aside, panel.get_xscale() == "log"), values, lengths, linestyle="-", label=label, **look
        )
    panel.set(xlabel=axis, ylabel=name)
    panel.yaxis.set_major_locator(MaxNLocator(5))
    panel.grid()


def _moved(x: Sequence[float], every: Sequence[float], share: float, logarithmic: bool) -> list[float]:
    """Return ``x`` moved by a share of the axis that has ``every`` value."""
    if logarithmic:
        return [value * (every[-1] / every[0]) ** share for value in x]
    return [value + share * (every[-1] - every[0]) for value in x]


def _bars(means: Sequence[Mean]) -> tuple[list[float], np.ndarray]:
    values = [mean.value for mean in means]
    return values, bar_lengths(values, [mean.interval for mean in means])


def _scale(panel: Axes, values: Sequence[float]) -> None:
    """Let the x axis be logarithmic where ``values`` rise by factors, with numbers at those that have room."""
    middle, first, last = values[len(values) // 2], values[0], values[-1]
    if first > 0 and middle - math.sqrt(first * last) < (first + last) / 2 - middle:
        panel.set_xscale("log")
        ticks = apart(values)
        panel.set_xticks(ticks, [f"{value:g}" for value in ticks])
        panel.minorticks_off()
    else:
        panel.xaxis.set_major_locator(MaxNLocator(5, integer=all(isinstance(value, int) for value in values)))


def _draw_rows(
    panel: Axes, points: Sequence[Point], name: str, keys: Sequence[str], combinations: Sequence[str], is_left: bool
) -> None:
    lines = np.array([2 + label.count("\n") for label in combinations])  # of the height of a row
    places = dict(zip(combinations, np.cumsum(lines) - lines / 2, strict=True))
    labels = [label for label in combinations if any(_label(point, keys) == label for point in points)]
    values, lengths = _bars(
        [_mean([point for point in points if _label(point, keys) == label], name) for label in labels]
    )
    panel.errorbar(values, [places[label] for label in labels], xerr=lengths, linestyle="none", **LOOKS[0])
    panel.set_yticks(list(places.values()) if keys else [], combinations if keys else [])
    panel.set(ylim=(lines.sum(), 0), xlabel=name, ylabel=", ".join(keys))
    panel.xaxis.set_major_locator(MaxNLocator(3))
    panel.grid(axis="x")
    if not is_left:
        panel.tick_params(labelleft=False)
        panel.set_ylabel("")


def _legend(figure: Figure, panel: Axes, title: str) -> None:
    handles, labels = panel.get_legend_handles_labels()
    letters = max(len(line) for label in labels for line in label.splitlines())
    columns = int(72 * figure.get_figwidth() / (4 * (letters + 8)))  # as many as have room, in letters of 4 points
    columns = max(1, min(columns, len(labels)))
    figure.legend(handles, labels, title=title, loc="outside lower center", ncols=columns)


def _message(points: Sequence[Point], keys: Sequence[str]) -> str:
    seeds = _seeds(points)
    return (
        f"{len(points)} jobs" + (f" over {' and '.join(keys)}" if keys else "") + (f", {seeds} seeds" if seeds else "")
    )


def _caption(points: Sequence[Point]) -> str:
    seeds = _seeds(points)
    return f"Means over {seeds} seeds with their 95 % intervals (t)." if seeds else "One job at each point."


def _seeds(points: Sequence[Point]) -> int:
    """Return how many seeds there are; 0 where they do not vary."""
    return len({point.settings[REPEATED] for point in points}) if REPEATED in points[0].settings else 0
