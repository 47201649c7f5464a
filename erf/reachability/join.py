"""What an operator without a rule does, for all that is known: it joins everything that it reads."""

from __future__ import annotations

from collections.abc import Sequence

from erf.reachability.reach import Joiner, Reach
from erf.reachability.union import union


def joined(tensors: Sequence[Reach], shapes: Sequence[Sequence[int]], operator: Joiner) -> list[Reach]:
    """Return boxes of these shapes in which every position depends on all positions of all tensors.

    This is never too small. Where a tensor has the shape of an output, its units are taken to be the output's, too:
    their own pixels stay visible. Another shape has no units.
    """
    everything = union([tensor.whole(operator) for tensor in tensors], ())
    alike = [[tensor for tensor in tensors if tensor.shape == tuple(shape)] for shape in shapes]
    return [union([everything, *own], shape) for own, shape in zip(alike, shapes, strict=True)]
