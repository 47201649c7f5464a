"""Influence maps made by hand."""

import math

import numpy as np

from erf.maps.influence_map import InfluenceMap
from erf.maps.statistic import Statistic


def map_of(values, center=None, box=None, **settings) -> InfluenceMap:
    """Return a map of ``values`` whose TRF is the whole image, unless a center and a box say otherwise."""
    values = np.asarray(values, dtype=np.float64)
    return InfluenceMap(
        values=values,
        center=center or tuple((side - 1) / 2 for side in values.shape),
        trf_box=box or tuple((0, side) for side in values.shape),
        **{"statistic": Statistic.rms, "samples": math.inf, **settings},
    )


def gaussian(shape, center, covariance) -> np.ndarray:
    """Return exp(-(p - c)^T C^-1 (p - c) / 2) at every pixel p."""
    offsets = np.moveaxis(np.indices(shape), 0, -1) - np.asarray(center)
    return np.exp(-0.5 * np.einsum("...i,ij,...j", offsets, np.linalg.inv(covariance), offsets))


def marginal_moments(values: np.ndarray) -> tuple[list[float], list[float]]:
    """Return the mean and the variance along each axis of ``values`` read as a distribution."""
    means, variances = [], []
    for axis in range(values.ndim):
        line = values.sum(axis=tuple(a for a in range(values.ndim) if a != axis)) / values.sum()
        places = np.arange(line.size)
        means.append(float(line @ places))
        variances.append(float(line @ (places - means[-1]) ** 2))
    return means, variances
