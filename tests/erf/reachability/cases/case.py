"""A small network, and what is asked of its field."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from tests.erf.hard_cases import Forward

PLANE, LINE, SIGNAL, VIDEO = (9, 9), (12,), (40,), (4, 5, 5)


@dataclass(frozen=True)
class Case:
    """A network and what its field is.

    Attributes:
        make: The network, which maps ``[N, 2, *size]``.
        size: Of the image.
        layer: That is asked for; None is the network's output.
        exact: Whether the box is what NaN poisoning finds, where a value is read by no pixel's own choice; else it
            holds that.
        assumed: Parts of the sentences that are assumed, in order.
    """

    make: Callable[[], nn.Module]
    size: tuple[int, ...] = PLANE
    layer: str | None = None
    exact: bool = True
    assumed: tuple[str, ...] = ()


def conv(inputs: int = 2, outputs: int = 2, kernel: int = 3, **options: Any) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, **options)


def of(forward: Callable[..., Any], *layers: Callable[[], nn.Module], **asked: Any) -> Case:
    """A network of a forward and its layers."""
    return Case(lambda: Forward(forward, *(layer() for layer in layers)), **asked)


def before(forward: Callable[[Tensor], Tensor], **asked: Any) -> Case:
    """A forward, then a 3 x 3 convolution."""
    return of(lambda x, last: last(forward(x)), conv, **asked)
