"""Files that are read: a FIFO, a socket or a device has no end, and may block for ever."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import BinaryIO


def open_regular(path: Path) -> BinaryIO:
    """Open a file, or what a link leads to, for reading its bytes.

    Raises:
        OSError: As :func:`open`; also for a FIFO, a socket and a device.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise OSError(errno.EINVAL, "Not a regular file", str(path))
    return path.open("rb")


def read_regular(path: Path) -> bytes:
    """Return the bytes of a file; errors as of :func:`open_regular`."""
    with open_regular(path) as file:
        return file.read()
