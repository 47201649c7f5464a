"""The numbers of the tensors of one pass, in the order in which operators return them."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils.weak import WeakTensorKeyDictionary

from erf.reachability.operands import storage_of

# Tensors that no pixel reached in an earlier pass without data, and that something outside of the network has kept, as
# the cache of a function does.
_CONSTANTS = WeakTensorKeyDictionary()


class TensorNumbers:
    """The number of each tensor that has one; without data, no other tensor should be there."""

    def __init__(self) -> None:
        self._count = 0
        self._numbers = WeakTensorKeyDictionary()
        self._storages: dict[int, StorageWeakRef] = {}  # of tensors without data; kept, so that none is mistaken

    def get(self, tensor: Tensor) -> int | None:
        """Return the number of a tensor; None if it has none."""
        return self._numbers.get(tensor)

    def give(self, tensor: Tensor) -> int:
        """Return the number of a tensor, a new one if it has none."""
        if tensor not in self._numbers:
            self._numbers[tensor] = self._count
            self._count += 1
            storage = storage_of(tensor) if tensor.is_meta else None
            if storage is not None and storage not in self._storages:
                self._storages[storage] = StorageWeakRef(tensor.untyped_storage())
        return self._numbers[tensor]

    def misses(self, tensor: Tensor) -> bool:
        """Whether a tensor without data comes from where nothing is followed."""
        known = tensor in self._numbers or tensor in _CONSTANTS or storage_of(tensor) in self._storages
        return tensor.is_meta and not known

    def end(self, is_reached: Callable[[Tensor], bool]) -> None:
        """Remember the constants without data that outlive the pass."""
        _CONSTANTS.update({tensor: None for tensor in self._numbers if tensor.is_meta and not is_reached(tensor)})
