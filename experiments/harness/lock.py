"""A lock between processes: a file that one of them holds; it ends with the process, however that ends."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

SECONDS = 0.05  # between attempts


@contextmanager
def locked(path: Path, busy: Callable[[], None], patience: float = 0.0) -> Iterator[None]:
    """Hold the lock file ``path``, which is removed afterwards.

    Args:
        path: Of the file; its folder exists.
        busy: Called where another process holds it. Unless it raises an error, this one then waits.
        patience: Seconds that another process may hold it before ``busy`` is called.
    """
    while True:
        with path.open("w") as file:
            if not _is_free(file, patience):
                busy()
                fcntl.flock(file, fcntl.LOCK_EX)
            if not _is_at(file, path):  # whoever held it has removed it, and another process may hold a new one
                continue
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
            return


def _is_free(file: IO, patience: float) -> bool:
    """Return whether no other process held the file, at least in the end; this one then does."""
    end = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
            time.sleep(SECONDS)


def _is_at(file: IO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
