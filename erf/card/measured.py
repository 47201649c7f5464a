"""What a card reads of a measured network: its layers, and on what they were measured; see ``erf.measurement``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from erf.maps.influence_map import InfluenceMap
from erf.metrics.comparison import Comparison
from erf.metrics.erf_size import Reference
from erf.reachability.receptive_field import ReceptiveField


class ExpectedLayer(Protocol):
    """What theory expects of a layer."""

    @property
    def erf_size(self) -> float | None:
        """Read off as the measured one is; None where theory does not apply."""
        ...


class MeasuredLayer(Protocol):
    """One layer; what cannot be read off an empty map is None."""

    @property
    def name(self) -> str:
        """Of the module."""
        ...

    @property
    def field(self) -> ReceptiveField:
        """The theoretical field of its unit."""
        ...

    @property
    def map(self) -> InfluenceMap:
        """The influence map of its unit."""
        ...

    @property
    def erf_size(self) -> float | None:
        """Averaged over the grid's period, in pixels."""
        ...

    @property
    def raw_size(self) -> float | None:
        """The paper's, without averaging."""
        ...

    @property
    def interval(self) -> tuple[float, float] | None:
        """That of the size, 95 %."""
        ...

    @property
    def reference(self) -> Reference | None:
        """What the size's threshold is relative to."""
        ...

    @property
    def cut(self) -> tuple[bool, ...] | None:
        """Per axis, whether the image ends where the ERF does not."""
        ...

    @property
    def ratio(self) -> float | None:
        """ERF size over the side of the TRF."""
        ...

    @property
    def sigma(self) -> tuple[float, ...] | None:
        """Per axis, standard deviation of the Gaussian fit, where it says something."""
        ...

    @property
    def r50(self) -> float | None:
        """Radius that holds half of the influence."""
        ...

    @property
    def r95(self) -> float | None:
        """Radius that holds 95 % of it."""
        ...

    @property
    def expected(self) -> ExpectedLayer | None:
        """What theory expects; None where that was not asked for."""
        ...

    @property
    def comparison(self) -> Comparison:
        """What the theoretical and the effective field say about each other."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """What the reader must know, one sentence each."""
        ...


class MeasuredOn(Protocol):
    """What was measured, on what, and how."""

    @property
    def network(self) -> str:
        """What it is called."""
        ...

    @property
    def images(self) -> str:
        """On what was measured, in words."""
        ...

    @property
    def command(self) -> str:
        """Of the terminal, that measures the same again; empty where it was a call."""
        ...

    @property
    def example(self) -> np.ndarray | None:
        """The first of the user's images ``[channels, rows, columns]``; None where they are noise."""
        ...

    @property
    def seed(self) -> int:
        """Of noise and of random signs."""
        ...

    @property
    def mode(self) -> str:
        """ "eval", or "as_is"."""
        ...
