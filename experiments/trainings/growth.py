"""What both experiments on trained networks share: the ERF before training and after every epoch (section 3.2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Group
from torch import nn

from erf.training.checkpoints import best_weights, half_precision_weights, load_weights
from erf.training.loop import calibrate, evaluate, train
from erf.training.plan import Epoch, Plan, best_epoch
from experiments.harness.intervals import Interval, interval_of
from experiments.harness.logbook import Logbook
from experiments.harness.soundness import Sides
from experiments.harness.table import table
from experiments.harness.trf_box import without_box
from experiments.trainings.plan import (
    GrowthConfig,
    Task,
    TrainingConfig,
    images_a_step,
    in_order,
    optimizer_of,
    plan_of,
    progress_of,
)
from experiments.trainings.probe import (
    Kept,
    LayerErf,
    Probing,
    measure_layers,
    measure_mean_square,
    measure_units,
    probing_of,
    read_units,
)

if TYPE_CHECKING:
    from lightning_fabric import Fabric

FRAMES = 8  # epochs whose maps the record keeps, for the filmstrip


@dataclass(frozen=True)
class Measures:
    """The center unit's map by other measures than the count of its pixels, so that no verdict hangs on one.

    Attributes:
        averaged_size: ERF size of the map averaged over the period of the layer's grid, pixels.
        averaged_size_interval: 95 %, over images.
        half_height_size: Root of the number of pixels of that map above half of the reference.
        half_height_size_interval: 95 %, over images.
        r50: Radius that holds half of the map, as far as it lies in the image, pixels.
        r95: Radius that holds 95 % of it.
        sigma: Standard deviation of the map along rows and along columns, pixels.
        mean_square_size: As ``averaged_size``, of the mean over images of the squares.
        mean_square_sigma: As ``sigma``, of that map.
    """

    averaged_size: float
    averaged_size_interval: Interval
    half_height_size: float
    half_height_size_interval: Interval
    r50: float
    r95: float
    sigma: tuple[float, float]
    mean_square_size: float
    mean_square_sigma: tuple[float, float]


@dataclass(frozen=True)
class Moment:
    """The network at one epoch; 0 is before training. What is of the ERF is None at epochs without a measurement.

    Attributes:
        epoch: Epochs trained.
        training_loss: Mean over the epoch's steps; None before training.
        validation: Metrics on the validation images.
        erf_size: Of the center unit, in pixels.
        erf_size_interval: 95 %, over images.
        sigma: Standard deviation of the center unit's map, as far as it lies in the image; mean of both axes, pixels.
        measures: Others of the same map; None in older records.
    """

    epoch: int
    training_loss: float | None
    validation: dict[str, float]
    erf_size: float | None
    erf_size_interval: Interval | None
    sigma: float | None
    measures: Measures | None = None


@dataclass(frozen=True)
class Unit:
    """ERF sizes of one unit, given by its row and column, before training and at the best epoch."""

    unit: tuple[int, int]
    erf_size_before: float
    erf_size_after: float


@dataclass(frozen=True)
class Layer:
    """ERF sizes of one layer's middle unit, before training and at the best epoch, 95 % over images.

    A size is None where the unit's own pixel has no influence, to which it would be relative.
    """

    layer: str
    trf_size: int
    erf_size_before: float | None
    erf_size_before_interval: Interval | None
    erf_size_after: float | None
    erf_size_after_interval: Interval | None


@dataclass(frozen=True)
class Growth:
    """How the ERF changed from before training to the best epoch, that of the best validation metric.

    Sizes are in pixels. Intervals are 95 %, by resampling the images; that of the growth resamples the same images
    before and after.

    ``fresh`` is the network before training with batch norm as it was constructed, its running statistics 0 and 1: in
    eval mode another network than the one that is trained. None in older records.

    Arrays: ``before`` and ``after [H, W]`` of the center unit, float32; ``frames [F]``, epochs; by the M epochs with a
    measurement ``resampled_sizes [M, B]`` and, but in older records, ``resampled_averaged_sizes``,
    ``resampled_half_height_sizes`` and the epochs themselves, ``measured [M]``; and to be looked at, float16, with peak
    1 and at most 128 pixels a side: ``units/before`` and ``units/after [U, h, w]``, ``layers/before`` and
    ``layers/after [L, h, w]``, in the order of ``units`` and ``layers``, and ``maps [F, h, w]``.
    """

    config: GrowthConfig
    epochs: int
    best_epoch: int
    images: int
    theoretical_receptive_field: int
    input_size: tuple[int, int]
    clipped: tuple[bool, bool]
    center_unit: tuple[int, int]
    center_pixel: tuple[float, float]
    erf_size_before: float
    erf_size_before_interval: Interval
    erf_size_after: float
    erf_size_after_interval: Interval
    growth: float
    growth_interval: Interval
    growth_factor: float
    growth_factor_interval: Interval
    units: tuple[Unit, ...]
    layers: tuple[Layer, ...]
    trajectory: tuple[Moment, ...]
    parameters: int
    data: str
    training_images: int
    validation_images: int
    test_images: int
    arrays: dict[str, np.ndarray]
    fresh: Measures | None = field(default=None, kw_only=True)

    def measured(self) -> list[Moment]:
        """Return the moments at which the ERF was measured."""
        return [at for at in self.trajectory if at.erf_size is not None]

    @property
    def resampled(self) -> str:
        """What the intervals are from, in words."""
        return "the images of one training; another training may lie outside"

    def trf_box(self, key: str) -> str:
        """Return why the map of the array ``key`` is shown without the TRF's box."""
        return without_box(self.theoretical_receptive_field, max(self.arrays[key].shape))

    def layout(self) -> dict[str, Sides]:
        """Return the sides of each array."""
        layers, units = len(self.layers), len(self.units)
        shown: dict[str, Sides] = {f"units/{when}": (units, "h", "w") for when in ("before", "after")}
        shown |= {f"layers/{when}": (layers, "h", "w") for when in ("before", "after")}
        shown |= {"before": self.input_size, "after": self.input_size, "maps": ("F", "h", "w"), "frames": ("F",)}
        measured = len(self.measured())
        if self.trajectory[0].measures:
            shown |= {f"resampled_{name}_sizes": (measured, "B") for name in ("averaged", "half_height")}
            shown |= {"measured": (measured,)}
        return shown | {"resampled_sizes": (measured, "B")}

    def metrics(self) -> dict[str, float]:
        """Return the ERF sizes before and after, and the best epoch's validation metrics."""
        sizes = {"erf_size_before": self.erf_size_before, "erf_size_after": self.erf_size_after}
        ends = {"before": self.trajectory[0].measures, "after": self.trajectory[self.best_epoch].measures}
        sizes |= {f"averaged_size_{when}": at.averaged_size for when, at in ends.items() if at}
        return sizes | {f"validation_{name}": v for name, v in self.trajectory[self.best_epoch].validation.items()}


def study(fabric: Fabric, config: GrowthConfig, task: Task, logbook: Logbook) -> tuple[Growth | None, dict[str, float]]:
    """Train, measure the ERF at every epoch, and read the test set once, at the best epoch.

    Returns:
        The growth, None in processes other than the first, which alone measures; and the metrics on the test images.
    """
    probing = probing_of(config, task.network, task.network.top_layer, task.data.validation, config.probe, config.grid)
    untrained, plan = deepcopy(task.network), plan_of(fabric, config, task)
    history = list(_epochs(fabric, config, task, plan, probing, logbook))
    last_weights = half_precision_weights(task.network)
    load_weights(task.network, best_weights(fabric, logbook.training))
    share = images_a_step(fabric, config)
    tested = evaluate(fabric, task.network, in_order(task.data.test, share), task.metrics)
    if not fabric.is_global_zero:
        return None, tested
    measure = partial(_measure, config, task, probing, logbook)
    best = best_epoch(history, task.best_by).number
    if not history[best].measured:
        history[best] = replace(history[best], measured=measure(task.network, _maps_file(logbook, best)))
        _report_erf(config, probing, history[best], logbook)
    logbook.scalars({f"test/{name}": value for name, value in tested.items()}, best)
    _animate(config, probing, history, logbook)
    fresh_file = logbook.training / "maps_fresh.npz"
    fresh = _measures(measure(untrained.to(fabric.device), fresh_file), read_units(config, probing, fresh_file))
    calibrate(untrained, plan.batches, plan.calibration, fabric.device)
    measure_all = partial(measure_layers, config, probing, list(task.network.layers))
    before = measure_all(untrained, logbook.progress, "ERF of every layer before training")
    after = measure_all(task.network, logbook.progress, "ERF of every layer at the best epoch")
    logbook.attach("weights_before.safetensors", half_precision_weights(untrained))
    logbook.attach("weights.safetensors", half_precision_weights(task.network))
    logbook.attach("weights_last.safetensors", last_weights)
    return _growth(config, task, probing, history, fresh, (before, after), logbook), tested


def _epochs(
    fabric: Fabric, config: GrowthConfig, task: Task, plan: Plan, probing: Probing, logbook: Logbook
) -> Iterator[Epoch]:
    """Train, and yield every epoch once it is reported, and measured if it is one of those."""

    def measure(network: nn.Module, epoch: int) -> dict[str, float]:
        if not config.measures(epoch):
            return {}
        return _measure(config, task, probing, logbook, network, _maps_file(logbook, epoch))

    progress = progress_of(fabric, logbook)
    optimizer = optimizer_of(config, task.network)
    for epoch in train(fabric, task.network, optimizer, plan, logbook.training, measure, progress):
        if fabric.is_global_zero:
            _report(config, probing, epoch, logbook)
        yield epoch


def _measure(
    config: GrowthConfig, task: Task, probing: Probing, logbook: Logbook, network: nn.Module, file: Path
) -> dict[str, float]:
    """Measure the top layer's units, keep in ``file`` what is large, and return the numbers of the center unit."""
    layer = task.network.top_layer
    numbers = measure_units(config, probing, layer, file, network, logbook.progress, "ERF of the top layer")
    return numbers | measure_mean_square(config, probing, layer, network)


def result_of(kind: type[Any], growth: Growth | None, **others: Any) -> Any:
    """Return a result of ``kind``, a Growth with other fields besides; None where there is none."""
    if growth is None:
        return None
    return kind(**{known.name: getattr(growth, known.name) for known in fields(growth)}, **others)


def _maps_file(logbook: Logbook, epoch: int) -> Path:
    return logbook.training / f"maps_{epoch:04}.npz"


def _kept(config: TrainingConfig, probing: Probing, logbook: Logbook, epoch: int) -> Kept:
    return read_units(config, probing, _maps_file(logbook, epoch))


def _report(config: TrainingConfig, probing: Probing, epoch: Epoch, logbook: Logbook) -> None:
    numbers = {f"validation/{name}": value for name, value in epoch.metrics.items()}
    if epoch.loss is not None:
        numbers["training_loss"] = epoch.loss
    logbook.scalars(numbers, epoch.number)
    if epoch.measured:
        _report_erf(config, probing, epoch, logbook)
    judged = ", ".join(f"{in_words(name)} {value:.3f}" for name, value in epoch.metrics.items())
    loss = "" if epoch.loss is None else f"loss {epoch.loss:.3f}, "
    size = f", {_sizes_text(epoch)}" if epoch.measured else ""
    logbook.say(f"epoch {epoch.number} of {config.epochs}: {loss}validation {judged}{size}")


def _report_erf(config: TrainingConfig, probing: Probing, epoch: Epoch, logbook: Logbook) -> None:
    kept = _kept(config, probing, logbook, epoch.number)
    others = {"erf_size/other_units": float(kept.sizes[1:].mean())} if len(kept.sizes) > 1 else {}
    logbook.scalars(epoch.measured | others, epoch.number)
    logbook.map("map", kept.center, None, epoch.number)


def _sizes_text(epoch: Epoch) -> str:
    size, averaged = epoch.measured["erf_size"], epoch.measured["averaged_size"]
    return f"ERF size {size:.1f}" + (f" ({averaged:.1f} on the averaged map)" if size != averaged else "")


def _animate(config: TrainingConfig, probing: Probing, history: Sequence[Epoch], logbook: Logbook) -> None:
    measured = [epoch for epoch in history if epoch.measured]
    titles = [f"epoch {epoch.number}: ERF size {epoch.measured['erf_size']:.1f} pixels" for epoch in measured]
    maps = [_kept(config, probing, logbook, epoch.number).center for epoch in measured]
    logbook.animation("erf", dict(zip(titles, maps, strict=True)))


def _growth(
    config: GrowthConfig, task: Task, probing: Probing, history: Sequence[Epoch], fresh: Measures,
    layers: tuple[list[LayerErf], list[LayerErf]], logbook: Logbook,
) -> Growth:  # fmt: skip
    best = best_epoch(list(history), task.best_by).number
    kept = {at.number: _kept(config, probing, logbook, at.number) for at in history if at.measured}
    measured, first, last = list(kept), kept[0], kept[best]
    frames = [measured[index] for index in _frames(len(measured), measured.index(best))]
    moments = tuple(_moment(epoch, kept.get(epoch.number)) for epoch in history)
    before, after = first.resampled_sizes, last.resampled_sizes
    size_before, size_after = history[0].measured["erf_size"], history[best].measured["erf_size"]
    center = probing.fields[0]
    return Growth(
        config=replace(config, data_dir=GrowthConfig.data_dir, fresh=False),  # they say where, not what
        epochs=config.epochs,
        best_epoch=best,
        images=config.images,
        theoretical_receptive_field=int(center.size[0]),
        input_size=_pair(probing.images.shape[2:]),
        clipped=_pair(center.clipped),
        center_unit=_pair(center.unit),
        center_pixel=_pair(first.center.center),
        erf_size_before=size_before,
        erf_size_before_interval=interval_of(before),
        erf_size_after=size_after,
        erf_size_after_interval=interval_of(after),
        growth=size_after - size_before,
        growth_interval=interval_of(after - before),
        growth_factor=size_after / size_before,
        growth_factor_interval=interval_of(after / before),
        units=tuple(
            Unit(_pair(field.unit), float(old), float(new))
            for field, old, new in zip(probing.fields, first.sizes, last.sizes, strict=True)
        ),
        layers=tuple(
            Layer(old.layer, old.trf_size, old.size, old.interval, new.size, new.interval)
            for old, new in zip(*layers, strict=True)
        ),
        trajectory=moments,
        parameters=sum(parameter.numel() for parameter in task.network.parameters()),
        data=task.data.content(),
        training_images=len(task.data.train),
        validation_images=len(task.data.validation),
        test_images=len(task.data.test),
        arrays={
            "before": layers[0][-1].values.astype(np.float32),
            "after": layers[1][-1].values.astype(np.float32),
            "units/before": first.shown,
            "units/after": last.shown,
            "layers/before": np.stack([layer.shown for layer in layers[0]]),
            "layers/after": np.stack([layer.shown for layer in layers[1]]),
            "frames": np.array(frames),
            "maps": np.stack([kept[epoch].shown[0] for epoch in frames]),
            "measured": np.array(measured),
            "resampled_sizes": np.stack([at.resampled_sizes for at in kept.values()]),
            "resampled_averaged_sizes": np.stack([at.resampled_averaged_sizes for at in kept.values()]),
            "resampled_half_height_sizes": np.stack([at.resampled_half_height_sizes for at in kept.values()]),
        },
        fresh=fresh,
    )


def _moment(epoch: Epoch, kept: Kept | None) -> Moment:
    if kept is None:
        return Moment(epoch.number, epoch.loss, epoch.metrics, None, None, None)
    return Moment(
        epoch=epoch.number,
        training_loss=epoch.loss,
        validation=epoch.metrics,
        erf_size=epoch.measured["erf_size"],
        erf_size_interval=interval_of(kept.resampled_sizes),
        sigma=epoch.measured["sigma"],
        measures=_measures(epoch.measured, kept),
    )


def _measures(numbers: Mapping[str, float], kept: Kept) -> Measures:
    return Measures(
        averaged_size=numbers["averaged_size"],
        averaged_size_interval=interval_of(kept.resampled_averaged_sizes),
        half_height_size=numbers["half_height_size"],
        half_height_size_interval=interval_of(kept.resampled_half_height_sizes),
        r50=numbers["r50"],
        r95=numbers["r95"],
        sigma=(numbers["sigma_rows"], numbers["sigma_columns"]),
        mean_square_size=numbers["mean_square_size"],
        mean_square_sigma=(numbers["mean_square_sigma_rows"], numbers["mean_square_sigma_columns"]),
    )


def _pair(values: Sequence[Any]) -> tuple[Any, Any]:
    first, second = values
    return first, second


def _frames(epochs: int, best: int) -> list[int]:
    """Return the epochs to show: at most FRAMES evenly spaced ones, the first and the last among them, and the best."""
    spaced = np.linspace(0, epochs - 1, min(FRAMES, epochs)).round().astype(int).tolist()
    return sorted({*spaced, best})


def in_words(metric: str) -> str:
    """Return the name of a metric as it is read."""
    return metric.replace("_", " ").replace("iou", "IoU")


def growth_tables(result: Growth) -> Group:
    """Return the tables of the trajectory, of the units and of the layers."""
    validation = (
        (f"validation {in_words(name)}", lambda at, name=name: at.validation[name], 4)
        for name in result.trajectory[0].validation
    )
    trajectory = table(
        result.trajectory, ("epoch", lambda at: f"{at.epoch}{' (best)' if at.epoch == result.best_epoch else ''}"),
        ("loss", "training_loss", 3), *validation, ("ERF size", "erf_size", 1), ("95 %", "erf_size_interval", 1),
        ("averaged", lambda at: at.measures and at.measures.averaged_size, 1),
        ("95 %", lambda at: at.measures and at.measures.averaged_size_interval, 1),
    )  # fmt: skip
    units = table(result.units, "unit", ("ERF size before", "erf_size_before", 1), ("after", "erf_size_after", 1))
    low, high = result.growth_interval
    layers = table(
        result.layers, "layer", ("TRF", "trf_size"), ("ERF size before", "erf_size_before", 1),
        ("95 %", "erf_size_before_interval", 1), ("after", "erf_size_after", 1), ("95 %", "erf_size_after_interval", 1),
    )  # fmt: skip
    line = (
        f"ERF size {result.erf_size_before:.1f} -> {result.erf_size_after:.1f}: growth {result.growth:.1f} "
        f"({low:.1f} to {high:.1f}), factor {result.growth_factor:.2f}, over {result.images} images; "
        f"TRF {result.theoretical_receptive_field}"
    )
    return Group(trajectory, units, layers, line, *_averaged_lines(result))


def _averaged_lines(result: Growth) -> Iterator[str]:
    """Yield the sizes on the map averaged over the grid's period, where a record has them."""
    before, after = result.trajectory[0].measures, result.trajectory[result.best_epoch].measures
    if before and after and result.fresh:
        yield (
            f"on the map averaged over the grid's period {before.averaged_size:.1f} -> {after.averaged_size:.1f}; "
            f"batch norm never calibrated, before training: {result.fresh.averaged_size:.1f}"
        )
