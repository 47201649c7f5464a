"""The backward pass from one unit through convolutions and linear layers, of the unit's cone only.

The gradient of a unit is 0 at every position that does not reach it. Near the unit those are almost all positions of a
layer; autograd multiplies their zeros with the weights all the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from erf.maps.batch_norm_backward import ordered_alike
from erf.reachability.box import Box

# Of a layer's positions: to cut out a box that is hardly smaller takes longer than it spares.
LARGEST_SHARE = 0.75
# Positions along each axis of a box with more than one. Matrix products of 9 columns take two to three times as long as
# those of 16.
LEAST_SIDE = 4

_aten = torch.ops.aten
CUT = ("ConvolutionBackward0", "AddmmBackward0", "MmBackward0")
BATCH_NORMS = (_aten.native_batch_norm_backward.default, _aten.batch_norm_backward.default)


def gradient_in_cone(output: Tensor, leaf: Tensor, retain_graph: bool = True) -> Tensor | None:
    r"""Return :math:`\partial output / \partial leaf` of a number, or None where it does not depend on the leaf.

    It is that of ``torch.autograd.grad`` to rounding, whatever lies between. Left out are only terms with the value 0.
    A weight that is not finite would make NaN of them; it still shows where the cone meets it.
    """
    if not output.requires_grad:
        return None
    cone = _Cone()
    with ExitStack() as hooks:
        for node in _nodes(output.grad_fn):
            hooks.callback(node.register_prehook(cone.begin_norm if _is_norm(node) else cone.begin).remove)
            hooks.callback(node.register_hook(cone.end).remove)
        return torch.autograd.grad(output, leaf, retain_graph=retain_graph, allow_unused=True)[0]


def _nodes(last: Any) -> Iterator[Any]:
    """Yield the nodes of a graph that take gradients back through convolutions, linear layers and batch norms."""
    seen, waiting = {last}, [last]
    while waiting:
        node = waiting.pop()
        if node.name() in CUT or _is_norm(node):
            yield node
        new = {before for before, _ in node.next_functions if before is not None} - seen
        seen |= new
        waiting += new


def _is_norm(node: Any) -> bool:
    return "BatchNorm" in node.name()


class _Cone(TorchDispatchMode):
    """Computes gradients from the box, or the rows, of what is not 0, until that has become almost everything.

    Batch norms get theirs in the order in memory that torch reads rightly.

    It is on only while such a node runs for which there may be something to do: it costs time, and autograd adds
    gradients up in place only where no mode is on. Where a node fails, autograd puts the modes back.
    """

    def __init__(self) -> None:
        super().__init__()
        self._is_small = True
        self._is_on = False

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Keep torch from wrapping each call for its compiler, whose import takes seconds: nothing compiled runs."""
        return False

    def begin(self, _gradients: Any) -> None:
        """Take part in the computation of a convolution or a linear layer, if what is not 0 is small."""
        if self._is_small:
            self.begin_norm(_gradients)

    def begin_norm(self, _gradients: Any) -> None:
        """Take part in the computation of a batch norm."""
        self._is_on = True
        self.__enter__()

    def end(self, _inputs: Any, _outputs: Any) -> None:
        """Leave it."""
        if self._is_on:
            self._is_on = False
            self.__exit__(None, None, None)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in BATCH_NORMS:
            return func(ordered_alike(*args[:2]), *args[1:], **(kwargs or {}))
        if func is _aten.mm.default and self._is_small and _has_values(args[0]):
            rows = nonzero_rows(args[0])
            self._is_small = len(rows) <= LARGEST_SHARE * len(args[0])
            return func(*args) if not self._is_small else product_of_rows(rows, *args)
        if func is not _aten.convolution_backward.default or kwargs or not _is_of_input(*args):
            return func(*args, **(kwargs or {}))
        if self._is_small:
            box = nonzero_box(args[0])
            self._is_small = _volume(box) <= LARGEST_SHARE * math.prod(args[0].shape[2:])
            if self._is_small and _volume(box):
                return input_gradient(widened(box, args[0].shape[2:]), *args)
        return func(*args)


def _is_of_input(grad_output: Tensor, *others: Any) -> bool:
    """Whether only the input's gradient is wanted, by no transposed convolution, where values can be looked at."""
    transposed, output_mask = others[6], others[-1]
    return _has_values(grad_output) and not transposed and list(output_mask) == [True, False, False]


def _has_values(gradient: Tensor) -> bool:
    """Whether values can be looked at; other devices would have to wait for them."""
    dense = gradient.device.type == "cpu" and gradient.layout is torch.strided
    return dense and gradient.is_floating_point() and gradient.numel() > 0


def _volume(box: Box) -> int:
    return math.prod(end - first for first, end in box)


def nonzero_box(values: Tensor) -> Box:
    """Return, per spatial axis of ``values [N, C, ...]``, the smallest half-open range with all that is not 0.

    All ranges are empty where everything is 0. Extremes are found several times faster than what is not 0.
    """
    nonzero = (values.amax((0, 1)) != 0) | (values.amin((0, 1)) != 0)  # NaN is not 0
    places = nonzero.numpy().nonzero()
    return tuple((int(axis.min()), int(axis.max()) + 1) if len(axis) else (0, 0) for axis in places)


def nonzero_rows(values: Tensor) -> Tensor:
    """Return the numbers of the rows of ``values [rows, columns]`` that are not 0 everywhere."""
    return ((values.amax(1) != 0) | (values.amin(1) != 0)).nonzero()[:, 0]


def product_of_rows(rows: Tensor, gradient: Tensor, weight: Tensor) -> Tensor:
    """Return the matrix product of both, where the gradient is 0 outside of these rows."""
    product = gradient.new_zeros(len(gradient), weight.shape[1])
    return product.index_copy_(0, rows, gradient[rows] @ weight)


def widened(box: Box, sides: Sequence[int]) -> Box:
    """Return a box with this one in it, of so many positions that its product is fast, in a layer of these sides."""
    if _volume(box) == 1:
        return box
    least = [min(LEAST_SIDE, side) for side in sides]
    firsts = [min(first, side - short) for (first, _), side, short in zip(box, sides, least, strict=True)]
    return tuple((low, max(end, low + short)) for low, (_, end), short in zip(firsts, box, least, strict=True))


def input_gradient(
    box: Box, grad_output: Tensor, input: Tensor, weight: Tensor, bias_sizes: Any, stride: list[int],
    padding: list[int], dilation: list[int], transposed: bool, output_padding: list[int], groups: int,
    output_mask: list[bool],
) -> tuple[Tensor, None, None]:  # fmt: skip
    r"""Return what ``aten::convolution_backward`` returns for the input, where ``grad_output`` is 0 outside of the box.

    From the positions [first, end) of an axis the gradient reaches, with kernel size k, stride s, dilation d and
    padding p, the input's

    .. math:: [first \cdot s - p, \quad (end - 1)\, s - p + d\,(k - 1) + 1)

    which the operator is given as an input of its own, without padding; everywhere else the gradient is 0. One number
    stands for all axes, as the padding of ``padding="valid"`` does.
    """
    window = [per_axis * len(box) if len(per_axis) == 1 else per_axis for per_axis in (stride, padding, dilation)]
    reached = tuple(
        (first * s - p, (end - 1) * s - p + d * (k - 1) + 1)
        for (first, end), k, s, p, d in zip(box, weight.shape[2:], *window, strict=True)
    )
    inside = grad_output[(..., *(slice(*side) for side in box))]
    size = [*input.shape[:2], *(end - first for first, end in reached)]
    like = torch.empty(size, dtype=input.dtype, memory_format=_memory_format(input))  # of which nothing is read
    options = bias_sizes, stride, [0] * len(box), dilation, transposed, output_padding, groups, output_mask
    gradient = _aten.convolution_backward(inside, like, weight, *options)[0]
    return _placed(gradient, reached, input.shape), None, None


def _placed(gradient: Tensor, reached: Box, shape: torch.Size) -> Tensor:
    """Return zeros of that shape, ordered in memory as the gradient, with it in the place that is reached."""
    sides = [(min(max(first, 0), n), max(min(end, n), 0)) for (first, end), n in zip(reached, shape[2:], strict=True)]
    part = tuple(slice(low - first, high - first) for (low, high), (first, _) in zip(sides, reached, strict=True))
    whole = torch.empty(shape, dtype=gradient.dtype, memory_format=_memory_format(gradient)).zero_()
    whole[(..., *(slice(*side) for side in sides))] = gradient[(..., *part)]
    return whole


def _memory_format(values: Tensor) -> torch.memory_format:
    """Return the order of the values in memory; where both are the same, that which the strides are of."""
    last = {4: torch.channels_last, 5: torch.channels_last_3d}.get(values.ndim)
    if last is None or not values.is_contiguous(memory_format=last):
        return torch.contiguous_format
    like = torch.empty(values.shape, device="meta", memory_format=last)
    return last if not values.is_contiguous() or values.stride() == like.stride() else torch.contiguous_format
