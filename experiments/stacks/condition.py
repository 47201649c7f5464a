"""How every condition of an experiment is measured: once, as a map over runs and quantities of it with their spread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np

from erf import GaussianFit, InfluenceMap
from experiments.harness.intervals import bootstrap_maps, middle, resampled
from experiments.harness.logbook import Logbook
from experiments.harness.marginals import resampled_means

T = TypeVar("T")
C = TypeVar("C", bound=tuple[Any, ...])
Quantity = Callable[[InfluenceMap], float]


@dataclass(frozen=True)
class Estimate:
    """A quantity of the map over all runs, and of the maps of runs drawn anew, ``[B]``."""

    value: float
    resampled: np.ndarray


@dataclass(frozen=True)
class Condition:
    """What is kept of the runs of one condition.

    Attributes:
        imap: The map over them.
        estimates: Quantities of it, by name.
        largest_deviation: The largest difference from the exact map, in standard errors over runs; None where there is
            no exact map.
    """

    imap: InfluenceMap
    estimates: dict[str, Estimate]
    largest_deviation: float | None = None

    @property
    def runs(self) -> int:
        """The runs in the map."""
        return int(self.imap.samples)

    def row(self, **predicted: float) -> dict[str, Any]:
        """Return the fields of these estimates in a result: value, 95 % interval, and what theory predicts.

        And the largest deviation, where there is an exact map.
        """
        fields: dict[str, Any] = {}
        if self.largest_deviation is not None:
            fields["largest_deviation"] = self.largest_deviation
        for name, prediction in predicted.items():
            estimate = self.estimates[name]
            fields[name], fields[f"{name}_interval"] = estimate.value, middle(estimate.resampled)
            fields[f"predicted_{name}"] = prediction
        return fields


def estimates_of(
    moments: np.ndarray,
    imap: InfluenceMap,
    quantities: Mapping[str, Quantity],
    replicates: int,
    seed: int,
    paired: bool = False,
) -> dict[str, Estimate]:
    """Return the estimates of ``quantities``.

    Args:
        moments: The runs' moment maps ``[R, H, W]``.
        imap: The map over them.
        quantities: Of a map, by name.
        replicates: How often runs are drawn anew.
        seed: Of these draws.
        paired: Whether runs that are 0 everywhere are drawn like others, so that one seed draws the same runs of all
            conditions.
    """
    resample = resampled if paired else bootstrap_maps
    return {
        name: Estimate(quantity(imap), resample(moments, imap, quantity, replicates, seed))
        for name, quantity in quantities.items()
    }


def line_estimate(
    lines: np.ndarray, quantity: Callable[[np.ndarray], np.ndarray], replicates: int, seed: int
) -> Estimate:
    """Return the estimate of a ``quantity`` of marginals ``[..., 2, S]``; the runs' are ``lines [R, 2, S]``.

    Runs that are 0 everywhere are drawn like others, so that one seed draws the same runs of all conditions.
    """
    return Estimate(float(quantity(lines.mean(0))), quantity(resampled_means(lines, replicates, seed)))


def measure_each(
    logbook: Logbook, kind: type[T], measure: Callable[..., T], conditions: Iterable[C], description: str
) -> Iterator[tuple[C, T]]:
    """Yield each condition and ``measure(*condition)``, of type ``kind``, which the logbook keeps by the condition."""
    for condition in logbook.progress(list(conditions), description):
        yield condition, logbook.once("-".join(map(str, condition)), kind, partial(measure, *condition))


def log_condition(
    logbook: Logbook, label: object, step: int, imap: InfluenceMap, fit: GaussianFit | None, **numbers: float
) -> None:
    """Log the map of a condition, with its fit, and its numbers, each under its name and ``label``."""
    logbook.map(f"map/{label}", imap, fit, step)
    logbook.scalars({f"{name}/{label}": number for name, number in numbers.items()}, step)
