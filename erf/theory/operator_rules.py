"""The operators of ATen that the backward pass of expected squares knows, each with its rule."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from erf.errors import InvalidInput
from erf.theory.backward_links import (
    Arrangement,
    FixedFilter,
    Scale,
    Unchanged,
)
from erf.theory.nonlinearity_rules import function, max_pool, per_axis, two_slopes
from erf.theory.separable_filters import separable_filter
from erf.theory.tape import Call, Rule, Traced
from erf.theory.weight_links import DenseWeights, Weights


def _convolution(call: Call) -> Traced:
    image, weight, _, stride, padding, dilation, transposed, output_padding, groups = call.args
    if call.node_of(weight) is not None:
        raise InvalidInput("its weights depend on the image")
    stride, padding, dilation, output_padding = (
        per_axis(value, image.ndim - 2) for value in (stride, padding, dilation, output_padding)
    )
    window = stride, padding, dilation, transposed, output_padding
    parameters = call.parameters_of(weight)
    if parameters:
        shapes = tuple(weight.shape), tuple(image.shape)
        return [(image, Weights(call.squares_of(weight), *shapes, *window, groups, parameters))], True
    if groups != image.shape[1] or weight.shape[1] != 1 or (weight != weight[:1]).any():
        raise InvalidInput("its fixed weights differ between channels, or join them")
    kernel = weight[:1].double()
    key = "convolution", repr((kernel.tolist(), window))
    return _filtered(call, lambda lines: torch.ops.aten.convolution(lines, kernel.to(lines), None, *window, 1), key)


def _dense(image: int, weight: int, is_transposed: bool) -> Rule:
    """Return the rule of a matrix product; the weights are ``[inputs, outputs]`` if transposed."""

    def rule(call: Call) -> Traced:
        activations, matrix = call.args[image], call.args[weight]
        parameters = call.parameters_of(matrix) if isinstance(matrix, Tensor) else frozenset()
        if call.node_of(matrix) is not None or not parameters or activations.ndim != 2 or matrix.ndim != 2:
            raise InvalidInput("no rule is known but for a vector times weights")
        weights = matrix.t() if is_transposed else matrix
        shape = weights.shape[0], weights.shape[1]
        return [(activations, DenseWeights(call.squares_of(weights), shape, parameters))], True

    return rule


def _batch_norm(statistics: bool) -> Rule:
    """Return the rule of batch norm; ``statistics`` says whether an argument can ask for those of the batch."""

    def rule(call: Call) -> Traced:
        image, weight, bias, mean, variance = call.args[:5]
        if (statistics and call.args[5]) or mean is None or variance is None:
            raise InvalidInput("batch statistics join all pixels; allowed is batch norm in eval mode")
        deviation = (variance.double() + float(call.args[-1])).sqrt()
        scale = (1.0 if weight is None else weight.double()) / deviation
        if not scale.isfinite().all():
            raise InvalidInput("its running variance gives no finite scale")
        shift = (0.0 if bias is None else bias.double()) - scale * mean.double()
        return [(image, Scale(scale.reshape(-1, *[1] * (image.ndim - 2))))], not bool(shift.any())

    return rule


def _sum(call: Call) -> Traced:
    """Of activations, or of activations and constants."""
    factor = float(call.kwargs.get("alpha", 1))
    summands = [(argument, scale) for argument, scale in zip(call.args[:2], (1.0, factor), strict=True)]
    links = []
    for argument, scale in summands:
        if call.node_of(argument) is not None:
            _require_shape(call, argument)
            links.append((argument, Unchanged() if abs(scale) == 1 else _scale(call, torch.tensor(scale))))
    return links, len(links) == 1 and all(_is_zero(a) for a, _ in summands if call.node_of(a) is None)


def _is_zero(constant: Any) -> bool:
    return not torch.as_tensor(constant).any()


def _scaled(operation: Callable[[Tensor, Any], Any]) -> Rule:
    """Return the rule of a product or quotient with constants."""

    def rule(call: Call) -> Traced:
        activations = [argument for argument in call.args[:2] if call.node_of(argument) is not None]
        if len(activations) != 1 or (operation is torch.div and call.node_of(call.args[0]) is None):
            raise InvalidInput("no rule is known for a product of two activations, as of gates and attention")
        constant = call.args[1] if activations[0] is call.args[0] else call.args[0]
        _require_shape(call, activations[0])
        one = torch.ones((), dtype=torch.float64, device=activations[0].device)
        return [(activations[0], _scale(call, operation(one, constant)))], True

    return rule


def _scale(call: Call, factor: Tensor) -> Scale:
    """Return the link of constants that are broadcast to the output, as to one image."""
    broadcast = factor.double().reshape(*[1] * (call.output.ndim - factor.ndim), *factor.shape)
    return Scale(broadcast[0].to(call.output.device))


def _require_shape(call: Call, argument: Tensor) -> None:
    if argument.shape != call.output.shape:
        raise InvalidInput("no rule is known for activations that are broadcast")


def _unchanged(call: Call) -> Traced:
    return [(call.args[0], Unchanged())], True


def _expanded(call: Call) -> Traced:
    _require_shape(call, call.args[0])
    return _unchanged(call)


def _detached(call: Call) -> Traced:
    return [], False


def _concatenation(call: Call) -> Traced:
    dim = call.argument(1, 0) % call.output.ndim
    if dim != 1:
        raise InvalidInput("no rule is known for activations joined but along the channels")
    links, first = [], 0
    for part in call.args[0]:
        if call.node_of(part) is not None:
            links.append((part, Arrangement(_channels(first, part.shape[1]), tuple(call.output.shape[1:]))))
        first += part.shape[1]
    return links, True


def _channels(first: int, number: int) -> Callable[[Tensor], Tensor]:
    return lambda values: values.narrow(1, first, number)


def _part(call: Call) -> Traced:
    """A part of the channels: nothing reaches the gradients of the others through it. Rows and columns are a filter."""
    image = call.args[0]
    is_slice = call.function.overloadpacket.__name__ == "slice"
    dim = int(call.argument(1 if is_slice else 2, 0))
    return _filter(call) if is_slice and dim % image.ndim > 1 else _arranged(call)


def _arranged(call: Call) -> Traced:
    """What moves channels, or makes a vector of all: which value goes where is read off their numbers."""
    image, output, axes = call.args[0], call.output, call.axes
    shape, made = tuple(image.shape[1:]), tuple(output.shape[1:])
    numbers = torch.arange(image[0].numel(), device=image.device).reshape(1, *shape)
    moved = call.function(numbers, *call.args[1:], **call.kwargs)
    places = (moved if isinstance(moved, Tensor) else moved[call.index]).flatten()
    if min(len(shape), len(made)) == 1:  # one of them is a vector
        return [(image, Arrangement(lambda values: _put_back(values.flatten(1), places, shape), made))], True
    plane = math.prod(shape[-axes:])
    keeps = len(made) > axes < len(shape) and made[-axes:] == shape[-axes:]
    if not keeps or (places.reshape(-1, plane) % plane != numbers.flatten()[:plane]).any():
        raise InvalidInput("no rule is known for changing rows and columns in this way")
    lead = places[::plane] // plane, shape[:-axes]
    return [(image, Arrangement(lambda values: _put_back(values.flatten(1, -axes - 1), *lead), made))], True


def _put_back(values: Tensor, places: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return ``[L, *shape, ...]`` with the values ``[L, n, ...]`` at these places of the shape."""
    made = values.new_zeros(len(values), math.prod(shape), *values.shape[2:])
    return made.index_copy(1, places, values).unflatten(1, shape)


def _turned(call: Call) -> Traced:
    """What moves positions, or channels, round."""
    dims = call.argument(1 if call.function.overloadpacket.__name__ == "flip" else 2)
    return _filter(call) if dims and all(dim % call.output.ndim > 1 for dim in dims) else _arranged(call)


def _filter(call: Call) -> Traced:
    rest = call.args[1:]
    key = call.function.overloadpacket.__name__, repr((rest, sorted(call.kwargs.items())))
    return _filtered(call, lambda lines: call.function(lines, *rest, **call.kwargs), key)


def _padded(call: Call) -> Traced:
    """By constants, whose value is no matter to a gradient."""
    image, sides, value = call.args[0], call.args[1], call.argument(2, 0)
    in_plane, of_channels = sides[: 2 * (image.ndim - 2)], sides[2 * (image.ndim - 2) :]
    if not any(of_channels):
        key = "constant_pad_nd", repr(in_plane)
        links, _ = _filtered(call, lambda lines: torch.ops.aten.constant_pad_nd(lines, in_plane), key)
        return links, value == 0
    if any(in_plane) or min(of_channels) < 0:
        raise InvalidInput("no rule is known for padding channels and rows or columns at once, or for taking some away")
    undo = _channels(of_channels[0], image.shape[1])
    return [(image, Arrangement(undo, tuple(call.output.shape[1:])))], value == 0


def _filtered(call: Call, function: Callable[[Tensor], Tensor], key: tuple[str, str]) -> Traced:
    image = call.args[0]
    if image.ndim < 2 + call.axes:
        raise InvalidInput("no rule is known for what has lost its rows and columns")
    lines = separable_filter(function, tuple(image.shape[2:]), call.axes, key)
    return [(image, FixedFilter(lines, tuple(call.output.shape[1:])))], True


def _mean(call: Call) -> Traced:
    """Of rows and columns."""
    image, axes = call.args[0], call.axes
    dims = sorted(dim % image.ndim for dim in (call.args[1] if len(call.args) > 1 else None) or ())
    if dims != list(range(image.ndim - axes, image.ndim)) or image.ndim != 2 + axes:
        raise InvalidInput("no rule is known but for means of all rows and columns")
    lines = separable_filter(lambda x: x.mean(dims, keepdim=True), tuple(image.shape[2:]), axes, ("mean", repr(dims)))
    return [(image, FixedFilter(lines, (image.shape[1], *[1] * axes)))], True


_FILTERS = ["avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d", "_adaptive_avg_pool2d"]
_FILTERS += ["_adaptive_avg_pool3d", "_upsample_bilinear2d_aa"]
_FILTERS += [f"{kind}_pad{axes}d" for kind in ("reflection", "replication") for axes in (1, 2, 3)]
_FILTERS += [f"upsample_nearest{axes}d" for axes in (1, 2, 3)] + [f"_upsample_nearest_exact{n}d" for n in (1, 2, 3)]
_FILTERS += ["upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d", "upsample_bicubic2d"]
_ARRANGEMENTS = ["view", "reshape", "_unsafe_view", "flatten", "squeeze", "unsqueeze", "permute", "transpose"]
_ARRANGEMENTS += ["channel_shuffle", "native_channel_shuffle"]
_PARTS = ["slice", "split", "split_with_sizes", "chunk"]
_FUNCTIONS = ["hardtanh", "elu", "gelu", "silu", "mish", "sigmoid", "tanh", "softplus", "hardswish", "hardsigmoid"]
_FUNCTIONS += ["threshold", "log_sigmoid", "abs", "exp", "sqrt", "square", "pow", "clamp", "sin", "cos", "softshrink"]

_ATTENTION = [f"_scaled_dot_product_{kind}_attention" for kind in ("flash", "efficient", "cudnn")]
_ATTENTION += ["_scaled_dot_product_flash_attention_for_cpu", "_scaled_dot_product_fused_attention_overrideable"]
_ATTENTION += ["_native_multi_head_attention", "_transformer_encoder_layer_fwd"]

# A text is what there is no rule for. None is for what takes an activation's shape, but not its values.
RULES: dict[str, Rule | str | None] = {
    "convolution": _convolution,
    "addmm": _dense(1, 2, is_transposed=True),
    "mm": _dense(0, 1, is_transposed=True),
    "linear": _dense(0, 1, is_transposed=False),
    "native_batch_norm": _batch_norm(statistics=True),
    "cudnn_batch_norm": _batch_norm(statistics=True),
    "_native_batch_norm_legit_no_training": _batch_norm(statistics=False),
    "relu": two_slopes(lambda call: 0.0),
    "leaky_relu": two_slopes(lambda call: call.argument(1, 0.01)),
    "_prelu_kernel": two_slopes(lambda call: call.args[1]),
    "add": _sum,
    "sub": _sum,
    "rsub": _sum,
    "neg": _unchanged,
    "mul": _scaled(torch.mul),
    "div": _scaled(torch.div),
    "cat": _concatenation,
    "mean": _mean,
    "constant_pad_nd": _padded,
    "flip": _turned,
    "roll": _turned,
    "detach": _detached,
    "max_pool2d_with_indices": max_pool,
    "max_pool3d_with_indices": max_pool,
    "max_pool1d": max_pool,
    **dict.fromkeys(("clone", "alias", "_to_copy", "contiguous"), _unchanged),
    **dict.fromkeys(_FILTERS, _filter),
    **dict.fromkeys(_ARRANGEMENTS, _arranged),
    **dict.fromkeys(_PARTS, _part),
    **dict.fromkeys(_FUNCTIONS, function),
    "expand": _expanded,
    **dict.fromkeys(_ATTENTION, "attention"),
    **dict.fromkeys(("bmm", "baddbmm"), "products of matrices, as in attention"),
    **dict.fromkeys(("_softmax", "_safe_softmax"), "softmax, as in attention"),
    "native_layer_norm": "layer norm",
    "_fused_rms_norm": "RMS norm",
    "native_group_norm": "group norm",
    **dict.fromkeys((f"new_{kind}" for kind in ("zeros", "ones", "full")), None),
    **dict.fromkeys((f"{kind}_like" for kind in ("zeros", "ones", "full")), None),
}
