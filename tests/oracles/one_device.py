"""A guard that finds, without a GPU, a tensor that forgot its device."""

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# Their purpose is to bring a tensor from one device to another.
TRANSFERS = {torch.ops.aten.copy_.default, torch.ops.aten._to_copy.default}


class OneDevice(TorchDispatchMode):
    """Raise where an operator is given tensors of different devices; numbers (tensors without axes) may be anywhere."""

    def __init__(self):
        super().__init__()
        self.seen: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = tree_leaves((args, kwargs or {}))
        devices = {leaf.device.type for leaf in given if isinstance(leaf, torch.Tensor) and leaf.ndim}
        if len(devices) > 1 and func not in TRANSFERS:
            raise RuntimeError(f"{func} mixes devices: {sorted(devices)}")
        self.seen |= devices
        return func(*args, **(kwargs or {}))
