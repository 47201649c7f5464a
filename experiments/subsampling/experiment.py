"""Inset of Figure 2: strides, poolings and dilation enlarge the ERF (section 2.5).

Claim F2b: of 15 convolutions, three with stride 2, or three dilated by 2, 4 and 8; both enlarge the ERF quickly, and
the dilated map looks rectangular. The paper does not say which three: several placements are measured, all predicted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from itertools import combinations, islice

import numpy as np
from rich.console import Group

from erf import InfluenceMap, InvalidInput, erf_size, fit_gaussian
from erf.metrics.erf_size import center_value
from erf.metrics.gaussian_fit import map_moments
from erf.metrics.grid_average import grid_average
from erf.networks.subsampled_stack import Pooling, SubsampledStack
from erf.seeds import derive
from experiments.harness.experiment import option
from experiments.harness.intervals import Interval, middle, resampled
from experiments.harness.logbook import Logbook
from experiments.harness.soundness import Sides
from experiments.harness.table import measured, table
from experiments.harness.validation import require_at_least, require_choices
from experiments.stacks.drawn_networks import exact_map, measure_draws
from experiments.stacks.paper_stacks import Kind, StackConfig, measured_map, require_runs, stack_of

STRIDE = 2  # the paper's (inset of Figure 2)
# Numbers kept in memory for each variant, one a run and pixel: 1.6 GB.
LARGEST = 2 * 10**8
# Placements that are predicted where there are more: evenly spaced ones, in lexicographic order.
PLACEMENTS = 1000


class Variant(StrEnum):
    """What some of the layers have that those of a plain stack have not."""

    plain = "plain"
    early_strides = "early_strides"
    spread_strides = "spread_strides"
    late_strides = "late_strides"
    average_pooling = "average_pooling"
    max_pooling = "max_pooling"
    dilation = "dilation"
    dilated_throughout = "dilated_throughout"

    @property
    def pooling(self) -> Pooling:
        """What subsamples."""
        of_variant = {Variant.average_pooling: Pooling.average, Variant.max_pooling: Pooling.max}
        return of_variant.get(self, Pooling.none)


# The claim is about these; poolings and the stack dilated throughout are shown beside them.
STRIDED = (Variant.early_strides, Variant.spread_strides, Variant.late_strides)


@dataclass
class Config(StackConfig):
    """Which stacks are compared with the plain one of the same depth."""

    name: str = option("subsampling", "the experiment's name, fixed; it names the folder of results")
    variants: list[Variant] = option([v for v in Variant if v is not Variant.plain], "compared with the plain stack")
    kind: Kind = option(Kind.random, "of all stacks; random has no nonlinearity and an exact map")
    depth: int = option(15, "number of convolutions")
    subsampled: int = option(3, "how many of them have stride 2, or a pooling by 2 after them")
    dilations: list[int] = option([2, 4, 8], "of the dilated layers of the variant dilation, from the first on")
    runs: int = option(400, "draws of weights and inputs for each variant")
    bootstrap: int = option(1000, "resamplings of the runs for each interval")

    def __post_init__(self) -> None:
        super().__post_init__()
        require_choices("variants", self.variants)
        require_at_least(1, subsampled=self.subsampled, bootstrap=self.bootstrap)
        require_at_least(2, runs=self.runs, depth=self.depth)
        if Variant.plain in self.variants:
            raise InvalidInput("variants: plain is measured in any case; allowed are the others")
        if self.kind is Kind.uniform:
            raise InvalidInput("kind=uniform has no runs to average over; allowed are the random kinds")
        if self.subsampled > self.depth:
            raise InvalidInput(f"subsampled={self.subsampled}: allowed are 1 to depth={self.depth} layers")
        if not 1 <= len(self.dilations) <= self.depth or min(self.dilations) < 1:
            raise InvalidInput(f"dilations={self.dilations}: allowed are 1 to depth={self.depth} whole numbers from 1")
        for variant in self.measured:
            self._require_memory(variant)

    @property
    def measured(self) -> list[Variant]:
        """All variants, the plain one first."""
        return [Variant.plain, *self.variants]

    def _require_memory(self, variant: Variant) -> None:
        side = variant_stack(self, variant).trf_size
        if self.runs * side**2 > LARGEST:
            raise InvalidInput(
                f"runs={self.runs}, depth={self.depth}, subsampled={self.subsampled}, dilations={self.dilations}: "
                f"{variant} has a theoretical field of {side} pixels, whose maps of all runs take "
                f"{8e-9 * self.runs * side**2:.1f} GB; allowed are {8e-9 * LARGEST:.1f}"
            )


@dataclass(frozen=True)
class Measured:
    """One variant; sizes and sigmas in pixels, intervals 95 % over runs.

    Attributes:
        variant: Which one.
        strides: Of each layer, or of the pooling after it.
        dilations: Of each layer.
        trf_size: Side of the theoretical receptive field.
        period: Of the grid in the map, in pixels.
        runs: Runs in the map.
        skipped: Runs that were 0 everywhere.
        size: ERF size on the map averaged over the grid's period.
        size_interval: Its interval.
        predicted_size: That of the exact map (mean_abs: of wide layers), averaged alike.
        excess: Interval of this size minus the plain stack's, whose runs have the same weights; None for the plain one.
        peak_size: ERF size counted on the map as it is, its threshold relative to the peak.
        sigma: Root of the mean of the two axes' variances.
        predicted_sigma: That of the exact map.
        kurtosis: Excess kurtosis, mean of both axes: 0 for a Gaussian, -1.2 for a box.
        kurtosis_interval: Its interval.
        predicted_kurtosis: That of the exact map.
        center_share: The exact map's value at the unit's center over that of its average over the period.
        holes: Share of the exact map's pixels that are 0.
    """

    variant: Variant
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    trf_size: int
    period: int
    runs: int
    skipped: int
    size: float
    size_interval: Interval
    predicted_size: float
    excess: Interval | None
    peak_size: float
    sigma: float
    predicted_sigma: float
    kurtosis: float
    kurtosis_interval: Interval
    predicted_kurtosis: float
    center_share: float
    holes: float

    @property
    def ratio(self) -> float:
        """ERF size / TRF size."""
        return self.size / self.trf_size


@dataclass(frozen=True)
class Result:
    """All variants.

    Arrays: ``map/<variant> [S, S]``, measured, and ``theory/<variant> [S, S]``, exact, of peak 1; of the strided layers
    ``placements [P, m]``, their numbers from 1, and ``placement_sizes [P]``, predicted as ``predicted_size``.
    """

    config: Config
    variants: tuple[Measured, ...]
    arrays: dict[str, np.ndarray]

    def of_variant(self, variant: Variant) -> Measured:
        """Return what was measured of one variant."""
        return next(measured for measured in self.variants if measured.variant is variant)

    def layout(self) -> dict[str, Sides]:
        """Return the sides of each array."""
        maps: dict[str, Sides] = {
            f"{of}/{measured.variant}": (measured.trf_size, measured.trf_size)
            for measured in self.variants
            for of in ("map", "theory")
        }
        return maps | {"placements": ("P", self.config.subsampled), "placement_sizes": ("P",)}

    def metrics(self) -> dict[str, float]:
        """Return each variant's size."""
        return {f"size_{measured.variant}": measured.size for measured in self.variants}


def variant_stack(config: Config, variant: Variant) -> SubsampledStack:
    """Return the family of networks of a variant."""
    depth = config.depth
    strides, dilations = (1,) * depth, (1,) * depth
    match variant:
        case Variant.early_strides:
            strides = _placed(depth, range(config.subsampled), [STRIDE] * config.subsampled)
        case Variant.late_strides:
            strides = _placed(depth, range(depth - config.subsampled, depth), [STRIDE] * config.subsampled)
        case Variant.spread_strides | Variant.average_pooling | Variant.max_pooling:
            strides = _placed(depth, _spread(depth, config.subsampled), [STRIDE] * config.subsampled)
        case Variant.dilation:
            dilations = _placed(depth, _spread(depth, len(config.dilations)), config.dilations)
        case Variant.dilated_throughout:
            dilations = (2,) * depth
        case Variant.plain:
            pass
    return SubsampledStack(stack_of(config, config.kind, depth), strides, dilations, variant.pooling)


def _spread(depth: int, layers: int) -> list[int]:
    """Return so many layers, evenly spaced: three of 15 are the 4th, 8th and 12th."""
    return [depth * (i + 1) // (layers + 1) for i in range(layers)] if layers < depth else list(range(depth))


def _placed(depth: int, at: range | list[int] | tuple[int, ...], values: list[int]) -> tuple[int, ...]:
    by_layer = dict(zip(at, values, strict=True))
    return tuple(by_layer.get(layer, 1) for layer in range(depth))


def run(config: Config, logbook: Logbook) -> Result:
    """Measure every variant, and predict all placements of the strided layers."""
    arrays: dict[str, np.ndarray] = {}
    variants: list[Measured] = []
    found: dict[Variant, Kept] = {}
    for variant in logbook.progress(config.measured, "measuring stacks"):
        found[variant] = logbook.once(str(variant), Kept, partial(_measure, config, variant))
        exact = exact_map(variant_stack(config, variant).theory(), config.statistic)
        skipped = found[variant].skipped
        imap = measured_map(config, found[variant].values, config.runs - skipped, skipped)
        measured = _report(config, variant, imap, exact, found[variant], found[Variant.plain])
        variants.append(measured)
        arrays |= {
            f"map/{variant}": imap.values / imap.values.max(),
            f"theory/{variant}": exact.values / exact.values.max(),
        }
        logbook.map(f"map/{variant}", imap, fit_gaussian(imap), 0)
        numbers = {"size": measured.size, "ratio": measured.ratio, "sigma": measured.sigma}
        numbers |= {"kurtosis": measured.kurtosis, "skipped_runs": measured.skipped}
        logbook.scalars({f"{name}/{variant}": value for name, value in numbers.items()}, 0)
    predicted = logbook.once("placements", Placements, partial(_predict_placements, config))
    arrays |= {"placements": predicted.layers, "placement_sizes": predicted.sizes}
    return Result(config, tuple(variants), arrays)


@dataclass(frozen=True)
class Kept:
    """What is kept of one variant: its map, and numbers of the maps of resampled runs."""

    values: np.ndarray
    skipped: int
    sizes: np.ndarray
    kurtoses: np.ndarray


def _measure(config: Config, variant: Variant) -> Kept:
    stack = variant_stack(config, variant)
    draws = measure_draws(config, stack.network, stack.trf_size, config.runs, config.seed)
    imap = draws.imap()
    require_runs(imap, config.kind, config.depth, least=2)
    size = partial(_averaged_size, period=stack.period)
    # One seed for all variants: each resampling takes the same runs of each, which pairs them.
    seed = derive(config.seed, 1)
    return Kept(
        values=imap.values,
        skipped=imap.skipped,
        sizes=resampled(draws.moments, imap, size, config.bootstrap, seed),
        kurtoses=resampled(draws.moments, imap, _kurtosis, config.bootstrap, seed),
    )


def _averaged_size(imap: InfluenceMap, period: int) -> float:
    return erf_size(grid_average(imap, period))


def _kurtosis(imap: InfluenceMap) -> float:
    return float(map_moments(imap).excess_kurtosis.mean())


def _sigma(imap: InfluenceMap) -> float:
    return math.sqrt(np.mean(np.square(map_moments(imap).sigma)))


def _report(
    config: Config, variant: Variant, imap: InfluenceMap, exact: InfluenceMap, found: Kept, plain: Kept
) -> Measured:
    stack = variant_stack(config, variant)
    size_interval, kurtosis_interval = middle(found.sizes), middle(found.kurtoses)
    assert size_interval, "the config asks for one resampling at least"
    assert kurtosis_interval
    return Measured(
        variant=variant,
        strides=stack.strides,
        dilations=stack.dilations,
        trf_size=stack.trf_size,
        period=stack.period,
        runs=int(imap.samples),
        skipped=found.skipped,
        size=_averaged_size(imap, stack.period),
        size_interval=size_interval,
        predicted_size=_averaged_size(exact, stack.period),
        excess=None if variant is Variant.plain else middle(found.sizes - plain.sizes),
        peak_size=erf_size(imap, "peak"),
        sigma=_sigma(imap),
        predicted_sigma=_sigma(exact),
        kurtosis=_kurtosis(imap),
        kurtosis_interval=kurtosis_interval,
        predicted_kurtosis=_kurtosis(exact),
        center_share=center_value(exact) / center_value(grid_average(exact, stack.period)),
        holes=float(np.mean(exact.values == 0)),
    )


@dataclass(frozen=True)
class Placements:
    """What is kept of the placements of strided layers ``[N, strided]``, counted from 1, and of their sizes ``[N]``."""

    layers: np.ndarray
    sizes: np.ndarray


def _predict_placements(config: Config) -> Placements:
    placements = list(_placements(config))
    sizes = []
    for layers in placements:
        strides = _placed(config.depth, layers, [STRIDE] * config.subsampled)
        stack = replace(variant_stack(config, Variant.plain), strides=strides)
        sizes.append(_averaged_size(exact_map(stack.theory(), config.statistic), stack.period))
    return Placements(np.array(placements) + 1, np.array(sizes))


def _placements(config: Config) -> Iterator[tuple[int, ...]]:
    step = math.ceil(math.comb(config.depth, config.subsampled) / PLACEMENTS)
    return islice(combinations(range(config.depth), config.subsampled), 0, None, step)


def summary(result: Result) -> Group:
    """Return the tables of sizes, of shapes and grids, and of the range over placements."""
    sized = table(
        result.variants, "variant", ("TRF", "trf_size"), *measured("ERF size", "size", 1),
        ("- plain, 95 %", "excess", 1), ("ratio", "ratio", 3), ("by peak", "peak_size", 1), "runs", "skipped",
    )  # fmt: skip
    shaped = table(
        result.variants, "variant", ("sigma", "sigma", 2), ("theory", "predicted_sigma", 2),
        *measured("kurtosis", "kurtosis", 2), ("grid", "period"), ("center / mean", "center_share", 2),
        ("holes", lambda m: f"{m.holes:.0%}"),
    )  # fmt: skip
    sizes, layers = result.arrays["placement_sizes"], result.arrays["placements"]
    places = table(
        (("smallest", sizes.argmin()), ("largest", sizes.argmax())),
        ("predicted over placements", lambda row: f"{row[0]} of {len(sizes)}"),
        ("strided layers", lambda row: ", ".join(map(str, layers[row[1]]))), ("ERF size", lambda row: sizes[row[1]], 1),
    )  # fmt: skip
    return Group(sized, shaped, places)
