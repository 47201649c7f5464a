"""The figures of a record as the page shows them: the file, what it says in words, and where its maps lie."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from erf.errors import InvalidInput
from experiments.harness.experiment import Experiment, Study
from experiments.harness.style import is_colour_bar
from experiments.report.pictures import inlined


@dataclass(frozen=True)
class Box:
    """A part of a picture, in shares of its width and height, from the upper left."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Picture:
    """A figure as a data URI, its message and its caption; ``problem`` says why there is none.

    ``maps`` are its parts whose colours mean values: a dark page leaves them as they are.
    """

    name: str
    message: str
    caption: str = ""
    maps: tuple[Box, ...] = ()
    source: str = ""
    width: int = 0
    height: int = 0
    problem: str = ""


def within(error: InvalidInput, folder: Path) -> str:
    """Return a message with paths as the page's reader knows them."""
    return str(error).replace(f"{folder}/", "")


def pictures(record: Path, experiment: Experiment | Study, result: Any, folder: Path) -> Iterator[Picture]:
    """Yield the figures of a record in a folder of ``folder``; what they say is read off the result, drawn anew.

    What the caption of one has said, those of the next do not say again.
    """
    others, said = (experiment.others if isinstance(experiment, Experiment) else {}), set[str]()
    for name, draw in {experiment.name: experiment.draw, **others}.items():
        figure = draw(result)
        message = " ".join(figure.get_suptitle().split())
        sentences = [one for one in re.split(r"(?<=\.) ", figure.get_label()) if one not in said]
        said.update(sentences)
        yield picture(record, name, folder, message, " ".join(sentences), tuple(_maps(figure)))


def picture(
    record: Path, name: str, folder: Path, message: str, caption: str = "", maps: tuple[Box, ...] = ()
) -> Picture:
    """Return the figure ``name`` of the record in a folder of ``folder``, or what is wrong with it."""
    try:
        source, (width, height) = inlined(record / f"{name}.png")
    except InvalidInput as error:
        return Picture(name, message, caption, problem=within(error, folder))
    return Picture(name, message, caption, maps, source, width, height)


def _maps(figure: Figure) -> Iterator[Box]:
    """Yield where a figure has maps, and the bars of their colours."""
    axes = [one for one in figure.axes if one.images or is_colour_bar(one)]
    if axes:
        figure.draw_without_rendering()  # which lays it out
    for one in axes:
        x, y, width, height = one.get_window_extent().transformed(figure.transFigure.inverted()).bounds
        yield Box(x, 1 - y - height, width, height)
