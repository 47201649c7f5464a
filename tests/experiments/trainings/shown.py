"""What the figures of a training and of trainings from several starts show of their records."""

import math

import numpy as np

from experiments.harness.style import fill
from experiments.trainings.figure import AFTER, BEFORE, METRIC
from experiments.trainings.study_figure import COLOURS, message
from tests.figures import Panel, Shown, band, image, level, line, rises, upright


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
        maps.append(Panel([image(values)], title, "column (pixels)", "row (pixels)" if name == "before" else ""))
        rows += [line(range(len(values[row])), values[row], title, colour), level(0.0455 * center)]
    strip = []
    for epochs, values in zip(result.arrays["frames"], result.arrays["maps"].astype(np.float32), strict=True):
        strip.append(Panel([image(values)], f"epoch {epochs}\nERF {result.trajectory[epochs].erf_size:.1f}"))
    rows = Panel(rows, "", f"column (pixels) at row {row}", "influence / peak", legend=True)
    verb = "grows" if low > 0 else "shrinks" if high < 0 else "changes"
    return Shown(
        [*maps, rows, _sizes(result), _metric(result, metric), _units(result), *strip],
        f"In training the ERF {verb} by {100 * abs(result.growth_factor - 1):.0f} %, from {result.erf_size_before:.1f} "
        f"to {result.erf_size_after:.1f} pixels",
        [
            f"Growth: {result.growth:.1f} ({low:.1f} to {high:.1f}) pixels",
            f"Unit {result.center_unit} of the top layer",
            *_caption(result),
            tested,
        ],
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
    chosen = sorted({round(place) for place in np.linspace(0, len(result.layers) - 1, 7)})
    maps = [
        Panel(
            [image(result.arrays[f"layers/{name}"].astype(np.float32)[place])],
            names[place] if name == "before" else "",
            ylabel="" if place else title,
        )
        for name, title in (("before", "before"), ("after", epoch))
        for place in chosen
    ]
    sizes = [
        "of unknown size" if size is None else f"{size:.0f} pixels"
        for size in (result.layers[-1].erf_size_after, result.layers[-1].erf_size_before)
    ]
    return Shown(
        [Panel(marks, ylabel="ERF size (pixels)", xticks=names), *maps],
        f"After training the ERF of the last layer is {sizes[0]} wide, before it {sizes[1]}, of {inside[-1]:.0f} "
        "possible",
        ["Each layer's middle unit", *_caption(result)],
        [("influence / peak", 0, 1)],
        ["before training", epoch, "root of the theoretical field's area in the image"],
    )


def _caption(result):
    config = result.config
    yield f"{config.statistic} over n = {result.images} {'held-out' if config.probe == 'images' else 'noise'} images"
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
    return Panel(marks, ylabel="ERF size (pixels)")


def _metric(result, metric):
    values = [at.validation[metric] for at in result.trajectory]
    name = {"mean_iou": "mean IoU"}.get(metric, metric)
    marks = [line(range(len(values)), values, "", METRIC), upright(result.best_epoch)]
    return Panel(marks, "", "epoch (dashed: best validation)", f"validation\n{name}")


def _units(result):
    places = np.arange(len(result.units))
    marks = [
        line(places, [unit.erf_size_before for unit in result.units], "before", BEFORE, hollow=True),
        line(places, [unit.erf_size_after for unit in result.units], "after", AFTER, hollow=False),
        rises(places, [(unit.erf_size_before, unit.erf_size_after) for unit in result.units]),
    ]
    names = {place: "{},\n{}".format(*unit.unit) for place, unit in enumerate(result.units)}
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
    names = _without_shared_width([arm.way.name for arm in study.arms])
    height, width = study.input_size
    extent = (-0.5, width - 0.5, height - 0.5, -0.5)
    for arm in (ordered[0], ordered[-1]):
        for when, title in (("before", "before training"), ("after", "after")):
            values = study.arrays[f"{when}/{arm.way.key}"].astype(np.float32)
            yield Panel(
                [image(values, extent)],
                title if arm is ordered[0] else "",
                "column (px)" if arm is ordered[-1] else "",
                f"{fill(names[arm.way.name], 15)}\nrow (px)" if when == "before" else "",
            )
    sizes, validation = [level(size, "", "grey") for size in study.PAPER_SIZES or ()], []
    for one in study.trainings:
        colour = COLOURS[one.way.start]
        measured = {at.epoch: at.size for at in one.trajectory if at.size is not None}
        sizes.append(line([*measured], [*measured.values()], "", colour, hollow=False))
        sizes.append(line([one.best_epoch], [measured[one.best_epoch]], "", colour, hollow=True))
        values = [at.validation for at in one.trajectory]
        last = one is [other for other in study.trainings if other.way == one.way][-1]  # of its start, which is named
        label = names[one.way.name] if last else ""
        validation.append(line(range(len(values)), values, label, colour))
    yield Panel(sizes, ylabel="ERF size (px)", named=[*names.values(), *_paper(study)])
    yield Panel(validation, xlabel="epoch", ylabel=f"validation\n{metric}")


def _without_shared_width(names):
    """Return what is written for each name, which may end in ``, width W``."""
    if len({name.partition(", ")[2] for name in names}) == 1:
        return {name: name.partition(", ")[0] for name in names}
    return {name: name for name in names}


def _paper(study):
    return [f"the paper, {when}" for when in ("before", "after")] if study.PAPER_SIZES else []
