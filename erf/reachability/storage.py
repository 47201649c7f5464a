"""The boxes of a storage that is written to in parts: every view of it sees the change."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import as_strided
from torch import Tensor

from erf.reachability.reach import NOTHING, Floats, Reach, from_dense


class WrittenStorage:
    """The boxes of every element of a storage, per input axis; slow, exact, and needed rarely."""

    def __init__(self, owner: Tensor, reaches: tuple[Reach, ...]) -> None:
        elements = owner.untyped_storage().nbytes() // owner.element_size()
        self._flat = [np.full((3, elements), NOTHING) for _ in reaches]
        self._exact = [True for _ in reaches]
        self._whole = [False for _ in reaches]
        self.write(owner, reaches)

    def write(self, tensor: Tensor, reaches: tuple[Reach, ...]) -> None:
        """Set the boxes of the elements that the tensor views."""
        for axis, reach in enumerate(reaches):
            _viewed(self._flat[axis], tensor)[...] = reach.dense()
            self._exact[axis] &= reach.exact
            self._whole[axis] |= any(reach.whole(dim) for dim in range(reach.ndim))

    def read(self, tensor: Tensor) -> tuple[Reach, ...]:
        """Return the boxes of the elements that the tensor views."""
        parts = zip(self._flat, self._exact, self._whole, strict=True)
        return tuple(from_dense(_viewed(flat, tensor).copy(), exact, whole) for flat, exact, whole in parts)


def _viewed(flat: Floats, tensor: Tensor) -> Floats:
    """Return the elements that the tensor views, as ``[3, *shape]``."""
    strides = [flat.strides[0], *(stride * flat.itemsize for stride in tensor.stride())]
    return as_strided(flat[:, tensor.storage_offset() :], (3, *tensor.shape), strides)
