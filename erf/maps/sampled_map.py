"""From the moments of each image or run to their influence map."""

from __future__ import annotations

import numpy as np

from erf.arguments import real_array, require_type
from erf.errors import InvalidInput
from erf.maps.aggregation import Aggregation
from erf.maps.influence_map import InfluenceMap, is_left_out, scaled
from erf.maps.statistic import Statistic, StatisticName, choice
from erf.reachability.box import Box, require_box


def map_of_samples(
    moments: np.ndarray,
    statistic: StatisticName,
    trf_box: Box,
    aggregation: Aggregation,
    normalize: bool = False,
    center: tuple[float, ...] = (),
    jump: tuple[float | None, ...] = (),
) -> InfluenceMap:
    """Return the influence map of samples' moment maps ``[N, H, W]``; all-zero ones are left out and counted.

    Args:
        moments: Of each image or run, |g|, g^2 or g (``Statistic.moment``), averaged over input channels.
        statistic: Which of them.
        trf_box: Of the unit, in the maps' coordinates.
        aggregation: How the output channels were combined.
        normalize: Divide each sample's moments by their sum first: the few samples of largest gain then do not
            dominate, but the map is biased away from exact theory.
        center: Of the unit, in the maps' coordinates; that of the box if it is not given.
        jump: Per axis, the pixels between neighbouring units, None where that is not known.

    >>> import erf
    >>> import numpy as np
    >>> samples = np.array([[1.0, 2.0], [3.0, 6.0]])
    >>> imap = erf.map_of_samples(samples, "mean_abs", trf_box=((0, 2),), aggregation="sum")
    >>> imap.values.tolist(), imap.samples
    ([2.0, 4.0], 2)
    """
    statistic, moments = choice(Statistic, statistic, "statistic"), real_array(moments, "moments")
    if moments.ndim < 2:
        raise InvalidInput(f"moments must have shape [N, H, W], not {list(moments.shape)}")
    require_box(moments.ndim - 1, trf_box=trf_box)
    require_type(bool, normalize=normalize)
    nonzero = moments[moments.any(axis=tuple(range(1, moments.ndim)))]
    if normalize:
        nonzero = scaled(nonzero, axis := tuple(range(1, moments.ndim)))
        sums = nonzero.sum(axis, keepdims=True)
        if not sums.all():
            raise InvalidInput("a signed influence whose sum is 0 cannot be normalized")
        nonzero = nonzero / sums
    if is_left_out(center):
        center = tuple((low + high - 1) / 2 for low, high in trf_box)
    mean = nonzero.mean(0) if len(nonzero) else np.zeros(moments.shape[1:])
    return InfluenceMap(
        values=statistic.from_mean_moment(mean),
        statistic=statistic,
        center=center,
        trf_box=trf_box,
        samples=len(nonzero),
        skipped=len(moments) - len(nonzero),
        aggregation=aggregation,
        normalized=normalize,
        jump=jump,
    )
