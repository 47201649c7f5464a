"""How many channels, and along how many axes, a network reads an image."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from typing import Any

import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode

CONVOLUTIONS = (F.conv1d, F.conv2d, F.conv3d)
TRANSPOSED = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)


def channels_of_first_layer(network: nn.Module) -> int | None:
    """Return the number that the first layer with parameters states; None if it states none."""
    leaves = (module for module in network.modules() if next(module.children(), None) is None)
    first = next((leaf for leaf in leaves if next(leaf.parameters(), None) is not None), None)
    channels = getattr(first, "in_channels", None)
    return channels if isinstance(channels, int) and channels > 0 else None


def axes_of_first_convolution(network: nn.Module) -> int | None:
    """Return along how many axes the first convolution runs; None if there is none."""
    convolutions = (module for module in network.modules() if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d))
    return next((len(convolution.kernel_size) for convolution in convolutions), None)


def channels_read(run: Callable[[], Any], channels: int) -> int | None:
    """Return how many channels an image must have for the first layer with weights; None if that is not known.

    Args:
        run: Runs the network on an image.
        channels: Of that image.
    """
    first = _FirstRead()
    with suppress(Exception), first:
        run()
    fitting = channels * (first.taken_by_given or 0)
    return int(fitting) if fitting > 0 and fitting.denominator == 1 else None


class _Read(Exception):
    """The first layer with weights was called."""


class _FirstRead(TorchFunctionMode):
    """Notes how many channels the first layer with weights takes for each that it is given, and stops there."""

    def __init__(self) -> None:
        super().__init__()
        self.taken_by_given: Fraction | None = None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in (*CONVOLUTIONS, *TRANSPOSED, F.linear):
            image, weight = (*args, *kwargs.values())[:2]
            given = image.shape[-1 if func is F.linear else 1]
            self.taken_by_given = Fraction(_taken(func, weight, args, kwargs), given) if given else None
            raise _Read
        return func(*args, **kwargs)


def _taken(func: Any, weight: Any, args: Any, kwargs: Any) -> int:
    if func not in CONVOLUTIONS:
        return weight.shape[0 if func in TRANSPOSED else 1]
    return weight.shape[1] * kwargs.get("groups", args[6] if len(args) > 6 else 1)
