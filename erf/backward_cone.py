"""The backward pass from one unit through convolutions, of the unit's cone only.

The gradient of a unit is 0 at every position that does not reach it. Near the unit those are almost all positions of a
layer; autograd multiplies their zeros with the weights all the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from erf.receptive_field import Box

# Of a layer's positions: to find and to cut out a box that is hardly smaller takes longer than it spares.
LARGEST_SHARE = 0.75

aten = torch.ops.aten


def gradient_in_cone(output: Tensor, leaf: Tensor) -> Tensor | None:
    r"""Return :math:`\partial output / \partial leaf` of a number, or None where it does not depend on the leaf.

    It is that of ``torch.autograd.grad`` with ``retain_graph`` to rounding, whatever lies between; no gradient of it
    can be taken. What it spares is left-out terms of value 0: where a weight that they would meet is not finite, they
    would be NaN instead. Such a weight still shows where a position of the cone meets it.
    """
    with ExitStack() as hooks:
        for node in _convolutions(output.grad_fn):
            mode = _InCone()
            hooks.callback(node.register_prehook(partial(_switch_on, mode)).remove)
            hooks.callback(node.register_hook(partial(_switch_off, mode)).remove)
        return torch.autograd.grad(output, leaf, retain_graph=True, allow_unused=True)[0]


def _switch_on(mode, *_):
    mode.__enter__()


def _switch_off(mode, *_):
    mode.__exit__(None, None, None)


def _convolutions(root: Any) -> Iterator[Any]:
    """Yield the graph's nodes that take gradients back through convolutions."""
    seen, waiting = {root}, [root]
    while waiting:
        node = waiting.pop()
        if node.name() == "ConvolutionBackward0":
            yield node
        below = {other for other, _ in node.next_functions if other is not None} - seen
        seen |= below
        waiting += below


class _InCone(TorchDispatchMode):
    """Take gradients back through convolutions by :func:`convolution_backward`."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is aten.convolution_backward.default and not kwargs:
            return convolution_backward(*args)
        return func(*args, **(kwargs or {}))


def convolution_backward(
    grad_output: Tensor, input: Tensor, weight: Tensor, bias_sizes: Any, stride: list[int], padding: list[int],
    dilation: list[int], transposed: bool, output_padding: list[int], groups: int, output_mask: list[bool],
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:  # fmt: skip
    r"""Return what the operator of this name returns, with the gradient of the input from where that of the output is.

    Let the gradient of the output be 0 outside of the positions [first, end) of an axis. With kernel size k, stride s,
    dilation d and padding p they are computed from the input's

    .. math:: [first \cdot s - p, \quad (end - 1)\, s - p + d\,(k - 1) + 1)

    to which the operator is applied as to an input of its own, without padding. The gradient is 0 elsewhere.

    Everything else is left to the operator: gradients of weights, transposed convolutions, a box that is almost the
    whole, and other devices, which would have to wait for the box.
    """
    others = bias_sizes, stride, padding, dilation, transposed, output_padding, groups, output_mask
    only_input = list(output_mask) == [True, False, False] and not transposed
    box = nonzero_box(grad_output) if only_input and _can_look_at(grad_output) else None
    if box is None:
        return aten.convolution_backward(grad_output, input, weight, *others)
    reached = [
        (first * s - p, (end - 1) * s - p + d * (k - 1) + 1)
        for (first, end), s, p, d, k in zip(box, stride, padding, dilation, weight.shape[2:], strict=True)
    ]
    size = [*input.shape[:2], *(end - first for first, end in reached)]
    part = torch.empty(size, dtype=input.dtype, memory_format=_memory_format(input))
    inside = grad_output[(..., *(slice(*side) for side in box))]
    unpadded = bias_sizes, stride, [0] * len(box), dilation, transposed, output_padding, groups, output_mask
    found = aten.convolution_backward(inside, part, weight, *unpadded)[0]
    return _placed(found, reached, input.shape), None, None


def _can_look_at(grad_output: Tensor) -> bool:
    return grad_output.device.type == "cpu" and grad_output.is_floating_point() and grad_output.numel() > 0


def nonzero_box(grad_output: Tensor) -> Box | None:
    """Return the smallest box, per spatial axis, that holds all values ``[N, C, ...]`` that are not 0.

    None where there are none, or the box is almost everything. The largest values show most of it and are found faster
    than what is not 0; the smallest ones complete it.
    """
    total = math.prod(grad_output.shape[2:])
    shown = None
    for extreme in (torch.amax, torch.amin):
        found = extreme(grad_output, (0, 1)) != 0  # as NaN is
        shown = found if shown is None else shown | found
        box = _box_of(shown)
        if box is not None and math.prod(end - first for first, end in box) > LARGEST_SHARE * total:
            return None
    return box


def _box_of(shown: Tensor) -> Box | None:
    places = shown.numpy().nonzero()
    return tuple((int(axis.min()), int(axis.max()) + 1) for axis in places) if len(places[0]) else None


def _placed(found: Tensor, reached: list[tuple[int, int]], shape: torch.Size) -> Tensor:
    """Return zeros of that shape, in the layout of what is found, with it in the place that is reached."""
    whole = torch.empty(shape, dtype=found.dtype, memory_format=_memory_format(found)).zero_()
    sides = [(max(first, 0), min(end, n)) for (first, end), n in zip(reached, shape[2:], strict=True)]
    target = tuple(slice(*side) for side in sides)
    source = tuple(slice(low - first, high - first) for (low, high), (first, _) in zip(sides, reached, strict=True))
    whole[(..., *target)] = found[(..., *source)]
    return whole


def _memory_format(values: Tensor) -> torch.memory_format:
    """Return the order of a tensor's values in memory; of those that have only one, by the strides."""
    last = {4: torch.channels_last, 5: torch.channels_last_3d}.get(values.ndim)
    if last is None or not values.is_contiguous(memory_format=last):
        return torch.contiguous_format
    like = torch.empty(values.shape, device="meta", memory_format=last)
    return last if values.stride() == like.stride() or not values.is_contiguous() else torch.contiguous_format
