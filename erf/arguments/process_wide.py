"""Settings of torch that hold for the whole process, while several threads measure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from threading import Lock, get_ident

Setting = Callable[[], AbstractContextManager[None]]


def process_wide(setting: Setting) -> Setting:
    """Let the first thread that needs a setting set it, and the last one put it back.

    If each thread put back what it met, the last one would put back for good what another had set.
    """
    lock, before, threads = Lock(), ExitStack(), []

    @contextmanager
    def shared() -> Iterator[None]:
        with lock:
            if not threads:
                before.enter_context(setting())
            threads.append(get_ident())
        try:
            yield
        finally:
            with lock:
                threads.remove(get_ident())
                if not threads:
                    before.close()

    return shared
