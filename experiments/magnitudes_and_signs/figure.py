"""The ERF size of trained networks by epoch, with their own signs and with random ones, above their maps."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.growth_start.config import Case
from experiments.growth_start.specifications import in_words
from experiments.harness.style import PAGE, bar_lengths, entitle, from_zero, map_colour_bar, new_figure, show_map
from experiments.magnitudes_and_signs.config import When
from experiments.magnitudes_and_signs.experiment import Arm, Epoch, Kind, Result, by_case

# Okabe & Ito (2008): one colour for own signs, one for random ones; expected ones are hollow.
COLOURS = {
    Kind.measured: "#D55E00",
    Kind.expected: "#D55E00",
    Kind.random_signs: "#0072B2",
    Kind.expected_random_signs: "#0072B2",
}
LABELS = {
    Kind.measured: "measured",
    Kind.expected: "expected from its squares",
    Kind.random_signs: "random signs",
    Kind.expected_random_signs: "expected with random signs",
}
APART = 0.7  # of the way from one epoch to the next that its points take up
CAPTION = (
    "Above: ERF size of the rms map of the top layer's center unit, averaged over the grid's period; each point a "
    "training, seeds from 0 on ({seeds}); bars: 95 % over {images} held-out images, or over {config.draws} draws of "
    "signs, seed {config.seed}. Random signs: of all weights, batch norm's statistics estimated anew. Hollow: expected "
    "maps of the squared weights, with the gates of images, as if these did not depend on the weights. Last: where it "
    "is not the best. Below: rms maps of the first seed at the {when} epoch."
)


def draw(result: Result) -> Figure:
    """Draw the sizes of each start, and two maps of it."""
    config, cases = result.config, by_case(result.epochs)
    when = When.best if config.trained else When.first
    figure = new_figure(PAGE, 5.2)
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=(1, 1.15))[:, 0]
    sizes = above.subplots(1, len(cases), squeeze=False)[0]
    for axes, (case, epochs) in zip(sizes, cases.items(), strict=True):
        _draw_sizes(axes, epochs)
        axes.set_title(name_of(case))
    sizes[0].set_ylabel("ERF size (pixels)")
    handles, labels = sizes[0].get_legend_handles_labels()
    above.legend(handles, labels, loc="outside lower center", ncols=len(Kind))
    maps = below.subplots(2, len(cases), squeeze=False)
    for row, kind in zip(maps, (Kind.measured, Kind.random_signs), strict=True):
        for axes, case in zip(row, cases, strict=True):
            show_map(axes, result.arrays[f"{kind}/{case.network}/{case.start_text}/{when}"])
            axes.set(xticks=[], yticks=[])
        row[0].set_ylabel(LABELS[kind])
    for axes, case in zip(maps[0], cases, strict=True):
        axes.set_title(name_of(case))
    map_colour_bar(below, list(maps.flat))
    seeds = ", ".join(f"{in_words(name)}: {getattr(config, f'{name}_seeds')}" for name in config.data_sets)
    images = " and ".join(str(getattr(config, f"{name}_images")) for name in config.data_sets)
    entitle(figure, message(result.arms), CAPTION, config=config, seeds=seeds, images=images, when=when)
    return figure


def name_of(case: Case) -> str:
    """Return the data set and the start in words."""
    return f"{in_words(case.data_set)}, {in_words(case.start_text)}"


def message(arms: Sequence[Arm]) -> str:
    """Return how much the size of each data set's most changed network changes, and how much with random signs."""
    largest = {arm.case.data_set: arm for arm in sorted(arms, key=lambda arm: abs(arm.all.value))}
    if not largest:
        return "ERFs before training, with own signs and with random ones"
    parts = [
        f"{in_words(data_set)} {arm.all.value:+.1f} and {arm.magnitudes.value:+.1f} px"
        for data_set, arm in largest.items()
    ]
    return f"Change of the ERF in training, and with random signs: {'; '.join(parts)}"


def _draw_sizes(axes: Axes, epochs: Sequence[Epoch]) -> None:
    """Draw each kind beside the others, and each training beside the others of its kind."""
    seeds = sorted({one.seed for one in epochs})
    for number, kind in enumerate(Kind):
        places = [place_of(one, number, seeds) for one in epochs]
        values = [one.sizes[kind].value for one in epochs]
        bars = bar_lengths(values, [one.sizes[kind].interval for one in epochs])
        face = "white" if "expected" in kind else COLOURS[kind]
        axes.errorbar(
            places, values, bars, fmt="o", ms=3, lw=0.8, capsize=1, color=COLOURS[kind], mfc=face, label=LABELS[kind]
        )
    drawn = [when for when in When if when in {one.when for one in epochs}]
    axes.set_xticks(range(len(drawn)), drawn)
    axes.set_xlabel("epoch")
    axes.set_xlim(-0.5, len(drawn) - 0.5)
    from_zero(axes)
    axes.grid(axis="y")


def place_of(epoch: Epoch, number: int, seeds: Sequence[int]) -> float:
    """Return where a training's point of a kind stands on the axis of epochs."""
    place = number * len(seeds) + seeds.index(epoch.seed)
    return list(When).index(epoch.when) + APART * ((place + 0.5) / (len(Kind) * len(seeds)) - 0.5)
