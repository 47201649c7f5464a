"""How the output channels of a unit are combined into the one number whose gradient is taken."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from erf.arguments import is_whole, shown
from erf.errors import InvalidInput
from erf.maps.statistic import Statistic
from erf.seeds import SIGNS, generator

Aggregation = str | int
AggregationName = Literal["random_sign", "sum"] | int


def require_aggregation(aggregation: object) -> AggregationName:
    """Return ``aggregation``; raise InvalidInput unless it is the name of one or may be a channel's index."""
    if isinstance(aggregation, str) and aggregation in ("random_sign", "sum"):
        return aggregation
    if is_whole(aggregation) and aggregation >= 0:
        return aggregation
    raise InvalidInput(f"aggregation={shown(aggregation)} is unknown; allowed: random_sign, sum, or a channel's index")


def check_aggregation(aggregation: Aggregation, channels: int, statistic: Statistic | None = None) -> None:
    """Raise InvalidInput unless ``aggregation`` is defined for that many channels and the statistic, if it is known."""
    if is_whole(aggregation) and not 0 <= aggregation < channels:
        raise InvalidInput(f"aggregation={aggregation}: the output has channels 0 to {channels - 1}")
    require_aggregation(aggregation)
    if aggregation == "random_sign" and statistic is Statistic.signed_mean:
        raise InvalidInput(
            "signed_mean of randomly signed channels is 0 on average; use aggregation='sum' or a channel's index"
        )


def output_direction(aggregation: Aggregation, channels: int, seed: int, sample: int) -> Tensor:
    r"""Return the weights d ``[channels]`` of the output channels for one sample.

    random_sign draws each from {-1, 1} by (seed, sample) alone, so that
    :math:`E[(\sum_k d_k g_k)^2] = \sum_k g_k^2` and no channel cancels another.
    """
    if aggregation == "random_sign":
        return torch.randint(0, 2, (channels,), generator=generator(seed, sample, SIGNS)) * 2.0 - 1
    if aggregation == "sum":
        return torch.ones(channels)
    direction = torch.zeros(channels)
    direction[int(aggregation)] = 1
    return direction
