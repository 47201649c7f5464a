"""What is known of tensors, by the tensors themselves and not by their values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar
from weakref import ref

from torch import Tensor

T = TypeVar("T")


class _Reference(ref[Tensor]):
    """A weak reference that knows where its entry stands."""

    __slots__ = ("key",)
    key: int


class ByTensor(Generic[T]):
    """A dict by tensors that does not keep them alive; torch's own takes 30 times as long for a look-up."""

    def __init__(self) -> None:
        self._entries: dict[int, tuple[_Reference, T]] = {}
        table = ref(self)

        def forget(reference: _Reference) -> None:
            if (living := table()) is not None:
                living._entries.pop(reference.key, None)

        self._forget = forget

    def __setitem__(self, tensor: Tensor, value: T) -> None:
        reference = _Reference(tensor, self._forget)  # pyright: ignore[reportArgumentType]  # it is called with itself
        reference.key = id(tensor)
        self._entries[id(tensor)] = reference, value

    def __contains__(self, tensor: Tensor) -> bool:
        return id(tensor) in self._entries

    def __iter__(self) -> Iterator[Tensor]:
        living = [tensor for reference, _ in [*self._entries.values()] if (tensor := reference()) is not None]
        for tensor in living:
            tensor._fix_weakref()  # pyright: ignore[reportAttributeAccessIssue]  # as torch's own weak references do
        return iter(living)

    def get(self, tensor: Tensor) -> T | None:
        """Return what is known of a tensor; None if nothing is."""
        entry = self._entries.get(id(tensor))
        return None if entry is None else entry[1]
