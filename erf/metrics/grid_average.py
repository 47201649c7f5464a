"""Maps with holes, averaged over the period of their grid (sections 2.5 and 4 of the paper).

Strides, dilation and kernels of which only the corners are left reach only one pixel in so many. What lies between is
0, perhaps the center itself, and a count of pixels jumps with the parity of the depth; the averaged map has no holes.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from erf.arguments import per_axis, require_type, shown
from erf.errors import InvalidInput
from erf.maps.influence_map import InfluenceMap

LARGEST_PERIOD = 4096  # pixels; no network's grid is so coarse


def grid_average(imap: InfluenceMap, period: int | tuple[int, ...]) -> InfluenceMap:
    """Return the mean over every window of ``period`` pixels along each axis, those that stick out included.

    What is averaged over samples is averaged here, too: of rms the squares. Its sum stays. The map grows by
    ``period - 1`` pixels along each axis and its variance by (period^2 - 1) / 12; a value stands at the middle of its
    window, which for an even period is between two pixels of ``imap``.

    Args:
        imap: A map whose whole TRF lies in it.
        period: Of the grid, in pixels; an int stands for all axes.

    Raises:
        InvalidInput: The period is not a whole number from 1 for each axis, or the TRF leaves the map.

    >>> import erf
    >>> imap = erf.theory.influence_map([erf.ConvLayer((3,))], "signed_mean")
    >>> (erf.grid_average(imap, 2).values * 6).round(9).tolist()
    [1.0, 2.0, 2.0, 1.0]
    """
    require_type(InfluenceMap, imap=imap)
    periods = per_axis(period, imap.values.ndim, "period")
    if any(p > LARGEST_PERIOD for p in periods):
        raise InvalidInput(f"period={shown(period)}: allowed are up to {LARGEST_PERIOD} pixels")
    if any(imap.clipped):
        raise InvalidInput("the TRF leaves the map, so its border cannot be averaged; measure it on a larger image")
    return replace(
        imap,
        values=imap.statistic.from_mean_moment(moving_mean(imap.statistic.to_mean_moment(imap.values), periods)),
        center=tuple(c + (p - 1) / 2 for c, p in zip(imap.center, periods, strict=True)),
        trf_box=tuple((low, high + p - 1) for (low, high), p in zip(imap.trf_box, periods, strict=True)),
    )


def grid_average_inside(imap: InfluenceMap, period: int | tuple[int, ...]) -> InfluenceMap:
    """Return the mean over every window of ``period`` pixels that lies in the map, for maps that the image cuts off.

    Nothing is assumed of what lies outside the image. The map shrinks by ``period - 1`` pixels along each axis; a value
    stands at the middle of its window. All else is as in :func:`grid_average`.

    Args:
        imap: A map, which its TRF may leave.
        period: Of the grid, in pixels; an int stands for all axes.

    Raises:
        InvalidInput: The period is not a whole number from 1 to the map's side, for each axis.
    """
    require_type(InfluenceMap, imap=imap)
    periods = per_axis(period, imap.values.ndim, "period")
    if any(p > side for p, side in zip(periods, imap.values.shape, strict=True)):
        raise InvalidInput(
            f"period={shown(period)} is larger than the map, {' x '.join(map(str, imap.values.shape))} pixels"
        )
    windows = moving_mean(imap.statistic.to_mean_moment(imap.values), periods)
    inside = tuple(slice(p - 1, side) for p, side in zip(periods, imap.values.shape, strict=True))
    return replace(
        imap,
        values=imap.statistic.from_mean_moment(windows[inside]),
        center=tuple(c - (p - 1) / 2 for c, p in zip(imap.center, periods, strict=True)),
        trf_box=tuple((low - p + 1, high) for (low, high), p in zip(imap.trf_box, periods, strict=True)),
    )


def moving_mean(values: np.ndarray, periods: tuple[int, ...]) -> np.ndarray:
    """Return the mean over every window of so many pixels along each axis, with zeros around ``values``."""
    for axis, apart in enumerate(periods):
        margin = [(apart - 1, apart - 1) if a == axis else (0, 0) for a in range(values.ndim)]
        values = sliding_window_view(np.pad(values, margin), apart, axis).mean(-1)
    return values
