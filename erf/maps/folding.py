"""Batch norm put into the convolution below it while measuring: a pass less over each output, forward and backward."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from erf.errors import InvalidInput
from erf.reachability.record import Operation, Step, Trace
from erf.reachability.translation import operands

# Their subclasses may do anything else.
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
PRECISE = (torch.float32, torch.float64)
FOLDED = "folded batch norm"  # in what an operator of autograd's graph carries
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


@dataclass(frozen=True)
class Fold:
    """A convolution, and the batch norm in eval mode that alone reads its output."""

    convolution: _ConvNd
    norm: _BatchNorm


def folds(network: nn.Module, passed: Trace, layers: Sequence[str | None]) -> list[Fold]:
    """Return what can be folded before the last of the layers has run, so that their outputs stay the same to rounding.

    A fold needs plain modules that run once and share no parameters; a batch norm that uses its running statistics; and
    a convolution whose output no other operator reads and none of the layers returns.
    """
    modules = dict(network.named_modules())
    users = Counter(own for module in modules.values() for own in module._parameters.values())
    asked = {name or "" for name in layers}
    returning = [number for number, step in enumerate(passed.steps) if step.name in asked]
    whole = not asked <= {step.name for step in passed.steps}  # a method's result: what has run by then is not known
    needed = {step.name for step in (passed.steps if whole else passed.steps[: max(returning) + 1])}
    returned = {result for number in returning for result in passed.steps[number].results}
    foldable = []
    for norm, convolution, number in _Flow(passed).pairs():
        if norm.name not in needed:
            continue
        fold = Fold(*(modules[step.name] for step in (convolution, norm)))  # pyright: ignore[reportArgumentType]
        if number not in returned and _is_foldable(fold, users):
            foldable.append(fold)
    return foldable


class _Flow:
    """Which operator reads what another has made."""

    def __init__(self, passed: Trace) -> None:
        self._image = passed.image
        self._readers = Counter(number for each in passed.operations for number in operands(each.arguments))
        self._makers: dict[Any, Operation] = {}
        for each in passed.operations:
            for number in each.results:
                self._makers.setdefault(number, each)  # and not what changes it in place
        calls = Counter(step.name for step in passed.steps)
        self._once = [step for step in passed.steps if step.leaf and calls[step.name] == 1 and len(step.results) == 1]

    def pairs(self) -> Iterator[tuple[Step, Step, Any]]:
        """Yield each batch norm of a convolution's output that nothing else reads, the convolution, and that output."""
        convolutions = {step.results[0]: step for step in self._once if self._is_alone(step, "convolution")}
        for step in self._once:
            if self._is_alone(step, "batch_norm"):
                number = self._makers[step.results[0]].arguments[0][0].number
                if number in convolutions and self._readers[number] == 1:
                    yield step, convolutions[number], number

    def _is_alone(self, step: Step, operator: str) -> bool:
        """Whether such an operator makes a module's output, with parameters that no other reads."""
        made = self._makers.get(step.results[0])
        if made is None or made.operator is None or operator not in made.operator.overloadpacket.__name__:
            return False
        own = {number for number in operands(made.arguments) if number is not None and number < self._image}
        return all(self._readers[number] == 1 for number in own)


def _is_foldable(fold: Fold, users: Counter[Any]) -> bool:
    convolution, norm = fold.convolution, fold.norm
    if type(convolution) not in CONVOLUTIONS or type(norm) not in NORMS or norm.training or norm.running_var is None:
        return False
    hooked = any(getattr(module, name) for module in (convolution, norm) for name in HOOKS)
    shared = any(users[own] > 1 for module in (convolution, norm) for own in module.parameters(recurse=False))
    changed = any("forward" in vars(module) for module in (convolution, norm))
    precise = convolution.weight.dtype == norm.running_var.dtype and convolution.weight.dtype in PRECISE
    return precise and not (hooked or shared or changed)


@contextmanager
def folded(foldable: Sequence[Fold]) -> Iterator[None]:
    """Compute without these batch norms; afterwards the network is as it was."""
    with ExitStack() as stack:
        for fold in foldable:
            stack.enter_context(_folded(fold))
        yield


@contextmanager
def _folded(fold: Fold) -> Iterator[None]:
    convolution, norm = fold.convolution, fold.norm
    weight, bias = convolution.weight, convolution.bias
    try:
        convolution.weight, convolution.bias = folded_parameters(convolution, norm)
        norm.forward = partial(_same, norm)
        yield
    finally:
        vars(norm).pop("forward", None)
        convolution.weight, convolution.bias = weight, bias


def _same(norm: _BatchNorm, input: Tensor) -> Tensor:
    """Return the input as it is; note at its operator, for :mod:`erf.maps.graph`, that the batch norm has read it."""
    operator: Any = input.grad_fn
    if operator is not None:
        operator.metadata[FOLDED] = id(norm)
    return input


@torch.no_grad()
def folded_parameters(convolution: _ConvNd, norm: _BatchNorm) -> tuple[nn.Parameter, nn.Parameter]:
    r"""Return the weight and bias of the convolution that computes what both do in eval mode.

    .. math:: \gamma \frac{W * x + b - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta = W' * x + b', \quad
              W' = s W, \quad b' = \beta + s (b - \mu), \quad s = \frac{\gamma}{\sqrt{\sigma^2 + \epsilon}}
    """
    if norm.running_mean is None or norm.running_var is None:
        raise InvalidInput("batch norm keeps no running statistics, so there is nothing to fold")
    scale = 1 / (norm.running_var.double() + norm.eps).sqrt()
    scale = scale if norm.weight is None else scale * norm.weight
    shift = -norm.running_mean.double() if convolution.bias is None else convolution.bias - norm.running_mean.double()
    shift = shift * scale if norm.bias is None else shift * scale + norm.bias
    # Only the scale is taken in double precision: of many weights that would take as long as some of the images.
    weight = convolution.weight * scale.to(convolution.weight).reshape(-1, *[1] * (convolution.weight.ndim - 1))
    return _constant(weight, convolution), _constant(shift, convolution)


def _constant(values: Tensor, convolution: _ConvNd) -> nn.Parameter:
    return nn.Parameter(values.to(convolution.weight), requires_grad=False)
