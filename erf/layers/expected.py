"""What theory expects of the layers that are measured: their maps over fresh weights, in the mean."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor, nn

from erf.errors import InvalidInput
from erf.maps.influence_map import InfluenceMap
from erf.maps.statistic import Statistic
from erf.metrics.gaussian_fit import fit_gaussian
from erf.reachability.request import Runner
from erf.theory.expected_maps import expected_map

IMAGES = 2  # on which nonlinearities act, where their expectation is not known


@dataclass(frozen=True)
class Expected:
    """The map that is expected of a layer, see :func:`erf.theory.expected_map`, and its ERF size.

    Attributes:
        map: In the statistic that was measured; None where theory does not apply.
        erf_size: Read off it as the measured one is off the measured map; None where that is not possible.
        notes: What must be known about it, or why theory does not apply.
    """

    map: InfluenceMap | None
    erf_size: float | None
    notes: tuple[str, ...]

    @property
    def sigma(self) -> tuple[float, ...] | None:
        """Per axis, standard deviation of the Gaussian fitted to the map; None where there is none."""
        try:
            return self.map and fit_gaussian(self.map).sigma
        except InvalidInput:  # no Gaussian has such a shape
            return None


def with_size(theory: InfluenceMap | str, size: Callable[[InfluenceMap], float]) -> Expected:
    """Return what a map, or the reason why there is none, says; ``size`` is how the measured size was read off."""
    if isinstance(theory, str):
        return Expected(None, None, (f"theory does not apply: {theory}",))
    notes = tuple(f"theory: {finding}" for finding in theory.findings)
    try:
        return Expected(theory, size(theory), notes)
    except InvalidInput as error:
        return Expected(theory, None, (*notes, f"theory has no ERF size: {error}"))


def expected_of(
    network: nn.Module, layers: Sequence[str] | None, units: Any, images: Tensor, statistic: Statistic,
    call: Runner | None, refused: str,
) -> Any:  # fmt: skip
    """Return for each layer its expected map, or those of its units, or why there is none.

    Args:
        network: As for :func:`erf.measure`.
        layers: Their names; None is the network's output.
        units: One of each layer, or a list of units, each of which has an entry.
        images: Some ``[N, C, *input_size]``, the first of which are used.
        statistic: Of the measured maps.
        call: As for :func:`erf.measure`.
        refused: Why theory applies to none of them; empty where it may.
    """

    def of_layer(name: str | None) -> Any:
        try:
            if refused:
                raise InvalidInput(refused)
            maps = expected_map(network, images.shape[2:], name, units, images=images[:IMAGES], call=call)
        except InvalidInput as error:
            return [str(error)] * len(units) if isinstance(units, list) else str(error)
        return [_as(statistic, imap) for imap in maps] if isinstance(maps, list) else _as(statistic, maps)

    return of_layer(None) if layers is None else {name: of_layer(name) for name in layers}


def _as(statistic: Statistic, imap: InfluenceMap) -> InfluenceMap:
    r"""Return an expected mean_square map in another statistic; E|g| is \sqrt{2 / \pi} of the root in wide layers."""
    if statistic is Statistic.mean_square:
        return imap
    factor = math.sqrt(2 / math.pi) if statistic is Statistic.mean_abs else 1.0
    return replace(imap, values=factor * np.sqrt(imap.values), statistic=statistic)
