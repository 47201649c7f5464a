"""The figure of trainings from several starts: maps before and after as in Figure 3 of the paper, and the way there."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from erf.networks.start import Start
from experiments.harness.style import PAGE, entitle, fill, map_colour_bar, new_figure, show_map
from experiments.trainings.arms import Arm, Training
from experiments.trainings.growth_tables import in_words
from experiments.trainings.study import StartsStudy

ROW = 2.9  # inches, of one data set
COLOURS = {  # Okabe & Ito (2008)
    Start.unit_gain: "#D55E00",
    Start.small_gain: "#0072B2",
    Start.framework_default: "#CC79A7",
    Start.small_branches: "#009E73",
    Start.scaled_sums: "#56B4E9",
}
TITLE_LETTERS, NAME_LETTERS = 105, 15  # of a line
MARKERS = dict(zip(COLOURS, "so^Dv", strict=True))
CLOSEST = 0.1  # two labels, as a share of the axis
CAPTION = (
    "Each thin line is a training (one seed), each colour and marker a start; maps: of the first seed, over {images}, "
    "peak 1. Sizes: ERF size of the top layer's center unit, {statistic}{strided}. Markers: measured; rings: best "
    "epoch{dotted}."
)


def draw_starts(studies: Sequence[StartsStudy]) -> Figure:
    """Draw a row for each data set: maps of two starts before and after; size and validation metric by epoch."""
    figure = new_figure(PAGE, ROW * len(studies) + 0.3)
    rows = figure.subfigures(len(studies), 1, squeeze=False)[:, 0]
    for row, study in zip(rows, studies, strict=True):
        row.set_label(study.DATA_SET)
        row.suptitle(_row_title(study), fontsize=rcParams["axes.titlesize"], fontweight="normal")
        maps, curves = row.subfigures(1, 2, squeeze=False, width_ratios=(1, 1.45))[0]
        _draw_maps(maps, study)
        _draw_curves(curves, study)
    entitle(figure, message([arm for study in studies for arm in study.arms]), _caption(studies))
    return figure


def message(arms: Sequence[Arm]) -> str:
    """Return what the trainings say, in one sentence."""
    ways = [_goes(arm) for arm in arms]
    if {"grows", "shrinks"} <= {*ways}:
        return "Where an ERF starts decides whether training makes it grow or shrink"
    if {*ways} in ({"grows"}, {"shrinks"}):
        return f"From every start the ERF {ways[0]} in training"
    counts = [f"{way} from {ways.count(way)}" for way in ("grows", "shrinks")]
    return f"In training the ERF clearly {' and '.join(counts)} of {len(ways)} starts"


def _goes(arm: Arm) -> str:
    low, high = arm.growth.interval or (0.0, 0.0)
    return "grows" if low > 0 else "shrinks" if high < 0 else "goes"


def arm_names(study: StartsStudy) -> list[str]:
    """Return each arm's name, without the width where all arms share it."""
    ways = [arm.way for arm in study.arms]
    if len({way.width for way in ways}) == 1:
        ways = [replace(way, width=None) for way in ways]
    return [way.name for way in ways]


def _row_title(study: StartsStudy) -> str:
    arms = (
        f"{name} {_goes(arm)} from {arm.before.value:.0f} to {arm.after.value:.0f} px"
        for name, arm in zip(arm_names(study), study.arms, strict=True)
    )
    return textwrap.fill(f"{study.DATA_SET}: {', '.join(arms)}", TITLE_LETTERS)


def _caption(studies: Sequence[StartsStudy]) -> str:
    images = " and ".join(f"{study.config.images} images of {study.DATA_SET}" for study in studies)
    sized = [study for study in studies if study.PAPER_SIZES]  # the networks with strides
    return CAPTION.format(
        images=images,
        statistic=studies[0].config.statistic,
        strided=f", on {sized[0].DATA_SET} of the map averaged over the grid's period" if sized else "",
        dotted="; dotted: the paper's sizes" if sized else "",
    )


def _draw_maps(part: SubFigure, study: StartsStudy) -> None:
    """Draw the maps of the starts with the smallest and the largest ERF, before and after training."""
    named = [*zip(study.arms, arm_names(study), strict=True)]
    arms = [choose(named, key=lambda pair: pair[0].before.value) for choose in (min, max)]
    axes = part.subplots(2, 2, squeeze=False, sharex=True, sharey=True)
    for row, (arm, name) in zip(axes, arms, strict=True):
        for one, when in zip(row, ("before", "after"), strict=True):
            show_map(one, study.arrays[f"{when}/{arm.way.key}"].astype(np.float32), study.input_size)
            one.set(
                xticks=[0, study.input_size[1] // 2, study.input_size[1] - 1],
                yticks=[0, study.input_size[0] // 2, study.input_size[0] - 1],
            )
        row[0].set_ylabel(f"{fill(name, NAME_LETTERS)}\nrow (px)", color=COLOURS[arm.way.start])
    for one, when in zip(axes[0], ("before training", "after"), strict=True):
        one.set_title(when)
    for one in axes[-1]:
        one.set_xlabel("column (px)")
    map_colour_bar(part, list(axes.flat), "bottom")


def _draw_curves(part: SubFigure, study: StartsStudy) -> None:
    sizes, metric = part.subplots(2, 1, height_ratios=(2, 1), sharex=True)
    for arm, name in zip(study.arms, arm_names(study), strict=True):
        for training in study.of(arm):
            _draw_training(sizes, metric, training, arm)
        metric.lines[-1].set_label(name)
    for axes, label in ((sizes, "ERF size (px)"), (metric, f"validation\n{in_words(study.METRIC)}")):
        axes.set_ylabel(label)
        axes.spines[["top", "right"]].set_visible(False)
    metric.set_xlabel("epoch")
    metric.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    for size in study.PAPER_SIZES or ():
        sizes.axhline(size, color="grey", lw=0.7, ls=":", zorder=0)
    sizes.set_ylim(0)
    _label_arms(sizes, study)


def _draw_training(sizes: Axes, metric: Axes, training: Training, arm: Arm) -> None:
    style = {"color": COLOURS[arm.way.start], "lw": 0.8, "alpha": 0.9}
    measured, best = training.sizes(), training.best_epoch
    sizes.plot(list(measured), list(measured.values()), f"{MARKERS[arm.way.start]}-", ms=2.5, **style)
    sizes.plot(best, measured[best], "o", ms=6, mfc="none", mew=0.7, **style)
    metric.plot([at.epoch for at in training.trajectory], [at.validation for at in training.trajectory], **style)


def _label_arms(axes: Axes, study: StartsStudy) -> None:
    """Write each start's name, and the paper's sizes, at the right of their lines."""
    ends = {
        name: (_mean_end(study, arm), COLOURS[arm.way.start])
        for name, arm in zip(arm_names(study), study.arms, strict=True)
    }
    for when, size in zip(("before", "after"), study.PAPER_SIZES or (), strict=False):
        ends[f"the paper, {when}"] = (size, "grey")
    top = axes.get_ylim()[1]
    places = spread([end for end, _ in ends.values()], CLOSEST * top)
    for (name, (_, colour)), place in zip(ends.items(), places, strict=True):
        axes.annotate(name, (1.01, place), xycoords=("axes fraction", "data"), color=colour, va="center")


def _mean_end(study: StartsStudy, arm: Arm) -> float:
    return float(np.mean([list(training.sizes().values())[-1] for training in study.of(arm)]))


def spread(values: Sequence[float], least: float) -> list[float]:
    """Return ``values`` in their order, moved up and down so far that no two are closer than ``least``."""
    order = np.argsort(values, kind="stable")
    steps = least * np.arange(len(values))
    rest = np.asarray(values, float)[order] - steps  # which must not fall
    upwards, downwards = np.maximum.accumulate(rest), np.minimum.accumulate(rest[::-1])[::-1]
    moved = (upwards + downwards) / 2 + steps
    return [float(moved[place]) for place in np.argsort(order, kind="stable")]
