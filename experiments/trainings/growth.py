"""What both experiments on trained networks share: the ERF before training and after every epoch (section 3.2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from erf.training.checkpoints import best_weights, half_precision_weights, load_weights
from erf.training.loop import calibrate, evaluate, train
from erf.training.plan import Epoch, Plan, best_epoch
from experiments.harness.intervals import interval_of
from experiments.harness.logbook import Logbook
from experiments.trainings.growth_result import Growth, Layer, Measures, Moment, Unit, filmstrip
from experiments.trainings.growth_tables import in_words
from experiments.trainings.plan import (
    GrowthConfig,
    Task,
    images_a_step,
    in_order,
    naming_sgd,
    optimizer_of,
    plan_of,
    progress_of,
)
from experiments.trainings.probe import (
    LayerErf,
    Probing,
    UnitSizes,
    measure_layers,
    measure_mean_square,
    measure_units,
    probing_of,
    read_units,
)

if TYPE_CHECKING:
    from lightning_fabric import Fabric


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
    measure = partial(_measure, probing, logbook)
    best = best_epoch(history, task.best_by).number
    if not history[best].measured:
        history[best] = replace(history[best], measured=measure(task.network, _maps_file(logbook, best)))
        _report_erf(probing, history[best], logbook)
    logbook.scalars({f"test/{name}": value for name, value in tested.items()}, best)
    _animate(probing, history, logbook)
    fresh_file = logbook.training / "maps_fresh.npz"
    fresh = _measures(measure(untrained.to(fabric.device), fresh_file), read_units(probing, fresh_file))
    calibrate(untrained, plan.batches, plan.calibration, fabric.device)
    measure_all = partial(measure_layers, probing, list(task.network.layers))
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
        with naming_sgd(config, epoch):
            return _measure(probing, logbook, network, _maps_file(logbook, epoch))

    progress = progress_of(fabric, logbook)
    optimizer = optimizer_of(config, task.network)
    with naming_sgd(config):
        for epoch in train(fabric, task.network, optimizer, plan, logbook.training, measure, progress):
            if fabric.is_global_zero:
                _report(probing, epoch, logbook)
            yield epoch


def _measure(probing: Probing, logbook: Logbook, network: nn.Module, file: Path) -> dict[str, float]:
    """Measure the top layer's units, keep in ``file`` what is large, and return the numbers of the center unit."""
    numbers = measure_units(probing, file, network, logbook.progress, "ERF of the top layer")
    return numbers | measure_mean_square(probing, network)


def result_of(kind: type[Any], growth: Growth | None, **others: Any) -> Any:
    """Return a result of ``kind``, a Growth with other fields besides; None where there is none."""
    if growth is None:
        return None
    return kind(**{known.name: getattr(growth, known.name) for known in fields(growth)}, **others)


def _maps_file(logbook: Logbook, epoch: int) -> Path:
    return logbook.training / f"maps_{epoch:04}.npz"


def _units_at(probing: Probing, logbook: Logbook, epoch: int) -> UnitSizes:
    return read_units(probing, _maps_file(logbook, epoch))


def _report(probing: Probing, epoch: Epoch, logbook: Logbook) -> None:
    numbers = {f"validation/{name}": value for name, value in epoch.metrics.items()}
    if epoch.loss is not None:
        numbers["training_loss"] = epoch.loss
    logbook.scalars(numbers, epoch.number)
    if epoch.measured:
        _report_erf(probing, epoch, logbook)
    judged = ", ".join(f"{in_words(name)} {value:.3f}" for name, value in epoch.metrics.items())
    loss = "" if epoch.loss is None else f"loss {epoch.loss:.3f}, "
    size = f", {_sizes_text(epoch)}" if epoch.measured else ""
    logbook.say(f"epoch {epoch.number} of {probing.config.epochs}: {loss}validation {judged}{size}")


def _report_erf(probing: Probing, epoch: Epoch, logbook: Logbook) -> None:
    units = _units_at(probing, logbook, epoch.number)
    others = {"erf_size/other_units": float(units.sizes[1:].mean())} if len(units.sizes) > 1 else {}
    logbook.scalars(epoch.measured | others, epoch.number)
    logbook.map("map", units.center, None, epoch.number)


def _sizes_text(epoch: Epoch) -> str:
    size, averaged = epoch.measured["erf_size"], epoch.measured["averaged_size"]
    return f"ERF size {size:.1f}" + (f" ({averaged:.1f} on the averaged map)" if size != averaged else "")


def _animate(probing: Probing, history: Sequence[Epoch], logbook: Logbook) -> None:
    measured = [epoch for epoch in history if epoch.measured]
    titles = [f"epoch {epoch.number}: ERF size {epoch.measured['erf_size']:.1f} pixels" for epoch in measured]
    maps = [_units_at(probing, logbook, epoch.number).center for epoch in measured]
    logbook.animation("erf", dict(zip(titles, maps, strict=True)))


def _growth(
    config: GrowthConfig, task: Task, probing: Probing, history: Sequence[Epoch], fresh: Measures,
    layers: tuple[list[LayerErf], list[LayerErf]], logbook: Logbook,
) -> Growth:  # fmt: skip
    best = best_epoch(list(history), task.best_by).number
    by_epoch = {at.number: _units_at(probing, logbook, at.number) for at in history if at.measured}
    measured, first, last = list(by_epoch), by_epoch[0], by_epoch[best]
    frames = [measured[index] for index in filmstrip(len(measured), measured.index(best))]
    moments = tuple(_moment(epoch, by_epoch.get(epoch.number)) for epoch in history)
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
            "units/before": first.thumbnails,
            "units/after": last.thumbnails,
            "layers/before": np.stack([layer.thumbnail for layer in layers[0]]),
            "layers/after": np.stack([layer.thumbnail for layer in layers[1]]),
            "frames": np.array(frames),
            "maps": np.stack([by_epoch[epoch].thumbnails[0] for epoch in frames]),
            "measured": np.array(measured),
            "resampled_sizes": np.stack([at.resampled_sizes for at in by_epoch.values()]),
            "resampled_averaged_sizes": np.stack([at.resampled_averaged_sizes for at in by_epoch.values()]),
            "resampled_half_height_sizes": np.stack([at.resampled_half_height_sizes for at in by_epoch.values()]),
        },
        fresh=fresh,
    )


def _moment(epoch: Epoch, units: UnitSizes | None) -> Moment:
    if units is None:
        return Moment(epoch.number, epoch.loss, epoch.metrics, None, None, None)
    return Moment(
        epoch=epoch.number,
        training_loss=epoch.loss,
        validation=epoch.metrics,
        erf_size=epoch.measured["erf_size"],
        erf_size_interval=interval_of(units.resampled_sizes),
        sigma=epoch.measured["sigma"],
        measures=_measures(epoch.measured, units),
    )


def _measures(numbers: Mapping[str, float], units: UnitSizes) -> Measures:
    alike = ("averaged_size", "half_height_size", "r50", "r95", "mean_square_size")
    return Measures(
        **{name: numbers[name] for name in alike},
        averaged_size_interval=interval_of(units.resampled_averaged_sizes),
        half_height_size_interval=interval_of(units.resampled_half_height_sizes),
        sigma=(numbers["sigma_rows"], numbers["sigma_columns"]),
        mean_square_sigma=(numbers["mean_square_sigma_rows"], numbers["mean_square_sigma_columns"]),
    )


def _pair(values: Sequence[Any]) -> tuple[Any, Any]:
    first, second = values
    return first, second
