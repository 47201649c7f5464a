"""What the figures of a training and of trainings from several starts show of their records."""

import math
import textwrap

import numpy as np

from experiments.trainings.figure import AFTER, BEFORE, METRIC
from experiments.trainings.study_figure import COLOURS, message
from tests.figures import Panel, Shown, band, bars, image, level, line, upright


def growth(result, metric, tested):
    """Return what is shown of one training, whose validation ``metric`` has a line."""
    epoch = f"epoch {result.best_epoch}"
    low, high = result.growth_interval
    named = (("before", "before training", BEFORE), ("after", epoch, AFTER))
    row = int(result.center_pixel[0])
    maps, rows = [], []
    for name, title, colour in named:
        values = result.arrays[name] / result.arrays[name].max()
        center = 1 if result.config.reference == "peak" else values[row, int(result.center_pixel[1])]
        first = name == "before"
        maps.append(Panel([image(values)], title, "column (pixels)", "row (pixels)" if first else ""))
        marks = [line(range(len(values[row])), values[row], "", colour), level(0.0455 * center)]
        rows.append(Panel(marks, "", f"column (pixels) at row {row}", "influence / peak" if first else ""))
    strip = []
    for epochs, values in zip(result.arrays["frames"], result.arrays["maps"].astype(np.float32), strict=True):
        strip.append(Panel([image(values)], f"epoch {epochs}\n{result.trajectory[epochs].erf_size:.1f} px"))
    return Shown(
        [*maps, *rows, _sizes(result), _units(result), _metric(result, metric), *strip],
        f"ERF size {result.erf_size_before:.1f} before training, {result.erf_size_after:.1f} at {epoch}: growth "
        f"{result.growth:.1f} ({low:.1f} to {high:.1f}) pixels, factor {result.growth_factor:.2f}\n{tested}",
        [f"Unit {result.center_unit} of the top layer", *_caption(result)],
        [("influence / peak", 0, 1)],
    )


def layers(result):
    """Return what is shown of the layers of one training."""
    places = range(len(result.layers))
    epoch = f"epoch {result.best_epoch}"
    marks = []
    for name, title, colour in (("before", "before training", BEFORE), ("after", epoch, AFTER)):
        sizes = [getattr(one, f"erf_size_{name}") for one in result.layers]
        ends = {p: getattr(one, f"erf_size_{name}_interval") for p, one in enumerate(result.layers)}
        ends = {place: interval for place, interval in ends.items() if interval}
        marks.append(line(places, [math.nan if size is None else size for size in sizes], title, colour))
        marks.append(band([*ends], [*ends.values()], colour))
    height, width = result.input_size
    inside = [math.sqrt(min(one.trf_size, height) * min(one.trf_size, width)) for one in result.layers]
    marks.append(line(places, inside, "root of the theoretical field's area in the image"))
    names = {place: one.layer for place, one in enumerate(result.layers)}
    maps = [
        Panel([image(values)], ylabel="" if place else title)
        for name, title in (("before", "before"), ("after", epoch))
        for place, values in enumerate(result.arrays[f"layers/{name}"].astype(np.float32))
    ]
    return Shown(
        [Panel(marks, ylabel="ERF size (pixels)", xticks=names, legend=True), *maps],
        "ERF of every layer before and after training",
        ["Each layer's middle unit", *_caption(result)],
    )


def _caption(result):
    config = result.config
    yield f"{config.statistic} over {result.images} {'held-out' if config.probe == 'images' else 'noise'} images"
    yield f"seed {config.seed}"
    yield f"the image of {result.input_size[0]} x {result.input_size[1]} pixels"
    yield f"field is {result.theoretical_receptive_field} x {result.theoretical_receptive_field} pixels"


def _sizes(result):
    measured = [at for at in result.trajectory if at.erf_size is not None]
    epochs = [at.epoch for at in measured]
    marks = [
        line(epochs, [at.erf_size for at in measured], "", AFTER),
        band(epochs, [at.erf_size_interval for at in measured], AFTER),
        upright(result.best_epoch),
    ]
    return Panel(marks, "", "epoch (dashed: best validation)", "ERF size (pixels)")


def _metric(result, metric):
    values = [at.validation[metric] for at in result.trajectory]
    name = {"mean_iou": "mean IoU"}.get(metric, metric)
    return Panel([line(range(len(values)), values, "", METRIC)], ylabel=f"validation {name}")


def _units(result):
    places = np.arange(len(result.units))
    marks = [
        bars(places - 0.2, [unit.erf_size_before for unit in result.units], "before", BEFORE),
        bars(places + 0.2, [unit.erf_size_after for unit in result.units], "after", AFTER),
    ]
    names = {place: "{},{}".format(*unit.unit) for place, unit in enumerate(result.units)}
    xlabel = "unit (row, column); the center first"
    return Panel(marks, "", xlabel, "ERF size (pixels)", xticks=names, legend=True)


def starts(studies, metrics):
    """Return what is shown of trainings from several starts, of each data set with its validation metric."""
    panels = [panel for study, metric in zip(studies, metrics, strict=True) for panel in _row(study, metric)]
    images = " and ".join(f"{study.config.images} images of {study.DATA_SET}" for study in studies)
    return Shown(
        panels,
        message([arm for study in studies for arm in study.arms]),
        [images, str(studies[0].config.statistic)],
        [("influence / peak", 0, 1)] * len(studies),
    )


def _row(study, metric):
    ordered = sorted(study.arms, key=lambda arm: arm.before.value)
    height, width = study.input_size
    extent = (-0.5, width - 0.5, height - 0.5, -0.5)
    for arm in (ordered[0], ordered[-1]):
        for when, title in (("before", "before training"), ("after", "after")):
            values = study.arrays[f"{when}/{arm.way.key}"].astype(np.float32)
            yield Panel(
                [image(values, extent)],
                title if arm is ordered[0] else "",
                "column (px)" if arm is ordered[-1] else "",
                f"{textwrap.fill(arm.way.name, 12)}\nrow (px)" if when == "before" else "",
            )
    sizes, validation = [level(size, "", "grey") for size in study.PAPER_SIZES or ()], []
    for one in study.trainings:
        colour = COLOURS[one.way.start]
        measured = {at.epoch: at.size for at in one.trajectory if at.size is not None}
        sizes.append(line([*measured], [*measured.values()], "", colour, hollow=False))
        sizes.append(line([one.best_epoch], [measured[one.best_epoch]], "", colour, hollow=True))
        values = [at.validation for at in one.trajectory]
        validation.append(line(range(len(values)), values, "", colour))
    yield Panel(sizes, ylabel="ERF size (px)", named=[*(arm.way.name for arm in study.arms), *_paper(study)])
    yield Panel(validation, xlabel="epoch", ylabel=f"validation\n{metric}")


def _paper(study):
    return [f"the paper, {when}" for when in ("before", "after")] if study.PAPER_SIZES else []
