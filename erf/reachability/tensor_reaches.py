"""The boxes of tensors, whatever object holds them."""

from __future__ import annotations

from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

from erf.reachability.by_tensor import ByTensor
from erf.reachability.operands import storage_of
from erf.reachability.record import Reaches

SWEEP = 8  # new storages after which those that are gone are forgotten: boxes between all pairs of tokens are large
Layout = tuple[tuple[int, ...], tuple[int, ...], int]  # shape, strides, offset in the storage


class TensorReaches:
    """The boxes of each tensor that pixels reach, by the object and by its part of the storage.

    Some tensors come to a new object without an operator, as ``x.as_subclass`` and ``y.data = x`` do. They have the
    boxes of the same part of the same storage. The weak references keep a storage's number from being given again.
    """

    def __init__(self) -> None:
        self._of_objects: ByTensor[tuple[int | None, Reaches]] = ByTensor()  # the number of the storage, and the boxes
        self._of_storages: dict[int, dict[Layout, Reaches]] = {}
        self._storages: dict[int, StorageWeakRef] = {}
        self._made = 0

    def __setitem__(self, tensor: Tensor, reaches: Reaches) -> None:
        storage = storage_of(tensor)
        self._of_objects[tensor] = storage, reaches
        if storage is None:
            return
        if storage not in self._of_storages:
            self._made += 1
            if self._made % SWEEP == 0:
                self._sweep()
            self._of_storages[storage] = {}
            self._storages[storage] = StorageWeakRef(tensor.untyped_storage())
        self._of_storages[storage][_layout(tensor)] = reaches

    def _sweep(self) -> None:
        for storage in [storage for storage, reference in self._storages.items() if reference.expired()]:
            del self._of_storages[storage], self._storages[storage]

    def __contains__(self, tensor: Tensor) -> bool:
        storage = storage_of(tensor)
        return tensor in self._of_objects if storage is None else storage in self._of_storages

    def get(self, tensor: Tensor) -> Reaches | None:
        """Return the boxes of a tensor; None if there are none of its part of a storage."""
        storage = storage_of(tensor)
        of_object = self._of_objects.get(tensor)
        if of_object and of_object[0] == storage:
            return of_object[1]
        return self._of_storages[storage].get(_layout(tensor)) if storage in self._of_storages else None


def _layout(tensor: Tensor) -> Layout:
    return tuple(tensor.shape), tensor.stride(), int(tensor.storage_offset())
