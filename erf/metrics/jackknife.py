"""What is read off a map of several groups of images, with its 95 % interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import scipy

from erf.errors import InvalidInput
from erf.maps.influence_map import InfluenceMap
from erf.metrics.power_law import TAILS


@dataclass(frozen=True)
class Estimate:
    """A number that is read off the map of all groups.

    Attributes:
        value: Of the map of all.
        left_out: Of the maps without one group each, in the order of the groups; empty for fewer than two groups, and
            where one of these maps has no such number.
    """

    value: float
    left_out: tuple[float, ...] = ()

    @property
    def interval(self) -> tuple[float, float] | None:
        r"""The 95 % interval by the jackknife; None where :attr:`left_out` is empty.

        .. math:: \theta \pm t_{n-1} \sqrt{\frac{n-1}{n} \sum_i (\theta_{-i} - \bar\theta)^2}

        For a mean of groups of as many samples each this is the t interval of the mean.
        """
        n = len(self.left_out)
        if n < 2:
            return None
        half = scipy.special.stdtrit(n - 1, TAILS[1]) * np.sqrt((n - 1) * np.var(self.left_out))
        return float(self.value - half), float(self.value + half)

    def minus(self, other: Estimate) -> Estimate:
        """Return the difference to another number of the same groups of images, which makes it a paired one."""
        pairs = zip(self.left_out, other.left_out, strict=False)
        paired = len(self.left_out) == len(other.left_out)
        return Estimate(self.value - other.value, tuple(mine - its for mine, its in pairs) if paired else ())


def jackknife(groups: Sequence[InfluenceMap], quantity: Callable[[InfluenceMap], float]) -> Estimate:
    """Return ``quantity`` of all maps merged, and without each of them in turn.

    Raises:
        InvalidInput: The maps cannot be merged, or their map has no such quantity.
    """
    value = quantity(reduce(InfluenceMap.merge, groups))
    others = [[*groups[:i], *groups[i + 1 :]] for i in range(len(groups))] if len(groups) > 1 else []
    try:
        return Estimate(value, tuple(quantity(reduce(InfluenceMap.merge, maps)) for maps in others))
    except InvalidInput:  # one of them is 0 everywhere, or at its center
        return Estimate(value)
