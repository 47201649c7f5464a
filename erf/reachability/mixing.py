"""Whether a network computes each image of a batch for itself."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from torch import Tensor, nn

from erf.errors import InvalidInput
from erf.reachability.forward import traced
from erf.reachability.pass_to_layers import canonical, step_of
from erf.reachability.reach import Reach


def mixes_images(network: nn.Module, images: Tensor, layers: Sequence[str | None]) -> bool:
    """Return whether an output for one image may depend on another image of the batch, by one more pass.

    Args:
        network: In the modes in which it is looked at.
        images: A batch as the network takes it, of which the first and the last are used where it needs values.
        layers: Whose outputs; None is the network.
    """
    channels, *size = images.shape[1:]
    needed = {canonical(network, name or "") for name in layers}
    follow = partial(traced, network, tuple(size), channels, needed=needed, across=True)
    try:
        passed = follow()
    except InvalidInput:
        passed = follow(images=images[[0, -1]])
    reaches = [reach for name in layers for [reach] in step_of(network, passed, name or "").outputs]
    return any(_mixes(reach, *passed.size) for reach in reaches)


def _mixes(reach: Reach, images: int) -> bool:
    """Whether a position is reached by another image than its own, which its place tells where images come first."""
    if not reach.ndim:
        return True
    first, minus_last, *joined = reach.single(0).values
    own = np.arange(images).reshape(-1, *[1] * (first.ndim - 1)) if reach.shape[0] == images else first
    others = np.isfinite(first) & ((first != own) | (-minus_last != own))
    return bool((others | np.isfinite(joined).any(0)).any())
