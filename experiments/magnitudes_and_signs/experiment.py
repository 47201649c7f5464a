"""The trained side of Figure 3: does an ERF change by the magnitudes of the weights, or by their signs? (2.2, 3.2).

No claim of the paper. The theory of random weights, carried on to one network's magnitudes, gives the ERF that they
would have with random signs. What is beyond it is in the signs: in how weights are arranged.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Group

from erf import InfluenceMap, effective_receptive_field, erf_size
from erf.arguments.device import resolve_device
from erf.data.split import DataSet
from erf.maps.statistic import Statistic
from erf.metrics.grid_average import grid_average_inside
from erf.networks.camvid_frontend import CamvidFrontend
from erf.networks.cifar_resnet import CifarResNet
from erf.seeds import SIGNS, derive, generator
from erf.theory import expected_map
from erf.training.checkpoints import load_weights
from erf.training.loop import calibrate
from erf.training.processes import launch, make_fabric
from experiments.growth_start.config import LOADERS, Case, data_of, task_of
from experiments.harness.intervals import Interval, Mean, interval_of, resampled, widened
from experiments.harness.logbook import Logbook
from experiments.harness.soundness import Sides
from experiments.harness.table import table
from experiments.magnitudes_and_signs.config import Config, Network, When
from experiments.magnitudes_and_signs.random_signs import draw_signs_
from experiments.trainings.plan import Probe, batches_of
from experiments.trainings.probe import Probing, probing_of, thumbnails, without_box_of

if TYPE_CHECKING:
    from lightning_fabric import Fabric

IMAGES, DRAWS = 1, 2  # streams of the seed for resampling


class Kind(StrEnum):
    """Which map of a network: with its own signs or random ones, measured or expected from squares."""

    measured = "measured"
    expected = "expected"
    random_signs = "random_signs"
    expected_random_signs = "expected_random_signs"


@dataclass(frozen=True)
class Estimate:
    """A number in pixels and its 95 % interval."""

    value: float
    interval: Interval

    @property
    def text(self) -> str:
        """The number with its interval, for a table."""
        return f"{self.value:.1f} ({self.interval[0]:.1f} to {self.interval[1]:.1f})"


@dataclass(frozen=True)
class Epoch:
    """A network at one epoch of its training: the ERF size of each kind of its map.

    All are rms maps of the top layer's center unit, averaged over the grid's period. ``measured`` and ``expected`` are
    means over the same images, resampled together; ``expected`` has the network's own gates and batch norm. The other
    two are means over draws of signs, after which batch norm's statistics are estimated anew.
    """

    case: Case
    seed: int
    when: When
    number: int
    sizes: dict[Kind, Estimate]


@dataclass(frozen=True)
class Change:
    """How the measured size of one training changes from its first to its best epoch, and the parts of that, in pixels.

    ``magnitudes`` is the change with random signs, ``signs`` the rest.
    """

    case: Case
    seed: int
    all: Estimate
    magnitudes: Estimate
    signs: Estimate


@dataclass(frozen=True)
class Arm:
    """The same, means over trainings from one start; None for intervals of a single one."""

    case: Case
    all: Mean
    magnitudes: Mean
    signs: Mean


PARTS = ("all", "magnitudes", "signs")


@dataclass(frozen=True)
class Result:
    """All networks at all epochs, and the parts of their changes.

    Arrays: ``KIND/<network>/<start>/WHEN [h, w]``, rms maps of the first seed, to be looked at: float16, with peak 1
    and at most 128 pixels a side.
    """

    config: Config
    epochs: tuple[Epoch, ...]
    changes: tuple[Change, ...]
    arms: tuple[Arm, ...]
    data: str
    arrays: dict[str, np.ndarray]

    def trf_box(self, key: str) -> str:
        """Return why the map of the array ``key`` is shown without the TRF's box."""
        return without_box_of(key, self.arrays[key])

    def layout(self) -> dict[str, Sides]:
        """Return the sides of each array."""
        first = [epoch for epoch in self.epochs if epoch.seed == 0]
        sides = {name: (f"h {name}", f"w {name}") for name in self.config.data_sets}
        return {_map_name(kind, one.case, one.when): sides[one.case.data_set] for one in first for kind in Kind}

    def metrics(self) -> dict[str, float]:
        """Return the mean change of each start's size and its parts; where nothing is trained, the mean size."""
        changes = {
            f"{part}_{arm.case.network}_{arm.case.start_text}": getattr(arm, part).value
            for arm in self.arms
            for part in PARTS
        }
        return changes or {
            f"first_{case.network}_{case.start_text}": float(np.mean([one.sizes[Kind.measured].value for one in own]))
            for case, own in by_case(self.epochs).items()
        }


def by_case(epochs: Sequence[Epoch]) -> dict[Case, list[Epoch]]:
    """Return the epochs of each case."""
    return {case: [one for one in epochs if one.case == case] for case in dict.fromkeys(one.case for one in epochs)}


def run(config: Config, logbook: Logbook) -> Result:
    """Measure every network before and after training, with its own signs and with random ones."""
    return launch(make_fabric(resolve_device(config.device)), _run, config, logbook)


def _run(fabric: Fabric, config: Config, logbook: Logbook) -> Result:
    data_sets = {name: LOADERS[name](config.data_dir, config.partial_data) for name in config.data_sets}
    epochs, changes, arrays = [], [], {}
    for network in config.networks():
        case, of_network = network.case, {}
        numbers = network.epochs(data_sets[case.data_set]) if config.trained else {When.first: 0}
        for when, number in numbers.items():
            measure = partial(_measure, fabric, config, network, when, data_sets[case.data_set])
            measured = of_network[when] = logbook.once(f"{network.key}-{when}", KindSizes, measure)
            epochs.append(Epoch(case, network.seed, when, number, _estimates(measured)))
            names = {kind: f"size/{kind}/{case.network}/{case.start_text}/{network.seed}" for kind in Kind}
            logbook.scalars({names[kind]: size.value for kind, size in epochs[-1].sizes.items()}, number)
            texts = ", ".join(f"{kind} {size.value:.1f}" for kind, size in epochs[-1].sizes.items())
            logbook.say(f"{network.key}, {when}: {texts} pixels")
            if network.seed == 0:
                arrays |= {_map_name(kind, case, when): map_ for kind, map_ in zip(Kind, measured.maps, strict=True)}
        if When.best in of_network:
            changes.append(_change(network, of_network[When.first], of_network[When.best]))
    return Result(
        config=replace(config, data_dir=Config.data_dir, fresh=False),  # they say where, not what
        epochs=tuple(epochs),
        changes=tuple(changes),
        arms=tuple(_arm(case, changes) for case in dict.fromkeys(one.case for one in changes)),
        data=data_of(data_sets),
        arrays=arrays,
    )


def _map_name(kind: Kind, case: Case, when: When) -> str:
    return f"{kind}/{case.network}/{case.start_text}/{when}"


@dataclass(frozen=True)
class KindSizes:
    """What is kept of a network at one epoch, by kind: sizes ``[K]``, replicates ``[K, B]``, maps ``[K, h, w]``."""

    sizes: np.ndarray
    resampled: np.ndarray
    maps: np.ndarray


def _measure(fabric: Fabric, config: Config, asked: Network, when: When, data: DataSet) -> KindSizes:
    training = asked.training(config)
    network = task_of(fabric, training, data).network
    batches = batches_of(fabric, training, data)
    recalibrate = partial(calibrate, batches=batches, count=training.calibration, device=fabric.device)
    if when == When.first:
        recalibrate(network)
    else:
        load_weights(network, asked.weights(when).read_bytes())
    probing = probing_of(training, network, network.top_layer, data.validation, Probe.images, grid=1, of=training.name)
    own = [_both(network, probing, slice(index, index + 1), config.seed) for index in range(training.images)]
    random = []
    for draw in range(config.draws):
        null = copy.deepcopy(network)
        draw_signs_(null, generator(config.seed, draw, SIGNS))
        recalibrate(null)
        random.append(_both(null, probing, slice(None), config.seed, expected_on=draw % training.images))
    kinds = [*zip(*own, strict=True), *zip(*random, strict=True)]
    return _kind_sizes(config, kinds, probing.period)


def _both(
    network: CifarResNet | CamvidFrontend, probing: Probing, which: slice, seed: int, expected_on: int | None = None
) -> tuple[InfluenceMap, InfluenceMap]:
    """Return the mean_square maps over some images, measured and expected; the latter perhaps on one image alone."""
    images, unit, layer = probing.images[which], probing.units[0], probing.layer
    measured = effective_receptive_field(
        network, images, layer, unit, Statistic.mean_square, seed=seed, first_sample=which.start or 0
    )
    gates = images if expected_on is None else probing.images[expected_on : expected_on + 1]
    return measured, expected_map(network, images.shape[2:], layer, unit, weights="squared", images=gates)


def _kind_sizes(config: Config, kinds: Sequence[Sequence[InfluenceMap]], period: tuple[int, ...]) -> KindSizes:
    """Return the sizes and maps of each kind, from its mean_square maps of images or draws."""
    sizes, replicates, maps = [], [], []
    for maps_of_kind, stream in zip(kinds, (IMAGES, IMAGES, DRAWS, DRAWS), strict=True):
        moments = np.stack([imap.values for imap in maps_of_kind])
        mean = maps_of_kind[0].with_moment(moments.mean(0), Statistic.rms)
        sizes.append(_size(period, mean))
        drawn = resampled(moments, mean, partial(_size, period), config.bootstrap, derive(config.seed, stream))
        replicates.append(widened(drawn, sizes[-1], len(moments)))
        maps.append(mean.values)
    return KindSizes(np.array(sizes), np.stack(replicates), thumbnails(np.stack(maps)))


def _size(period: tuple[int, ...], imap: InfluenceMap) -> float:
    return erf_size(grid_average_inside(imap, period))


def _estimates(measured: KindSizes) -> dict[Kind, Estimate]:
    each = zip(Kind, measured.sizes, measured.resampled, strict=True)
    return {kind: Estimate(float(size), interval_of(replicates)) for kind, size, replicates in each}


def _change(network: Network, first: KindSizes, best: KindSizes) -> Change:
    """Return how the size changes, and its parts; resampled images and draws are the same at both epochs."""
    measured, null = (list(Kind).index(kind) for kind in (Kind.measured, Kind.random_signs))
    values, replicates = best.sizes - first.sizes, best.resampled - first.resampled
    parts = {
        "all": (values[measured], replicates[measured]),
        "magnitudes": (values[null], replicates[null]),
        "signs": (values[measured] - values[null], replicates[measured] - replicates[null]),
    }
    estimates = {part: Estimate(float(value), interval_of(drawn)) for part, (value, drawn) in parts.items()}
    return Change(network.case, network.seed, **estimates)


def _arm(case: Case, changes: Sequence[Change]) -> Arm:
    own = [one for one in changes if one.case == case]
    return Arm(case, **{part: Mean.of([getattr(one, part).value for one in own]) for part in PARTS})


def summary(result: Result) -> Group:
    """Return the tables of sizes and of their changes."""
    sizes = [(kind.replace("_", " "), lambda one, kind=kind: one.sizes[kind].text) for kind in Kind]
    network = ("network", "case.network"), ("start", "case.start_text")
    changes = [(part, lambda one, part=part: getattr(one, part).text) for part in PARTS]
    return Group(
        table(result.epochs, *network, "seed", ("epoch", lambda one: f"{one.when}, {one.number}"), *sizes,
              title="ERF size, rms, averaged over the grid's period (95 %)"),
        table(result.changes, *network, "seed", *changes, title="its change in training, and the parts of it"),
        table(result.arms, *network, *((part, part, 1) for part in PARTS), title="means over seeds"),
    )  # fmt: skip
