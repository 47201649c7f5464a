"""Where an ERF starts: its size before training by start, and whether growth depends on how it is measured (3.2).

No claim of the paper, but what F3a and F3b hang on: nothing is trained here. The networks of ``camvid`` and ``cifar10``
are measured before training for several starts, and the networks of recorded trainings before and after.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Group

from erf import InvalidInput
from erf.arguments.device import resolve_device
from erf.data.split import DataSet
from erf.maps.statistic import Statistic
from erf.networks.start import Start
from erf.training.checkpoints import load_weights
from erf.training.loop import calibrate
from erf.training.processes import launch, make_fabric
from experiments.camvid import experiment as camvid
from experiments.growth_start.closed_form import closed_form_sigma
from experiments.growth_start.config import (
    LOADERS,
    Case,
    Config,
    Training,
    cases,
    data_of,
    recorded,
    start_text,
    task_of,
    weights_file,
)
from experiments.growth_start.specifications import Specification, agreeing, verdicts
from experiments.harness.intervals import mean_interval
from experiments.harness.logbook import Logbook
from experiments.harness.soundness import Sides
from experiments.harness.table import table
from experiments.trainings.growth_result import SIZES
from experiments.trainings.plan import Probe, Task, batches_of
from experiments.trainings.probe import center_map, map_numbers, probing_of, thumbnails, without_box_of

if TYPE_CHECKING:
    from lightning_fabric import Fabric

TOLD_FRESH = (Start.framework_default,)  # starts that are measured with batch norm as constructed, too


@dataclass(frozen=True)
class Untrained:
    """The ERF of the top layer's center unit before training, one entry a seed where there are lists.

    Attributes:
        case: The network and its start.
        fresh: Whether batch norm is as constructed, running mean 0 and variance 1: in eval mode another network than
            the one that is trained, so that these sizes do not count.
        sizes: By measure, of the mean_abs map, random signs, in pixels.
        mean_square_sizes: The same of the mean_square map.
        closed_form_sigma: Of the mean_square map, mean of both axes; None where no closed form holds.
    """

    case: Case
    fresh: bool
    sizes: dict[str, list[float]]
    mean_square_sizes: dict[str, list[float]]
    closed_form_sigma: float | None

    @property
    def text(self) -> str:
        """The start, and whether batch norm is fresh."""
        return f"{self.case.start_text}, fresh" if self.fresh else self.case.start_text

    @property
    def mean_square_sigmas(self) -> list[float]:
        """Standard deviation of the mean_square map, mean of both axes, by seed."""
        axes = zip(self.mean_square_sizes["sigma_rows"], self.mean_square_sizes["sigma_columns"], strict=True)
        return [(rows + columns) / 2 for rows, columns in axes]


@dataclass(frozen=True)
class Result:
    """What is measured before training, and the specification curve of the recorded trainings.

    Arrays: ``before/<data set>_<width>/<start> [h, w]``, the calibrated network's mean_abs map of the first seed, to be
    looked at: float16, with peak 1 and at most 128 pixels a side.
    """

    config: Config
    untrained: tuple[Untrained, ...]
    specifications: tuple[Specification, ...]
    data: str
    arrays: dict[str, np.ndarray]

    def trf_box(self, key: str) -> str:
        """Return why the map of the array ``key`` is shown without the TRF's box."""
        return without_box_of(key, self.arrays[key])

    def layout(self) -> dict[str, Sides]:
        """Return the sides of each array."""
        return {
            _map_name(one.case): (f"h {one.case.data_set}", f"w {one.case.data_set}")
            for one in self.untrained
            if not one.fresh
        }

    def metrics(self) -> dict[str, float]:
        """Return each start's averaged size, mean over seeds, and the share that agrees with growth."""
        sizes = {
            f"averaged_size_{one.case.network}_{one.case.start_text}": float(np.mean(one.sizes["averaged_size"]))
            for one in self.untrained
            if not one.fresh
        }
        if not self.specifications:
            return sizes
        return sizes | {"share_agreeing": agreeing(self.specifications) / len(self.specifications)}


def run(config: Config, logbook: Logbook) -> Result:
    """Measure every start before training, and every training before and after."""
    return launch(make_fabric(resolve_device(config.device)), _run, config, logbook)


def _run(fabric: Fabric, config: Config, logbook: Logbook) -> Result:
    data_sets = {name: load(config.data_dir, config.partial_data) for name, load in LOADERS.items()}
    untrained, arrays = [], {}
    for case in cases(config):
        for fresh in [False, True] if case.start in TOLD_FRESH else [False]:
            measured = _untrained(fabric, config, case, fresh, data_sets[case.data_set], logbook)
            untrained.append(_in_seeds(case, fresh, measured))
            if not fresh:
                arrays[_map_name(case)] = measured[0].map
    specifications = [
        one for name in config.trained for one in _specifications(fabric, config, name, data_sets, logbook)
    ]
    return Result(
        config=replace(config, data_dir=Config.data_dir, fresh=False),  # they say where, not what
        untrained=tuple(untrained),
        specifications=tuple(specifications),
        data=data_of(data_sets),
        arrays=arrays,
    )


def _map_name(case: Case) -> str:
    return f"before/{case.network}/{case.start_text}"


def _untrained(
    fabric: Fabric, config: Config, case: Case, fresh: bool, data: DataSet, logbook: Logbook
) -> list[StartSizes]:
    """Measure one network with every seed."""
    kind, measured = "fresh" if fresh else "before", []
    for seed in range(config.seed, config.seed + config.seeds):
        measure = partial(_measure_untrained, fabric, config, case, fresh, seed, data)
        measured.append(logbook.once(f"{kind}-{case.network}-{case.start_text}-{seed}", StartSizes, measure))
        size = measured[-1].sizes[Statistic.mean_abs][0]
        logbook.scalars({f"averaged_size/{kind}/{case.network}/{case.start_text}": size}, seed)
        logbook.say(f"{case.network}, {case.start_text}, seed {seed}: {size:.1f} pixels {kind}")
    return measured


def _in_seeds(case: Case, fresh: bool, measured: list[StartSizes]) -> Untrained:
    absolute, square = (
        np.stack([one.sizes[statistic] for one in measured], axis=1)
        for statistic in (Statistic.mean_abs, Statistic.mean_square)
    )
    return Untrained(
        case=case,
        fresh=fresh,
        sizes=dict(zip(SIZES, absolute.tolist(), strict=True)),
        mean_square_sizes=dict(zip(SIZES, square.tolist(), strict=True)),
        closed_form_sigma=measured[0].closed_form_sigma,
    )


def _measure_untrained(fabric: Fabric, config: Config, case: Case, fresh: bool, seed: int, data: DataSet) -> StartSizes:
    training = config.training(case, seed)
    task = task_of(fabric, training, data)
    if not fresh:
        _calibrate(fabric, training, task)
    return replace(_measure(training, task, "random_sign"), closed_form_sigma=closed_form_sigma(task.network))


def _calibrate(fabric: Fabric, training: Training, task: Task) -> None:
    calibrate(task.network, batches_of(fabric, training, task.data), training.calibration, fabric.device)


@dataclass(frozen=True)
class StartSizes:
    """What is kept of one network: by statistic its sizes, in the order of SIZES, and a mean_abs map to look at."""

    sizes: dict[Statistic, tuple[float, ...]]
    map: np.ndarray
    closed_form_sigma: float | None = None


def _measure(training: Training, task: Task, aggregation: str) -> StartSizes:
    network = task.network
    probing = probing_of(
        training, network, network.top_layer, task.data.validation, Probe.images, grid=1, of=training.name
    )
    absolute, square = (
        center_map(probing, network, statistic, aggregation)
        for statistic in (Statistic.mean_abs, Statistic.mean_square)
    )
    root = square.with_moment(square.values, Statistic.rms)
    numbers = {imap.statistic: map_numbers(probing, imap) for imap in (absolute, root, square)}
    sizes = {statistic: tuple(some[size] for size in SIZES) for statistic, some in numbers.items()}
    return StartSizes(sizes, thumbnails(absolute.values[None])[0])


def _specifications(
    fabric: Fabric, config: Config, name: str, data_sets: Mapping[str, DataSet], logbook: Logbook
) -> list[Specification]:
    """Return all ways to ask the training ``name`` for growth, and what each answers."""
    weights = weights_file(name).read_bytes()
    data_set, result = recorded(name)
    data = data_sets[data_set]
    if result.data != data.content():
        raise InvalidInput(f"trained={name}: it has learnt other data than those in {config.data_dir}/{data_set}")
    training, specifications = config.here(result.config), []
    for aggregation in config.aggregations:
        before, after = (
            logbook.once(
                f"{when}-{name}-{aggregation}",
                StartSizes,
                partial(_measure_trained, fabric, training, data, some, aggregation),
            )
            for when, some in (("before", None), ("after", weights))
        )
        specifications += _compared(data_set, training, aggregation, before, after)
    return specifications


def _measure_trained(
    fabric: Fabric, training: Training, data: DataSet, weights: bytes | None, aggregation: str
) -> StartSizes:
    """Measure the network that a training began with, or the one with these ``weights``."""
    task = task_of(fabric, training, data)
    if weights is None:
        _calibrate(fabric, training, task)
    else:
        load_weights(task.network, weights)
    return _measure(training, task, aggregation)


def _compared(
    data_set: str, training: Training, aggregation: str, before: StartSizes, after: StartSizes
) -> list[Specification]:
    return [
        Specification(
            data_set=data_set,
            width=_width(training),
            start=start_text(training.start, training.gain),
            seed=training.seed,
            statistic=statistic,
            aggregation=aggregation,
            size=size,
            before=first,
            after=last,
            factor=last / first,
        )
        for statistic in (Statistic.mean_abs, Statistic.rms, Statistic.mean_square)
        for size, first, last in zip(SIZES, before.sizes[statistic], after.sizes[statistic], strict=True)
    ]


def _width(training: Training) -> int:
    """Return the channels of the first layer."""
    return training.widths[0] if isinstance(training, camvid.Config) else training.width


def summary(result: Result) -> Group:
    """Return the table of starts, and what the specification curve says of each data set."""
    starts = table(
        result.untrained, ("network", "case.network"), ("start", "text"),
        ("averaged size by seed", lambda one: ", ".join(f"{size:.1f}" for size in one.sizes["averaged_size"])),
        ("mean", lambda one: np.mean(one.sizes["averaged_size"]), 1),
        ("95 %", lambda one: mean_interval(one.sizes["averaged_size"]), 1),
        ("sigma of mean_square", lambda one: np.mean(one.mean_square_sigmas), 2),
        ("closed form", "closed_form_sigma", 2), title="ERF before training",
    )  # fmt: skip
    return Group(starts, *verdicts(result.specifications))
