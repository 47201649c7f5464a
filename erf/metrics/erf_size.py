"""Sizes of effective receptive fields: the paper's count of pixels (section 3.1) and RepLKNet's area ratio."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import numpy as np
import scipy

from erf.arguments import require_real, require_share, require_type
from erf.errors import InvalidInput
from erf.maps.influence_map import InfluenceMap, require_non_negative, scaled
from erf.maps.statistic import choice

# "Two standard deviations" of a normal distribution hold this share of it (section 3.1).
TWO_SIGMA_MASS = 0.9545


# Samples along each axis of a pixel, where a contour is drawn between pixels.
SUBPIXELS = 4


class Reference(StrEnum):
    """What the threshold of an ERF size is relative to: the value at the unit's center, or the largest value."""

    center = "center"  # pyright: ignore[reportAssignmentType]  (str has a method of this name)
    peak = "peak"


ReferenceName = Reference | Literal["center", "peak"]


class Scale(StrEnum):
    """Whether areas are weighed by influence or by log10(influence + 1), which depends on the map's units."""

    linear = "linear"
    log10 = "log10"


ScaleName = Scale | Literal["linear", "log10"]


def erf_size(imap: InfluenceMap, reference: ReferenceName = "center", level: float = 1 - TWO_SIGMA_MASS) -> float:
    r"""Return the ERF size of section 3.1, in input pixels.

    .. math:: \left|\{p : g_p > level\, g_{ref}\}\right|^{1/d}, \quad level = 1 - 0.9545

    with d the number of spatial axes: the side of a square with as many pixels. For a two-dimensional Gaussian of
    standard deviation s it is 4.406 s.

    Args:
        imap: A map without negative values.
        reference: "center", the mean of the 1, 2 or 4 pixels within 0.5 of the unit's center, as in the paper, or
            "peak", the largest value.
        level: Share of the reference above which a pixel counts; the default is the paper's, 0.5 is half height.

    Raises:
        InvalidInput: The map has negative values or is 0 everywhere, its center is 0 or outside the image, or the level
            is outside [0, 1).

    >>> import erf
    >>> imap = erf.theory.influence_map([erf.ConvLayer(3)] * 12)
    >>> imap.values.shape, round(erf.erf_size(imap), 2)
    ((25, 25), 12.37)
    """
    return float(np.count_nonzero(above_threshold(imap, reference, level)) ** (1 / imap.values.ndim))


def above_threshold(
    imap: InfluenceMap, reference: ReferenceName = "center", level: float = 1 - TWO_SIGMA_MASS
) -> np.ndarray:
    """Return which pixels :func:`erf_size` counts, a bool in the shape of the map.

    Raises:
        InvalidInput: As :func:`erf_size`.
    """
    require_non_negative(imap)
    require_real(lambda share: 0 <= share < 1, "shares of the reference in [0, 1)", level=level)
    at_center = choice(Reference, reference, "reference") is Reference.center
    return imap.values > level * (center_value(imap) if at_center else imap.values.max())


def contour_size(imap: InfluenceMap) -> float:
    """Return the ERF size with the contour drawn between pixels, by cubic interpolation of the map's logarithm.

    A count of whole pixels jumps by about a row at a time; this one changes smoothly with depth. Pixels extend half a
    pixel about their centers; the threshold is that of :func:`erf_size` with the center as reference.

    Raises:
        InvalidInput: As :func:`erf_size`.
    """
    require_non_negative(imap)
    threshold = (1 - TWO_SIGMA_MASS) * center_value(imap)
    window = _around(imap.values > threshold)
    # Far below the threshold values matter to nobody, and zeros have no logarithm.
    logarithm = np.log(np.maximum(imap.values[window], threshold * (threshold / imap.values.max())))
    fine = [np.arange(-0.5 + 0.5 / SUBPIXELS, side - 0.5, 1 / SUBPIXELS) for side in logarithm.shape]
    grid = np.meshgrid(*fine, indexing="ij")
    above = scipy.ndimage.map_coordinates(logarithm, grid, order=3, mode="nearest") > np.log(threshold)
    return float(np.count_nonzero(above) ** (1 / imap.values.ndim) / SUBPIXELS)


def _around(pixels: np.ndarray, margin: int = 3) -> tuple[slice, ...]:
    """Return the slices of the box that holds all true ``pixels``, and a margin that interpolation may look at."""
    places = np.nonzero(pixels)
    return tuple(slice(max(int(p.min()) - margin, 0), int(p.max()) + 1 + margin) for p in places)


def center_value(imap: InfluenceMap) -> float:
    """Return the mean of the pixels within 0.5 of the unit's center on every axis.

    Raises:
        InvalidInput: They are outside the image, or 0 (a hole of a strided or dilated grid).
    """
    window = center_pixels(imap)
    pixels = imap.values[window]
    mean = float((pixels / pixels.size).sum())  # of values whose sum may be too large
    if not mean:
        raise InvalidInput(
            f"the influence at the unit's center {imap.center} is 0 (a hole of the grid); use reference='peak'"
        )
    return mean


def center_pixels(imap: InfluenceMap) -> tuple[slice, ...]:
    """Return the slices of the 1, 2 or 4 pixels within 0.5 of the unit's center on every axis."""
    require_type(InfluenceMap, imap=imap)
    lows = [int(np.ceil(c - 0.5)) for c in imap.center]
    highs = [int(np.floor(c + 0.5)) + 1 for c in imap.center]
    for low, high, side in zip(lows, highs, imap.values.shape, strict=True):
        if low < 0 or high > side:
            raise InvalidInput(f"the unit's center {imap.center} is outside the image; use reference='peak'")
    return tuple(slice(low, high) for low, high in zip(lows, highs, strict=True))


def contribution_area_ratio(imap: InfluenceMap, mass: float, scale: ScaleName = "linear") -> float:
    r"""Return RepLKNet's r(t): the share of the image's area that holds the share ``mass`` of the influence.

    The area is the smallest square about the unit's center, clipped by the image, with at least that share.

    Args:
        imap: A map without negative values.
        mass: Share t of the sum over the image, in (0, 1].
        scale: "linear", or "log10" for log10(x + 1) of the values, RepLKNet's (Ding et al. 2022): it depends on the
            units of the gradients.

    Raises:
        InvalidInput: ``mass`` is out of range, or the map has negative values or is 0 everywhere.

    >>> import erf
    >>> imap = erf.theory.influence_map([erf.ConvLayer(3)] * 12)  # 25 x 25 pixels
    >>> erf.contribution_area_ratio(imap, 0.5) * 25**2
    49.0
    """
    require_non_negative(imap)
    require_share(mass=mass)
    logarithmic = choice(Scale, scale, "scale") is Scale.log10
    values = np.log10(imap.values + 1) if logarithmic else scaled(imap.values)
    distance = _distance(imap).ravel()
    order = np.argsort(distance, kind="stable")
    held = np.cumsum(values.ravel()[order])
    # At mass = 1 rounding must not ask for more than there is.
    last = order[min(np.searchsorted(held, mass * held[-1]), held.size - 1)]
    return float(np.count_nonzero(distance <= distance[last]) / distance.size)


def _distance(imap: InfluenceMap) -> np.ndarray:
    """Return each pixel's largest distance along an axis from the unit's center: squares are its level sets."""
    axes = np.ogrid[tuple(slice(side) for side in imap.values.shape)]
    offsets = [np.abs(axis - c) for axis, c in zip(axes, imap.center, strict=True)]
    return np.maximum.reduce(np.broadcast_arrays(*offsets))
