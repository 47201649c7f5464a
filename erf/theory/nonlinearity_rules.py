"""The rules of nonlinearities: functions of each value, and max pools."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from erf.errors import InvalidInput
from erf.theory.backward_links import Choice, ExpectedGate, Gate
from erf.theory.tape import Call, Rule, Traced
from erf.theory.weight_links import Weights


def function(call: Call) -> Traced:
    """The rule of a function of each value by itself."""
    image, activation = _activation(call), call.args[0].clone()
    operator = getattr(torch.ops.aten, call.function.overloadpacket.__name__.removesuffix("_"))

    @cache
    def slope() -> Tensor:
        with torch.enable_grad():
            leaf = activation.requires_grad_()
            return torch.autograd.grad(operator(leaf, *call.args[1:], **call.kwargs).sum(), leaf)[0][0].double()

    return [(image, Gate(slope, None, _is_symmetric(call), call.operator))], False


def two_slopes(negative: Callable[[Call], Any]) -> Rule:
    """Return the rule of a function with one slope for negative values, and slope 1 for positive ones."""

    def rule(call: Call) -> Traced:
        image, below = _activation(call), torch.as_tensor(negative(call), dtype=torch.float64)
        slope = torch.where(image > 0, 1.0, below.to(image.device))[0]
        expected = _expected(below) if below.numel() == 1 else None
        return [(image, Gate(lambda: slope, expected, _is_symmetric(call), call.operator))], False

    return rule


def _activation(call: Call) -> Tensor:
    if any(call.node_of(argument) is not None for argument in call.args[1:]):
        raise InvalidInput("no rule is known for a function of several activations")
    return call.args[0]


def _is_symmetric(call: Call) -> bool:
    node = call.node_of(call.args[0])
    return node is not None and node.is_symmetric


def _expected(negative: Tensor) -> ExpectedGate:
    """Return the gate of two slopes, each of them as likely, independent at different positions."""
    slope = float(negative)
    return ExpectedGate((slope**2 + 1) / 2, ((slope + 1) / 2) ** 2)


def max_pool(call: Call) -> Traced:
    """The rule of a max pool."""
    image, kernel, *rest = call.args
    stride, padding, dilation, ceil_mode = (*rest, *((), 0, 1, False)[len(rest) :])
    axes, window = call.axes, image.ndim - 2
    k, s, p, d = (per_axis(value, window)[-axes:] for value in (kernel, stride or kernel, padding, dilation))
    pools: dict[int, Any] = {1: torch.max_pool1d_with_indices, 2: torch.ops.aten.max_pool2d_with_indices}
    pool = pools.get(window, torch.ops.aten.max_pool3d_with_indices)
    _, chosen = pool(image, kernel, stride, padding, dilation, ceil_mode)
    share, channels = torch.tensor(1 / math.prod(k), dtype=torch.float64, device=image.device), image.shape[1]
    each = (channels, 1, *k), tuple(image.shape), s, p, d, False, (0,) * axes, channels, frozenset[int]()
    expected = None if ceil_mode or window != axes else Weights(lambda: share, *each)
    reach = tuple((side - 1) * step for side, step in zip(k, d, strict=True))
    return [(image, Choice(chosen[0], tuple(image.shape[1:]), s, reach, expected, call.operator))], False


def per_axis(value: int | Sequence[int], axes: int) -> tuple[int, ...]:
    """Return one number for each axis, of one for all or of as many."""
    sides = (value,) if isinstance(value, int) else tuple(value)
    return sides * axes if len(sides) == 1 else sides
