"""Rules of the operators that move positions between channels and the axes of a map."""

from __future__ import annotations

from collections.abc import Sequence

from erf.reachability.reach import Reach
from erf.reachability.registry import Call, rule


@rule("pixel_shuffle")
def _pixel_shuffle(call: Call, x: Reach, factor: int) -> Reach:
    *lead, channels, rows, columns = x.shape
    x = x.reshape((*lead, channels // factor**2, factor, factor, rows, columns))
    return _last_permuted(x, (0, 3, 1, 4, 2)).reshape(call.shape)


@rule("pixel_unshuffle")
def _pixel_unshuffle(call: Call, x: Reach, factor: int) -> Reach:
    *lead, channels, rows, columns = x.shape
    x = x.reshape((*lead, channels, rows // factor, factor, columns // factor, factor))
    return _last_permuted(x, (0, 2, 4, 1, 3)).reshape(call.shape)


def _last_permuted(x: Reach, order: Sequence[int]) -> Reach:
    """Reorder the last dimensions."""
    lead = x.ndim - len(order)
    return x.permute((*range(lead), *(lead + dim for dim in order)))


@rule("channel_shuffle")
def _channel_shuffle(call: Call, x: Reach, groups: int) -> Reach:
    x = x.reshape((x.shape[0], groups, x.shape[1] // groups, *x.shape[2:]))
    return x.permute((0, 2, 1, *range(3, x.ndim))).reshape(call.shape)
