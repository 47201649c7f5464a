"""Fixed linear operators on images, read off as one matrix per axis from what they make of lines of ones."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from erf.errors import InvalidInput
from erf.theory.lagged_covariance import LineFilter

AT_ONCE = 2**24  # numbers of a batch of probes
KNOWN = 256  # filters that are kept
_KNOWN: dict[tuple[object, ...], tuple[LineFilter, ...]] = {}


def separable_filter(
    function: Callable[[Tensor], Tensor], size: tuple[int, ...], axes: int, key: tuple[str, str]
) -> tuple[LineFilter, ...]:
    """Return, per axis, the matrix of a linear operator on images ``[N, 1, *size]``, so that it is their product.

    Args:
        function: The operator.
        size: Of the images, all that follows the channels.
        axes: How many of the last dimensions are spatial.
        key: What tells the operator, with its arguments, from all others.

    Raises:
        InvalidInput: It is not linear, or its axes do not act by themselves.
    """
    known = (*key, size, axes)
    if known not in _KNOWN:
        if len(_KNOWN) >= KNOWN:
            _KNOWN.clear()
        _KNOWN[known] = _read_off(function, size, axes)
    return _KNOWN[known]


def _read_off(function: Callable[[Tensor], Tensor], size: tuple[int, ...], axes: int) -> tuple[LineFilter, ...]:
    """Look at one place of the output. The first axis has the scale of all; the others are relative to that place."""
    generator = torch.Generator().manual_seed(0)
    crosswise = [1 + torch.rand(side, dtype=torch.float64, generator=generator) for side in size]
    response = function(_product(crosswise)[None, None])[0, 0]
    place = np.unravel_index(int(response.abs().argmax()), response.shape)
    lines = []
    for axis in range(len(size)):
        scale = float(response[place]) if lines else 1.0
        lines.append(_responses(function, crosswise, axis, place) / scale)
    _check(function, size, lines)
    if any(line.shape != (1, 1) for line in lines[: len(size) - axes]):
        raise InvalidInput("no rule is known for what it does to a dimension that is no axis of the image")
    scale = np.prod([float(line.item()) for line in lines[: len(size) - axes]])
    lines = lines[len(size) - axes :]
    return tuple(LineFilter(line * scale if axis == 0 else line) for axis, line in enumerate(lines))


def _responses(
    function: Callable[[Tensor], Tensor], crosswise: list[Tensor], axis: int, place: tuple[np.intp, ...]
) -> np.ndarray:
    """Return ``[Q, P]``: what the product of the other axes' lines, at each position p, gives through a place."""
    size = [len(line) for line in crosswise]
    side, at_once = size[axis], max(1, AT_ONCE // int(np.prod(size)))
    across = _product([torch.ones(1, dtype=torch.float64) if a == axis else line for a, line in enumerate(crosswise)])
    through = tuple(slice(None) if a == axis else int(index) for a, index in enumerate(place))
    columns = []
    for rows in torch.eye(side, dtype=torch.float64).split(at_once):
        shape = [len(rows), 1, *(side if a == axis else 1 for a in range(len(size)))]
        columns.append(function(rows.reshape(shape) * across)[(slice(None), 0, *through)])
    return torch.cat(columns).T.numpy().copy()


def _product(lines: list[Tensor]) -> Tensor:
    """Return the product of a line along each axis."""
    shapes = [[-1 if a == axis else 1 for a in range(len(lines))] for axis in range(len(lines))]
    return math.prod((line.reshape(shape) for line, shape in zip(lines, shapes, strict=True)), start=torch.ones(()))


def _check(function: Callable[[Tensor], Tensor], size: tuple[int, ...], lines: list[np.ndarray]) -> None:
    image = torch.randn(size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    product = image.numpy()
    for axis, line in enumerate(lines):
        product = np.moveaxis(np.tensordot(line, product, (1, axis)), 0, axis)
    if not np.allclose(function(image[None, None])[0, 0].numpy(), product, rtol=0, atol=1e-9 * np.abs(product).max()):
        raise InvalidInput("no rule is known for fixed filters that do not act on each axis by itself")
