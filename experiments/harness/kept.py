"""What a run keeps on disk of a part that it has measured, until it has a record: any typed value, arrays included."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np

from erf.errors import InvalidInput
from experiments.harness.record import decode_arrays, encode_arrays

T = TypeVar("T")

VALUE = "value"  # the entry of the npz file that holds all but the arrays, which stand in it by their numbers


def encode_kept(value: Any) -> bytes:
    """Return ``value``, of dataclasses, containers, numbers, texts and arrays, as an npz file."""
    arrays: dict[str, np.ndarray] = {}

    def numbered(array: Any) -> Any:
        if isinstance(array, np.generic):
            return array.item()
        arrays[str(len(arrays))] = array
        return len(arrays) - 1

    packed = msgspec.msgpack.encode(value, enc_hook=numbered)
    return encode_arrays({VALUE: np.frombuffer(packed, np.uint8)} | arrays)


def decode_kept(path: Path, kind: type[T]) -> T:
    """Return the value of type ``kind`` in the file at ``path``.

    Raises:
        InvalidInput: The file is missing or damaged, or holds a value of another type.
    """
    arrays = decode_arrays(path)
    try:
        return msgspec.msgpack.decode(arrays[VALUE].tobytes(), type=kind, dec_hook=lambda _, key: arrays[str(key)])
    except (msgspec.DecodeError, KeyError) as error:
        raise InvalidInput(f"{path} is damaged: {error}") from error
