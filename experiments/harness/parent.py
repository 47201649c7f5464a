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
    if multiprocessing.current_process().name != "MainProcess":  # loky's workers have names of their own, too
        threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:  # an orphan is given another one
        time.sleep(SECONDS)
    os._exit(1)
