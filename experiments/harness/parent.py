"""Worker processes end soon after the process that started them, also where that is killed and can say nothing."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from functools import cache

SECONDS = 1.0  # between looks at the parent


@cache
def end_with_parent() -> None:
    """In a worker process, end it when its parent has ended; in any other process, do nothing.

    The first call counts. A record is whole or absent whenever this happens.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_watch, args=(parent.pid, os.getppid()), daemon=True).start()


def _watch(parent: int, given: int) -> None:
    """End this process when its parent is gone, which may have been so from the first look on.

    Args:
        parent: The number of the process that asked for this one.
        given: Of that from which this one was forked: the same, or a server of forks. An orphan is given another one.
    """
    while os.getppid() == given and _is_there(parent):
        time.sleep(SECONDS)
    os._exit(1)


def _is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
