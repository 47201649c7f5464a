"""Inset of Figure 2: strides, poolings and dilation enlarge the ERF (section 2.5).

Claim F2b: of 15 convolutions, three with stride 2, or three dilated by 2, 4 and 8; both enlarge the ERF quickly, and
the dilated map looks rectangular. The paper does not say which three: several placements are measured, all predicted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations, islice

import numpy as np
from rich.console import Group

from erf import InfluenceMap, erf_size, fit_gaussian
from erf.metrics.erf_size import center_value
from erf.metrics.gaussian_fit import map_moments
from erf.metrics.grid_average import grid_average
from erf.seeds import derive
from experiments.harness.intervals import Interval, middle
from experiments.harness.logbook import Logbook
from experiments.harness.soundness import Sides
from experiments.harness.table import measured, table
from experiments.stacks.condition import Condition, Quantity, estimates_of, log_condition, measure_each
from experiments.stacks.drawn_networks import exact_map, measure_draws
from experiments.stacks.paper_stacks import Stream, averaged_size, mean_sigma, require_runs
from experiments.subsampling.variants import STRIDE, Config, Variant, placed, variant_stack

# Placements that are predicted where there are more: evenly spaced ones, in lexicographic order.
PLACEMENTS = 1000


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


def run(config: Config, logbook: Logbook) -> Result:
    """Measure every variant, and predict all placements of the strided layers."""
    arrays: dict[str, np.ndarray] = {}
    conditions = ((variant,) for variant in config.measured)
    measured = dict(measure_each(logbook, Condition, partial(_measure, config), conditions, "measuring stacks"))
    variants = []
    for (variant,), condition in measured.items():
        imap, exact = condition.imap, exact_map(variant_stack(config, variant).theory(), config.statistic)
        one = _report(config, variant, condition, exact, measured[(Variant.plain,)])
        variants.append(one)
        arrays |= {
            f"map/{variant}": imap.values / imap.values.max(),
            f"theory/{variant}": exact.values / exact.values.max(),
        }
        numbers = {name: getattr(one, name) for name in ("size", "ratio", "sigma", "kurtosis")}
        log_condition(logbook, variant, 0, imap, fit_gaussian(imap), **numbers, skipped_runs=one.skipped)
    predicted = logbook.once("placements", Placements, partial(_predict_placements, config))
    arrays |= {"placements": predicted.layers, "placement_sizes": predicted.sizes}
    return Result(config, tuple(variants), arrays)


def _quantities(period: int) -> dict[str, Quantity]:
    return {"size": partial(averaged_size, period), "kurtosis": _kurtosis}


def _measure(config: Config, variant: Variant) -> Condition:
    stack = variant_stack(config, variant)
    draws = measure_draws(config, stack.network, stack.trf_size, config.runs, config.seed)
    imap = draws.imap()
    require_runs(imap, config.kind, config.depth, least=2)
    # One seed for all variants: each resampling takes the same runs of each, which pairs them.
    seed, quantities = derive(config.seed, Stream.bootstrap), _quantities(stack.period)
    return Condition(imap, estimates_of(draws.moments, imap, quantities, config.bootstrap, seed, paired=True))


def _kurtosis(imap: InfluenceMap) -> float:
    return float(map_moments(imap).excess_kurtosis.mean())


def _report(config: Config, variant: Variant, condition: Condition, exact: InfluenceMap, plain: Condition) -> Measured:
    stack, imap = variant_stack(config, variant), condition.imap
    sizes, without = (one.estimates["size"].resampled for one in (condition, plain))
    return Measured(
        variant=variant,
        strides=stack.strides,
        dilations=stack.dilations,
        trf_size=stack.trf_size,
        period=stack.period,
        runs=condition.runs,
        skipped=imap.skipped,
        **condition.row(**{name: quantity(exact) for name, quantity in _quantities(stack.period).items()}),
        excess=None if variant is Variant.plain else middle(sizes - without),
        peak_size=erf_size(imap, "peak"),
        sigma=mean_sigma(imap),
        predicted_sigma=mean_sigma(exact),
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
        strides = placed(config.depth, layers, [STRIDE] * config.subsampled)
        stack = replace(variant_stack(config, Variant.plain), strides=strides)
        sizes.append(averaged_size(stack.period, exact_map(stack.theory(), config.statistic)))
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
