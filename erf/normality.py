"""How far an influence map is from a Gaussian, and what to do with the holes of a grid before asking (section 2.3)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import stats

from erf.errors import InvalidInput
from erf.gaussian_fit import map_moments
from erf.influence_map import InfluenceMap


def distance_to_normal(imap: InfluenceMap) -> tuple[float, ...]:
    r"""Return, per axis, the distance of the map's marginal from the normal distribution.

    .. math:: \max_i \left|F(i + \tfrac12) - \Phi\left(\frac{i + \frac12 - \mu}{\sigma}\right)\right|

    with F the marginal's distribution function, of mean mu and standard deviation sigma, over the part of the map that
    lies in both the TRF's box and the image. It is taken between pixels, where the steps of F do not count.

    Raises:
        InvalidInput: The map has negative values, is 0 everywhere there, or has no extent along an axis.
    """
    moments = map_moments(imap)
    window = imap.on_trf()
    shares = imap.values[window] / imap.values[window].sum()
    distances = []
    for axis, (mean, sigma) in enumerate(zip(moments.centre, moments.sigma, strict=True)):
        others = tuple(a for a in range(shares.ndim) if a != axis)
        held = np.cumsum(shares.sum(others))
        edges = np.arange(window[axis].start, window[axis].stop) + 0.5
        distances.append(float(np.abs(held - stats.norm.cdf(edges, mean, sigma)).max()))
    return tuple(distances)


def averaged_over_period(imap: InfluenceMap, period: int) -> InfluenceMap:
    """Return the map averaged over squares of ``period`` pixels, the period of its holes.

    The map grows by ``period - 1`` pixels along each axis, and its centre moves by half of that; its variance along
    each axis grows by (period^2 - 1) / 12.

    Raises:
        InvalidInput: ``period`` is below 1.
    """
    if period < 1:
        raise InvalidInput(f"period={period}: allowed are whole numbers of pixels from 1")
    values: np.ndarray = np.pad(imap.statistic.to_mean_moment(imap.values), ((0, period - 1),) * imap.values.ndim)
    for axis in range(values.ndim):
        # What is rolled over the edge is 0: the margin is as wide as the farthest roll.
        values = sum(np.roll(values, shift, axis) for shift in range(period)) / period
    return replace(
        imap,
        values=imap.statistic.from_mean_moment(values),
        centre=tuple(c + (period - 1) / 2 for c in imap.centre),
        trf_box=tuple((low, high + period - 1) for low, high in imap.trf_box),
    )
