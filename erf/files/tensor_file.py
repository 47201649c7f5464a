"""Files of tensors and plain values, as ``torch.save`` writes them; reading them runs no code."""

from __future__ import annotations

import warnings
import zipfile
from typing import Any, BinaryIO

import torch


def load_tensors(file: BinaryIO) -> Any:
    """Return what is in the file, on the CPU.

    Raises:
        pickle.UnpicklingError: It holds objects whose loading would run code.
        Exception: It is damaged, see :func:`erf.errors.decoding`.
    """
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as packed:
            if any(member.compress_type != zipfile.ZIP_STORED for member in packed.infolist()):
                raise ValueError("its parts are compressed, which torch never does; they may have any size")
            if broken := packed.testzip():  # torch compares no checksums
                raise ValueError(f"the checksum of {broken!r} is not that of its content")
    file.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pickles that other programs wrote
        return torch.load(file, "cpu", weights_only=True)
