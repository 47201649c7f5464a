"""95 % intervals of what is read off a map, from maps of groups of images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce

import numpy as np
import scipy

from erf.maps.influence_map import InfluenceMap
from erf.metrics.power_law import TAILS


def jackknife_interval(
    maps: Sequence[InfluenceMap], quantity: Callable[[InfluenceMap], float]
) -> tuple[float, float] | None:
    r"""Return the interval of ``quantity`` of all maps merged, by leaving out each of them in turn.

    .. math:: \theta \pm t_{n-1} \sqrt{\tfrac{n-1}{n} \textstyle\sum_i (\theta_{-i} - \bar\theta)^2}

    For a mean of maps of as many samples each this is the t interval of the mean. None for fewer than two maps.

    Raises:
        InvalidInput: The maps cannot be merged, or without one of them there is no such quantity.
    """
    n = len(maps)
    if n < 2:
        return None
    without = [quantity(reduce(InfluenceMap.merge, [*maps[:i], *maps[i + 1 :]])) for i in range(n)]
    half = scipy.stats.t.ppf(TAILS[1], n - 1) * np.sqrt((n - 1) * np.var(without))
    whole = quantity(reduce(InfluenceMap.merge, maps))
    return float(whole - half), float(whole + half)
