"""Convolutions in whole numbers of any length: no rounding at all."""

from collections.abc import Sequence
from itertools import product

import numpy as np


def convolved(kernels: Sequence[np.ndarray]) -> np.ndarray:
    """Return the full convolution of integer ``kernels`` as an array of Python's integers."""
    total = np.ones((1,) * kernels[0].ndim, dtype=object)
    for kernel in kernels:
        grown = np.zeros([a + b - 1 for a, b in zip(total.shape, kernel.shape, strict=True)], dtype=object)
        for tap in product(*map(range, kernel.shape)):
            window = tuple(slice(i, i + side) for i, side in zip(tap, total.shape, strict=True))
            grown[window] += total * int(kernel[tap])
        total = grown
    return total


def shares(counts: np.ndarray) -> np.ndarray:
    """Return ``counts`` over their sum, each rounded once."""
    return (counts / sum(counts.flat)).astype(np.float64)


def extended_binomials(kernel_size: int, depth: int) -> list[int]:
    """Return the coefficients of (1 + x + ... + x^(kernel_size - 1))^depth."""
    coefficients = [1]
    for _ in range(depth):
        grown = [0] * (len(coefficients) + kernel_size - 1)
        for i, c in enumerate(coefficients):
            for m in range(kernel_size):
                grown[i + m] += c
        coefficients = grown
    return coefficients
