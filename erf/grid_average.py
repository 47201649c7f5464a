"""Maps of strided and dilated stacks, averaged over the period of the grid that these leave (sections 2.5 and 4)."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import convolve1d

from erf.errors import InvalidInput


def average_over_grid(moments: np.ndarray, period: int) -> np.ndarray:
    r"""Return maps averaged over a moving square of ``period`` x ``period`` pixels, centred on each pixel.

    A kernel whose size is no multiple of its stride, or one that is dilated, reaches some classes of pixels over more
    paths than others, and some over none: the map repeats a pattern of ``period`` pixels, and neither its centre nor
    its peak says how strong the influence about it is. (The backward pass of a strided convolution is a transposed
    one; its checkerboards are those of Odena, Dumoulin and Olah, Distill 2016.) A mean over whole periods removes any
    such pattern exactly; of even periods, whose middle lies between pixels, the two outermost pixels count half. It
    adds :math:`(period^2 - 1) / 12` to the variance along each axis, of even periods :math:`(period^2 + 2) / 12`.

    Args:
        moments: ``[..., H, W]``, linear in what is averaged over runs: of |g| or g^2, not of a root.
        period: In pixels; 1 changes nothing. Beyond the border there is no influence.

    Raises:
        InvalidInput: ``period`` is below 1.
    """
    if period < 1:
        raise InvalidInput(f"period={period}: allowed are whole numbers of pixels from 1")
    window = np.ones(period)
    if period % 2 == 0:
        window = np.concatenate([[0.5], window[1:], [0.5]])
    averaged = np.asarray(moments, dtype=np.float64)
    for axis in (-2, -1):
        averaged = convolve1d(averaged, window / period, axis, mode="constant")
    return averaged
