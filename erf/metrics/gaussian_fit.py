"""Gaussian fits of influence maps: least squares and moments (the paper's main claim, sections 2 and 3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import scipy

from erf.arguments import require_finite, require_number, require_type, shown
from erf.errors import InvalidInput
from erf.maps.influence_map import InfluenceMap, require_non_negative, scaled
from erf.spelling import OldName


@dataclass(frozen=True, eq=False)
class Moments:
    """A map's moments, read as a distribution over pixels.

    Attributes:
        center: ``[d]``, mean, in the map's coordinates.
        covariance: ``[d, d]``, in square pixels.
        excess_kurtosis: ``[d]``, of each axis' marginal: 0 for a Gaussian, -1.2 for a box.
    """

    center: np.ndarray
    covariance: np.ndarray
    excess_kurtosis: np.ndarray
    centre: ClassVar[OldName] = OldName("center")

    def __post_init__(self) -> None:
        _require_shapes(self.center, self.covariance)
        require_finite(excess_kurtosis=self.excess_kurtosis)
        require_type(np.ndarray, excess_kurtosis=self.excess_kurtosis)

    @property
    def sigma(self) -> tuple[float, ...]:
        """Per axis, the standard deviation in pixels."""
        return tuple(float(v) for v in np.sqrt(np.diag(self.covariance)))


@dataclass(frozen=True, eq=False)
class GaussianFit:
    r"""The Gaussian nearest to a map, :math:`A \exp(-\frac{1}{2} (p - c)^T \Sigma^{-1} (p - c))`, without offset.

    Attributes:
        center: ``[d]``, c, in the map's coordinates.
        covariance: ``[d, d]``, Sigma, in square pixels.
        amplitude: A, in the map's units.
        r_squared: Share of the map's variance over the fitted pixels that the Gaussian explains.
        moments: Moments of the same pixels, where no shape is assumed.
    """

    center: np.ndarray
    covariance: np.ndarray
    amplitude: float
    r_squared: float
    moments: Moments
    centre: ClassVar[OldName] = OldName("center")

    def __post_init__(self) -> None:
        _require_shapes(self.center, self.covariance)
        require_number(amplitude=self.amplitude, r_squared=self.r_squared)
        require_type(Moments, moments=self.moments)

    @property
    def sigma(self) -> tuple[float, ...]:
        """Per axis (rows, columns), the standard deviation in pixels."""
        return tuple(float(v) for v in np.sqrt(np.diag(self.covariance)))


def _require_shapes(center: np.ndarray, covariance: np.ndarray) -> None:
    require_finite(center=center, covariance=covariance)
    require_type(np.ndarray, center=center, covariance=covariance)
    if center.ndim != 1 or covariance.shape != center.shape * 2:
        raise InvalidInput(f"center={shown(center)}, covariance={shown(covariance)}: allowed are [d] and [d, d]")


def fit_gaussian(imap: InfluenceMap) -> GaussianFit:
    """Fit a Gaussian by least squares to the part of the map that lies in both the TRF's box and the image.

    Raises:
        InvalidInput: The map has negative values, is 0 everywhere there, has fewer pixels than parameters, or is so
            flat or so narrow that no Gaussian is nearest.

    >>> import erf
    >>> fit = erf.fit_gaussian(erf.theory.influence_map([erf.ConvLayer(3)] * 12))
    >>> [round(sigma, 3) for sigma in fit.sigma], round(fit.r_squared, 4)
    ([2.873, 2.873], 0.9999)
    """
    values, points = _fitted_pixels(imap)
    moments = _moments(values, points)
    axes = points.shape[1]
    if values.size <= 1 + axes + axes * (axes + 1) // 2:
        raise InvalidInput(f"a Gaussian cannot be fitted to {values.size} pixels")
    peak = values.max()
    if np.ptp(values) < 1e-12 * peak:
        raise InvalidInput("a Gaussian cannot be fitted to a map that has the same value on the unit's whole TRF")
    if np.linalg.matrix_rank(moments.covariance) < axes:
        raise InvalidInput("a Gaussian cannot be fitted to a map that is 0 outside a line or plane across the axes")
    jacobian: Any = _jacobian  # scipy-stubs know the names of finite differences only
    factor = np.linalg.cholesky(np.linalg.inv(moments.covariance))
    start = np.concatenate([[1.0], moments.center, factor[np.tril_indices(axes)]])
    solution = scipy.optimize.least_squares(_residual, start, jac=jacobian, args=(values / peak, points), x_scale="jac")
    amplitude, center, factor = _unpack(solution.x, axes)
    precision = factor @ factor.T
    if np.linalg.matrix_rank(precision, hermitian=True) < axes:
        raise InvalidInput("a Gaussian cannot be fitted: the nearest one is endlessly wide or narrow along an axis")
    residual = solution.fun @ solution.fun * peak**2
    return GaussianFit(
        center=center,
        covariance=np.linalg.inv(precision),
        amplitude=float(amplitude * imap.values[imap.on_trf()].max()),
        r_squared=float(1 - residual / ((values - values.mean()) ** 2).sum()),
        moments=moments,
    )


def map_moments(imap: InfluenceMap) -> Moments:
    """Return the moments of the part of the map that lies in both the TRF's box and the image.

    Raises:
        InvalidInput: The map has negative values or is 0 everywhere there.

    >>> import erf
    >>> moments = erf.map_moments(erf.theory.influence_map([erf.ConvLayer(3)] * 12))
    >>> [round(sigma**2, 6) for sigma in moments.sigma]  # 12 layers of variance 2 / 3
    [8.0, 8.0]
    """
    return _moments(*_fitted_pixels(imap))


def _fitted_pixels(imap: InfluenceMap) -> tuple[np.ndarray, np.ndarray]:
    require_non_negative(imap)
    window = imap.on_trf()
    grid = np.meshgrid(*(np.arange(w.start, w.stop) for w in window), indexing="ij")
    values = imap.values[window].ravel()
    if not values.any():
        raise InvalidInput("the map is 0 everywhere on the unit's TRF")
    return scaled(values), np.stack([axis.ravel() for axis in grid], axis=1).astype(np.float64)


def _moments(values: np.ndarray, points: np.ndarray) -> Moments:
    weights = values / values.sum()
    center = weights @ points
    offsets = points - center
    covariance = (offsets * weights[:, None]).T @ offsets
    variance = np.diag(covariance)
    if not (variance > 0).all():
        raise InvalidInput("the map has no extent along an axis, so it has no Gaussian")
    return Moments(center, covariance, weights @ offsets**4 / variance**2 - 3)


def _unpack(parameters: np.ndarray, axes: int) -> tuple[float, np.ndarray, np.ndarray]:
    factor = np.zeros((axes, axes))
    factor[np.tril_indices(axes)] = parameters[1 + axes :]
    return parameters[0], parameters[1 : 1 + axes], factor


def _residual(parameters: np.ndarray, values: np.ndarray, points: np.ndarray) -> np.ndarray:
    amplitude, center, factor = _unpack(parameters, points.shape[1])
    whitened = (points - center) @ factor
    return amplitude * np.exp(-0.5 * (whitened**2).sum(1)) - values


def _jacobian(parameters: np.ndarray, values: np.ndarray, points: np.ndarray) -> np.ndarray:
    del values  # the model is linear in the data
    amplitude, center, factor = _unpack(parameters, points.shape[1])
    offsets = points - center
    whitened = offsets @ factor
    bell = np.exp(-0.5 * (whitened**2).sum(1, keepdims=True))
    rows, columns = np.tril_indices(points.shape[1])
    by_center = amplitude * bell * (whitened @ factor.T)
    by_factor = -amplitude * bell * whitened[:, columns] * offsets[:, rows]
    return np.hstack([bell, by_center, by_factor])
