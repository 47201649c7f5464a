"""Power laws, as in Figure 2 of the paper: the exponent of a straight line between logarithms."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike

from erf.arguments import real_array, require_number, shown
from erf.errors import InvalidInput

# The ends of a 95 % interval.
TAILS = (0.025, 0.975)


@dataclass(frozen=True)
class PowerLaw:
    """A fit y = amplitude * x^exponent, with the 95 % interval of the exponent; all are finite."""

    exponent: float
    interval: tuple[float, float]
    amplitude: float

    def __post_init__(self) -> None:
        require_number(exponent=self.exponent, amplitude=self.amplitude)
        if real_array(self.interval, "interval").shape != (2,):
            raise InvalidInput(f"interval={shown(self.interval)}: allowed are two finite numbers")


def fit_power_law(x: ArrayLike, y: ArrayLike, replicates: ArrayLike | None = None) -> PowerLaw:
    r"""Fit a straight line to log y against log x by least squares.

    Args:
        x: ``[P]``, positive, at least three different values.
        y: ``[P]``, positive.
        replicates: ``[B, P]``, bootstrap replicates of ``y``, each from runs drawn anew with replacement; the interval
            is then the range of the middle 95 % of their exponents and so holds the spread between runs. None: the
            t interval of the scatter of the points about the line.

    Raises:
        InvalidInput: Too few points, shapes that differ, or values that have no logarithm.

    >>> import erf
    >>> law = erf.fit_power_law([1, 2, 4], [3, 6, 12])
    >>> round(law.exponent, 6), round(law.amplitude, 6)
    (1.0, 3.0)
    """
    log_x, log_y = _logarithm(x, "x"), _logarithm(y, "y")
    if log_x.ndim != 1 or log_x.shape != log_y.shape:
        raise InvalidInput(f"x and y must be vectors of one length, not of shapes {log_x.shape} and {log_y.shape}")
    if len(set(log_x)) < 3:
        raise InvalidInput(f"a power law needs at least three different x, not {len(set(log_x))}")
    (exponent,) = _exponents(log_x, log_y[None])
    intercept = log_y.mean() - exponent * log_x.mean()
    if replicates is None:
        scatter = _standard_error(log_x, log_y - intercept - exponent * log_x)
        half = scipy.special.stdtrit(log_x.size - 2, TAILS[1]) * scatter
        low, high = exponent - half, exponent + half
    else:
        low, high = np.quantile(_exponents(log_x, _logarithm(replicates, "replicates")), TAILS)
    return PowerLaw(float(exponent), (float(low), float(high)), float(np.exp(intercept)))


def _standard_error(log_x: np.ndarray, residual: np.ndarray) -> float:
    centered = log_x - log_x.mean()
    return math.sqrt(residual @ residual / (residual.size - 2) / (centered @ centered))


def _exponents(log_x: np.ndarray, log_y: np.ndarray) -> np.ndarray:
    if log_y.ndim != 2 or log_y.shape[1] != log_x.size or not len(log_y):
        raise InvalidInput(f"replicates must have shape [B, {log_x.size}], not {list(log_y.shape)}")
    centered = log_x - log_x.mean()
    return log_y @ centered / (centered @ centered)


def _logarithm(values: ArrayLike, name: str) -> np.ndarray:
    array = real_array(values, name).astype(np.float64)
    if not (array > 0).all():
        raise InvalidInput(f"{name} must be positive and finite to have a logarithm")
    return np.log(array)
