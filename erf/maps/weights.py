"""A network's parameters and buffers: what measuring needs to know of them, found without a look at each value."""

from __future__ import annotations

from itertools import zip_longest
from weakref import WeakKeyDictionary, ref

import torch
from torch import Tensor, nn

from erf.arguments import require_initialized, require_weights
from erf.reachability.as_written import tensors_of

# By network, the tensors whose values were looked at, each with its place in memory and how often it had been written.
_checked: WeakKeyDictionary[nn.Module, list[tuple[ref[Tensor], int, int]]] = WeakKeyDictionary()


def taken_by(network: nn.Module) -> tuple[torch.device | None, torch.dtype | None]:
    """Return the device of the network's first tensor, and the dtype of its first floating-point one, if any."""
    device = next((tensor.device for tensor in tensors_of(network)), None)
    return device, next((tensor.dtype for tensor in tensors_of(network) if tensor.is_floating_point()), None)


def require_weights_once(network: nn.Module) -> None:
    """Raise InvalidInput unless the network is a module of finite weights; what was looked at is not looked at again.

    What is written past autograd, as by ``weight.data``, is not seen here.
    """
    if isinstance(network, nn.Module) and _is_checked(network):
        return
    require_weights(network, real=False)
    require_initialized(network)
    tensors = list(tensors_of(network))
    if all(tensor.layout is torch.strided and not (tensor.is_inference() or tensor.is_meta) for tensor in tensors):
        _checked[network] = [(ref(tensor), tensor.data_ptr(), tensor._version) for tensor in tensors]


def forget_weights(network: nn.Module) -> None:
    """Look at the values of a network's weights again, the next time."""
    _checked.pop(network, None)


def _is_checked(network: nn.Module) -> bool:
    before = _checked.get(network)
    return before is not None and all(
        known is not None and known[0]() is tensor and known[1:] == (tensor.data_ptr(), tensor._version)
        for known, tensor in zip_longest(before, tensors_of(network))
    )
