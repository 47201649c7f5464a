"""Marginals of runs' maps, whose width and shape are all that some experiments need, and their resampling."""

from __future__ import annotations

import numpy as np

from experiments.harness.intervals import run_draws


def marginals(moments: np.ndarray) -> np.ndarray:
    """Return the sums over columns and over rows, ``[R, 2, S]``, of runs' square maps ``[R, S, S]``."""
    return np.stack([moments.sum(2), moments.sum(1)], axis=1)


def resampled_means(lines: np.ndarray, replicates: int, seed: int) -> np.ndarray:
    """Return the mean over runs drawn anew with replacement, ``[replicates, ...]``, of ``[R, ...]``.

    The same seed draws the same runs of another array of as many, which pairs the two.
    """
    runs = len(lines)
    return (run_draws(runs, replicates, seed) @ lines.reshape(runs, -1) / runs).reshape(replicates, *lines.shape[1:])


def sigma(lines: np.ndarray) -> np.ndarray:
    """Return the root of the mean of both axes' variances, in pixels, of marginals ``[..., 2, S]``."""
    places = np.arange(lines.shape[-1])
    shares = lines / lines.sum(-1, keepdims=True)
    mean = (shares @ places)[..., None]
    return np.sqrt((shares * (places - mean) ** 2).sum(-1).mean(-1))
