r"""How far a map's marginal is from a normal distribution (the central limit theorem of sections 2.1 to 2.3).

Kolmogorov's distance between the marginal's distribution function and that of the normal of its mean and variance,

.. math:: \sup_x \left|F(x) - \Phi\left(\frac{x - \mu}{\sigma}\right)\right|

Unlike r^2 of a fit it means something where a map has holes. A map lives on whole pixels, so F has steps, half of whose
height stays: 0.2 / sigma for a grid without holes. By Berry and Esseen the distance of a sum of n equal independent
steps falls like 1 / sqrt(n), whatever their distribution; with rho their third absolute moment it is at most
0.4748 rho / (sigma^3 sqrt(n)) (Shevtsova 2011).
"""

from __future__ import annotations

import numpy as np
import scipy

from erf.errors import InvalidInput
from erf.maps.influence_map import InfluenceMap, require_non_negative, scaled


def normal_distance(imap: InfluenceMap) -> tuple[float, ...]:
    """Return, per axis, the distance of the marginal over the map to the normal of its mean and variance.

    Raises:
        InvalidInput: The map has negative values, is 0 everywhere, or has no extent along an axis.

    >>> import erf
    >>> few, many = (erf.theory.influence_map([erf.ConvLayer(3)] * layers) for layers in (2, 50))
    >>> erf.normal_distance(many) < erf.normal_distance(few)
    True
    """
    require_non_negative(imap)
    axes = range(imap.values.ndim)
    values = scaled(imap.values)
    lines = [values.sum(axis=tuple(a for a in axes if a != axis)) for axis in axes]
    if any(np.count_nonzero(line) < 2 for line in lines):
        raise InvalidInput("the map has no extent along an axis, so it has no normal distribution")
    return tuple(float(line_distance(line)) for line in lines)


def line_distance(lines: np.ndarray) -> np.ndarray:
    """Return the distance for each of many marginals ``[..., S]``, up to a factor each, at pixels 0 to S - 1.

    Each must be positive at two pixels at least.
    """
    shares = lines / lines.sum(-1, keepdims=True)
    places = np.arange(lines.shape[-1])
    mean = (shares @ places)[..., None]
    sigma = np.sqrt((shares * (places - mean) ** 2).sum(-1, keepdims=True))
    normal = scipy.special.ndtr((places - mean) / sigma)
    after = shares.cumsum(-1)
    before = after - shares
    return np.maximum(np.abs(after - normal), np.abs(before - normal)).max(-1)
