"""Recurrent layers as one operator each: torch shows them time by time, which hides that they span the axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from erf.reachability.orders import accumulated
from erf.reachability.reach import Joiner, Reach
from erf.reachability.registry import Call, rule
from erf.reachability.union import concatenate, union
from erf.reachability.views import moved

RECURRENT = ("gru", "lstm", "rnn_tanh", "rnn_relu")


@rule(*RECURRENT)
def _recurrent(
    call: Call, x: Reach, state: Reach | Sequence[Reach], _weights: Any, _biases: bool, layers: int, _dropout: float,
    _train: bool, both_ways: bool, batch_first: bool,
) -> list[Reach]:  # fmt: skip
    """A layer's output at a time depends on all times before; one that runs backwards, on all after."""
    time = 1 if batch_first else 0
    states = list(state) if isinstance(state, Sequence) else [state]
    order = (1, 0, 2) if batch_first else (0, 1, 2)
    began = [each.contract([0, 2], call.operator).permute(order) for each in states]
    x = x.contract([2], call.operator)
    x = union([x, *began], x.shape)
    ways = [x]
    for _ in range(layers):
        x = union(ways, x.shape)
        ways = [_accumulated(x, time, call.operator), *([_accumulated(x, time, call.operator, back=True)] * both_ways)]
    output = concatenate([way.resized(2, call.shape[2] // len(ways)) for way in ways], 2)
    last = union(ways, x.shape).contract([time], call.operator).permute(order)
    return [output, *(last.expand(each.shape) if last.shape != each.shape else last for each in states)]


def _accumulated(x: Reach, time: int, operator: Joiner, back: bool = False) -> Reach:
    return _reversed(accumulated(_reversed(x, time), time, operator), time) if back else accumulated(x, time, operator)


def _reversed(x: Reach, dim: int) -> Reach:
    return moved(x, dim, np.arange(x.shape[dim])[::-1], -1)
