"""How much of an influence map lies within a distance of its unit, and how far a share of it reaches."""

from __future__ import annotations

import numpy as np

from erf.arguments import require_real, require_share
from erf.maps.influence_map import InfluenceMap, require_non_negative, scaled


def mass_within(imap: InfluenceMap, radius: float) -> float:
    r"""Return the share of the map's sum at most ``radius`` pixels away from the unit's center.

    .. math:: \sum_{p : \|p - center\| \leq radius} g_p / \sum_p g_p

    Distances are Euclidean, between pixel centers. What the image cuts off is in neither sum.

    Args:
        imap: A map without negative values, of any number of axes.
        radius: In pixels, from 0.

    Raises:
        InvalidInput: ``radius`` is out of range, or the map has negative values or is 0 everywhere.

    >>> import erf
    >>> imap = erf.theory.influence_map([erf.ConvLayer(3)])  # 3 x 3 equal values
    >>> round(erf.mass_within(imap, 1) * 9, 9)
    5.0
    """
    require_real(lambda pixels: pixels >= 0, "distances from 0, in pixels", radius=radius)
    distances, shares = _held(imap)
    nearer = int(np.searchsorted(distances, radius, side="right"))
    return float(shares[nearer - 1]) if nearer else 0.0


def mass_radius(imap: InfluenceMap, mass: float) -> float:
    """Return the smallest radius, in pixels, about the unit's center that holds at least the share ``mass`` of the map.

    r50 is ``mass_radius(imap, 0.5)``. A round two-dimensional Gaussian of standard deviation s has
    r = s sqrt(-2 ln(1 - mass)): r50 = 1.177 s, r95 = 2.448 s.

    Args:
        imap: A map without negative values, of any number of axes.
        mass: Share of the sum over the image, in (0, 1].

    Raises:
        InvalidInput: ``mass`` is out of range, or the map has negative values or is 0 everywhere.

    >>> import erf
    >>> imap = erf.theory.influence_map([erf.ConvLayer(3)])  # 3 x 3 equal values
    >>> erf.mass_radius(imap, 0.1), erf.mass_radius(imap, 0.5)
    (0.0, 1.0)
    """
    require_share(mass=mass)
    distances, shares = _held(imap)
    return float(distances[np.searchsorted(shares, mass)])


def _held(imap: InfluenceMap) -> tuple[np.ndarray, np.ndarray]:
    """Return every pixel's distance from the center, rising, and the share that it and those before it hold."""
    require_non_negative(imap)
    axes = np.ogrid[tuple(slice(side) for side in imap.values.shape)]
    squares = [(axis - c) ** 2 for axis, c in zip(axes, imap.center, strict=True)]
    distance = np.sqrt(sum(squares)).ravel()
    order = np.argsort(distance, kind="stable")
    held = np.cumsum(scaled(imap.values).ravel()[order])
    return distance[order], held / held[-1]
