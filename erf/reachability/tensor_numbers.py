"""The numbers of the tensors of one pass, in the order in which operators return them."""

from __future__ import annotations

import gc
from collections.abc import Callable

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

from erf.reachability.by_tensor import ByTensor
from erf.reachability.operands import storage_of

# Tensors that no pixel reached in an earlier pass without data, and that something outside of the network has kept, as
# the cache of a function does.
_CONSTANTS: ByTensor[None] = ByTensor()
# Operators that read what torch has just made of Python's numbers.
MADE_HERE = (torch.ops.aten.lift_fresh.default, torch.ops.aten.lift.default)


class TensorNumbers:
    """The number of each tensor that has one, and which tensors come from where nothing is followed.

    Without data, no tensor should be there but those with a number. With data, those that were there before the pass
    are constants, and so are those whose memory is not torch's, as numpy's.
    """

    def __init__(self, on_images: bool) -> None:
        self._count = 0
        self._numbers: ByTensor[int] = ByTensor()
        self._storages: dict[int | None, StorageWeakRef] = {}  # of known tensors; kept, so that none is mistaken
        self._on_images = on_images
        for tensor in _living_tensors() if on_images else ():
            self._know(tensor)

    def get(self, tensor: Tensor) -> int | None:
        """Return the number of a tensor; None if it has none."""
        return self._numbers.get(tensor)

    def give(self, tensor: Tensor) -> int:
        """Return the number of a tensor, a new one if it has none."""
        number = self._numbers.get(tensor)
        if number is None:
            number = self._count
            self._numbers[tensor] = number
            self._count += 1
            if tensor.is_meta or self._on_images:
                self._know(tensor)
        return number

    def _know(self, tensor: Tensor) -> None:
        storage = storage_of(tensor)
        if storage is not None and storage not in self._storages:
            self._storages[storage] = StorageWeakRef(tensor.untyped_storage())

    def misses(self, tensor: Tensor) -> bool:
        """Whether a tensor comes from where nothing is followed."""
        if tensor in self._numbers or tensor in _CONSTANTS or storage_of(tensor) in self._storages:
            return False
        return tensor.is_meta or (self._on_images and tensor.untyped_storage().resizable())

    def end(self, is_reached: Callable[[Tensor], bool]) -> None:
        """Remember the constants without data that outlive the pass."""
        for tensor in self._numbers:
            if tensor.is_meta and not is_reached(tensor):
                _CONSTANTS[tensor] = None


def _living_tensors() -> list[Tensor]:
    return [each for each in gc.get_objects() if issubclass(type(each), Tensor)]
