"""The boxes of tensors, whatever object holds them."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

from erf.reachability.by_tensor import ByTensor
from erf.reachability.operands import storage_of
from erf.reachability.record import Reaches

SWEEP = 8  # new storages after which those that are gone are forgotten: boxes between all pairs of tokens are large
Layout = tuple[tuple[int, ...], tuple[int, ...], int]  # shape, strides, offset in the storage


@dataclass(slots=True)
class _Known:
    """What is known of an object.

    Attributes:
        storage: The number of its storage when its boxes were noted.
        reaches: Its boxes; None if none were noted.
        version: Of what was written to its storage, see :class:`erf.reachability.storage.WrittenStorage`, in its boxes.
    """

    storage: int | None = None
    reaches: Reaches | None = None
    version: int | None = None


class First:
    """Stands for the tensor that was first in a storage with views: that itself may go, and its values with it."""

    is_meta: bool = True  # it has no values

    def __init__(self, tensor: Tensor, known: _Known) -> None:
        self.layout: Layout = _layout(tensor)
        self.shape: tuple[int, ...] = self.layout[0]
        self.ndim: int = tensor.ndim
        self.known: _Known = known
        self.storage: int | None = storage_of(tensor)
        self._reference = StorageWeakRef(tensor.untyped_storage())  # keeps the number from being given again
        self._sizes = tensor.numel(), tensor.element_size()

    def stride(self) -> tuple[int, ...]:
        """As a tensor's."""
        return self.layout[1]

    def storage_offset(self) -> int:
        """As a tensor's."""
        return self.layout[2]

    def numel(self) -> int:
        """As a tensor's."""
        return self._sizes[0]

    def element_size(self) -> int:
        """As a tensor's."""
        return self._sizes[1]


class TensorReaches:
    """The boxes of each tensor that pixels reach, by the object and by its part of the storage.

    Some tensors come to a new object without an operator, as ``x.as_subclass`` and ``y.data = x`` do. They have the
    boxes of the same part of the same storage. The weak references keep a storage's number from being given again.
    """

    def __init__(self) -> None:
        self._of_objects: ByTensor[_Known] = ByTensor()
        self._of_storages: dict[int, dict[Layout, Reaches]] = {}
        self._storages: dict[int, StorageWeakRef] = {}
        self._made = 0

    def __setitem__(self, tensor: Tensor | First, reaches: Reaches) -> None:
        storage, known = storage_number(tensor), self._known(tensor)
        known.storage, known.reaches = storage, reaches
        if storage is None:
            return
        if storage not in self._of_storages and isinstance(tensor, Tensor):
            self._made += 1
            if self._made % SWEEP == 0:
                self._sweep()
            self._of_storages[storage] = {}
            self._storages[storage] = StorageWeakRef(tensor.untyped_storage())
        if storage in self._of_storages:
            self._of_storages[storage][_layout(tensor)] = reaches

    def _sweep(self) -> None:
        for storage in [storage for storage, reference in self._storages.items() if reference.expired()]:
            del self._of_storages[storage], self._storages[storage]

    def __contains__(self, tensor: Tensor | First) -> bool:
        storage = storage_number(tensor)
        if storage is not None:
            return storage in self._of_storages
        return isinstance(tensor, Tensor) and tensor in self._of_objects

    def get(self, tensor: Tensor | First) -> Reaches | None:
        """Return the boxes of a tensor; None if there are none of its part of a storage."""
        storage = storage_number(tensor)
        known = tensor.known if isinstance(tensor, First) else self._of_objects.get(tensor)
        if known and known.reaches is not None and known.storage == storage:
            return known.reaches
        return self._of_storages[storage].get(_layout(tensor)) if storage in self._of_storages else None

    def first(self, tensor: Tensor) -> First:
        """Return what stands for a tensor, with what will be known of it."""
        return First(tensor, self._known(tensor))

    def version(self, tensor: Tensor | First) -> int | None:
        """Return the version of the storage in the boxes of a tensor; None if they are not from there."""
        known = tensor.known if isinstance(tensor, First) else self._of_objects.get(tensor)
        return known.version if known else None

    def set_version(self, tensor: Tensor | First, version: int) -> None:
        """Note the version of the storage in the boxes of a tensor."""
        self._known(tensor).version = version

    def _known(self, tensor: Tensor | First) -> _Known:
        if isinstance(tensor, First):
            return tensor.known
        known = self._of_objects.get(tensor)
        if known is None:
            known = self._of_objects[tensor] = _Known()
        return known


def storage_number(tensor: Tensor | First) -> int | None:
    """Return the number of a tensor's storage; None if it has none."""
    return tensor.storage if isinstance(tensor, First) else storage_of(tensor)


def _layout(tensor: Tensor | First) -> Layout:
    return tuple(tensor.shape), tensor.stride(), int(tensor.storage_offset())
