"""ERF sizes before training by start, and below them the specification curve of the recorded trainings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from experiments.camvid.experiment import PAPER_DIAMETERS
from experiments.growth_start.experiment import Result, Untrained
from experiments.growth_start.specifications import Specification, in_words, verdicts
from experiments.harness.style import PAGE, entitle, new_figure

COLOURS = {"camvid": "#D55E00", "cifar10": "#0072B2"}  # Okabe & Ito (2008)
MARKERS = "osD^v"  # by width
LEGEND = {"loc": "lower right", "handletextpad": 0.3, "labelspacing": 0.2, "borderpad": 0.3}
GRID = ("data_set", "start", "statistic", "aggregation", "size")  # choices, from top to bottom
CAPTION = (
    "Above: each point a seed, {config.seeds} of them from {config.seed}; mean_abs (size, averaged over the grid's "
    "period) and mean_square (σ) over held-out images, {config.camvid_images} and {config.cifar10_images}; crosses: "
    "batch norm as constructed, which does not count. The closed form holds where all branches are 0 (gain 0); "
    "elsewhere there are ReLUs after sums. Below: each column one way to ask whether the ERF grew in a recorded "
    "training; dots: what was chosen. Without strides, as on CIFAR-10, averaged size and raw count are the same."
)


def draw(result: Result) -> Figure:
    """Draw sizes before training, and each way to measure growth by its factor, above what was chosen."""
    if not result.specifications:
        figure = new_figure(PAGE, 3.4)
        _draw_starts(figure, result)
    else:
        figure = new_figure(PAGE, 9)
        above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=(1.15, 1.85))[:, 0]
        _draw_starts(above, result)
        _draw_specifications(below, result.specifications)
    said = verdicts(result.specifications)
    message = "; ".join(verdict.partition(";")[0].removesuffix(".") for verdict in said)
    entitle(figure, message or "Where an ERF starts", " ".join([CAPTION, *said]), config=result.config)
    return figure


def _draw_starts(part: Figure | SubFigure, result: Result) -> None:
    data_sets = list(dict.fromkeys(one.case.data_set for one in result.untrained))
    texts = list(dict.fromkeys(one.text for one in result.untrained))
    rows = part.subplots(2, len(data_sets), squeeze=False, sharey=True)
    for column, data_set in enumerate(data_sets):
        own = [one for one in result.untrained if one.case.data_set == data_set]
        _draw_dots(rows[0, column], own, texts, lambda one: one.sizes["averaged_size"])
        _draw_dots(rows[1, column], own, texts, lambda one: one.mean_square_sigmas)
        rows[0, column].set(title=in_words(data_set), xlabel="ERF size before training (pixels)")
        rows[1, column].set(title=in_words(data_set), xlabel="σ of the mean_square map (pixels)")
        _draw_closed_form(rows[1, column], own, texts)
        if data_set == "camvid":
            rows[0, column].axvline(PAPER_DIAMETERS[0], color="black", lw=0.8, ls="--", label="the paper: about 100")
        rows[0, column].legend(**LEGEND)
    for axes in rows[:, 0]:
        axes.set_yticks(range(len(texts)), [in_words(text) for text in texts])
        axes.set_ylim(len(texts) - 0.5, -0.5)
    for axes in rows.flat:
        axes.grid(alpha=0.3)


def _draw_dots(
    axes: Axes, own: list[Untrained], texts: list[str], quantity: Callable[[Untrained], list[float]]
) -> None:
    """Draw each seed of each start; widths one above the other, by marker."""
    widths = list(dict.fromkeys(one.case.width for one in own))
    for one in own:
        number = widths.index(one.case.width)
        place = texts.index(one.text) + 0.3 * (number - (len(widths) - 1) / 2)
        label = None if one.fresh or one.text != texts[0] else f"width {one.case.width}"
        marker, face = ("x", None) if one.fresh else (MARKERS[number], "none" if number else None)
        colour = COLOURS[one.case.data_set]
        places = [place] * len(quantity(one))
        axes.plot(quantity(one), places, marker, ms=3.5, color=colour, mfc=face, mew=0.8, label=label)


def _draw_closed_form(axes: Axes, own: list[Untrained], texts: list[str]) -> None:
    known = {texts.index(one.text): one.closed_form_sigma for one in own if one.closed_form_sigma is not None}
    for number, (place, sigma) in enumerate(known.items()):
        label = None if number else "closed form"
        axes.plot([sigma] * 2, [place - 0.4, place + 0.4], color="black", lw=1.2, label=label)
    if known:
        axes.legend(**LEGEND)


def _draw_specifications(part: SubFigure, specifications: Sequence[Specification]) -> None:
    ordered = sorted(specifications, key=lambda one: one.factor)
    curve, grid = part.subplots(2, 1, height_ratios=(1, 1.6), sharex=True)
    colours = [COLOURS[one.data_set] for one in ordered]
    for data_set in dict.fromkeys(one.data_set for one in specifications):
        own = {place: one.factor for place, one in enumerate(ordered) if one.data_set == data_set}
        curve.scatter([*own], [*own.values()], s=7, color=COLOURS[data_set], label=in_words(data_set))
    curve.axhline(1, color="black", lw=0.8)
    curve.set_ylabel("size after / before")
    curve.grid(alpha=0.3, axis="y")
    chosen = [(axis, option) for axis in GRID for option in dict.fromkeys(getattr(one, axis) for one in specifications)]
    for row, (axis, option) in enumerate(chosen):
        places = [place for place, one in enumerate(ordered) if getattr(one, axis) == option]
        grid.scatter(places, [row] * len(places), s=5, c=[colours[place] for place in places])
        if row and chosen[row - 1][0] != axis:
            grid.axhline(row - 0.5, color="grey", lw=0.5)
    grid.set_yticks(range(len(chosen)), [in_words(option) for _, option in chosen])
    grid.set(ylim=(len(chosen) - 0.5, -0.5), xlabel="ways to measure, by their factor")
