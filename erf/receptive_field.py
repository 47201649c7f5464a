"""Theoretical receptive fields: which input pixels can reach a unit (recursion R1 of the paper's source)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

from torch import nn

from erf.errors import InvalidInput

Box = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Window:
    """The part of a layer's input that one of its units reads, one entry per spatial axis, as in torch."""

    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: tuple[int, ...]


@dataclass(frozen=True)
class ReceptiveField:
    r"""The theoretical receptive field (TRF) of the units of one layer.

    A layer with kernel size k, stride s, dilation d and padding p on top of it gives

    .. math:: size' = size + (k - 1)\, d\, jump, \quad jump' = s\, jump, \quad
              start' = start + \left(\frac{(k - 1)\, d}{2} - p\right) jump

    Attributes:
        size: Per axis, side in input pixels of the hull of all pixels that can reach a unit on an unbounded image.
        jump: Per axis, input pixels between the centres of neighbouring units.
        start: Per axis, input coordinate of the centre of unit 0.
        box: Per axis, the half-open range of input pixels of one unit, not clipped by the image; empty until placed.
        clipped: Per axis, whether the box leaves the image.
        path: The layers from the input up to here with their own fields, for :meth:`table`.
    """

    size: tuple[float, ...]
    jump: tuple[float, ...]
    start: tuple[float, ...]
    box: Box = ()
    clipped: tuple[bool, ...] = ()
    path: tuple[tuple[str, ReceptiveField], ...] = ()
