"""What autograd notes of a pass: which operators led from the images to a layer, called with which numbers.

Two passes of the same graph over parameters of the same shapes have the same theoretical fields.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

from torch import Tensor

from erf.maps.folding import FOLDED

_WINDOW = "kernel_size", "stride", "padding", "ceil_mode"
_POINTWISE = """Add Sub Mul Div Neg Exp Sqrt Rsqrt Pow Relu Silu Gelu Sigmoid Tanh Elu Softplus Mish LeakyRelu Hardtanh
Hardswish Hardsigmoid Clamp ClampMin ClampMax Clone Alias ToCopy"""
_TOLD_BY_SHAPES = "View UnsafeView ReshapeAlias Expand Addmm Mm Bmm Baddbmm AdaptiveAvgPool2D PixelShuffle"

# By operator the numbers, besides the shapes of parameters and results, that say what it reads. Left out are operators
# that read where the values of a tensor say, and all that is not known.
NUMBERS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys([*_POINTWISE.split(), *_TOLD_BY_SHAPES.split()], ()),
    "Convolution": ("stride", "padding", "dilation", "transposed", "output_padding", "groups"),
    "MaxPool2DWithIndices": (*_WINDOW, "dilation"),
    "AvgPool2D": (*_WINDOW, "count_include_pad"),
    "NativeBatchNorm": ("training",),
    "NativeLayerNorm": ("normalized_shape",),
    "ScaledDotProductFlashAttentionForCpu": ("is_causal",),
    "Softmax": ("dim",),
    "Mean": ("dim",),
    "LinalgVectorNorm": ("dim",),
    "Cat": ("dim",),
    "Split": ("dim",),
    "Squeeze": ("dim",),
    "Unsqueeze": ("dim",),
    "Select": ("dim", "index"),
    "Slice": ("dim", "start", "end", "step"),
    "Transpose": ("dim0", "dim1"),
    "Permute": ("dims",),
    "Roll": ("dims", "shifts"),
    "ConstantPadNd": ("pad",),
    "AsStrided": ("size", "stride", "storage_offset"),
}
_LEAF = "torch::autograd::AccumulateGrad"
_MISSING = object()


def graph_of(outputs: Iterable[Tensor]) -> Hashable | None:
    """Return what autograd noted of the way to these outputs; None where an operator's reading is not in it."""
    places: dict[Any, int] = {}
    waiting: list[Any] = [output.grad_fn for output in outputs]
    noted: list[Any] = [_place(node, places) for node in waiting]
    while waiting:
        node = waiting.pop()
        if node is None or node.name() == _LEAF:
            continue
        operator, backward, number = node.name().partition("Backward")
        if not backward or not number.isdecimal() or operator not in NUMBERS:
            return None
        shapes = [tuple(result.shape) for result in node._input_metadata]
        numbers = [getattr(node, f"_saved_{name}", _MISSING) for name in NUMBERS[operator]]
        if _MISSING in numbers:
            return None
        before = [(other, output) for other, output in node.next_functions if other is not None]
        waiting += [other for other, _ in before if other not in places]
        folded = node.metadata.get(FOLDED)
        noted.append(
            (node.name(), folded, *shapes, *numbers, *((_place(other, places), output) for other, output in before))
        )
    return tuple(noted)


def _place(node: Any, places: dict[Any, int]) -> int:
    """Return the number of a node, in the order in which they are met."""
    return places.setdefault(node, len(places))
