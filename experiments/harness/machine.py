"""What this machine has room for, asked before anything is allocated or started."""

from __future__ import annotations

import os
from typing import Any

from erf import InvalidInput

GIB = 2**30
FLOAT32, FLOAT64, KERNEL_3X3 = 4, 8, 36  # bytes; the last in float32, between one channel and another
CORES = os.cpu_count() or 1


def require_memory(needed: float, **settings: Any) -> None:
    """Raise InvalidInput where ``needed`` bytes, which these settings take at least, are more than the machine has."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > memory:
        given = ", ".join(f"{key}={value}" for key, value in settings.items())
        raise InvalidInput(
            f"{given}: that takes {needed / GIB:,.0f} GiB of memory at least; allowed on this machine are "
            f"{memory / GIB:.0f} GiB"
        )


def require_cores(**counts: int) -> None:
    """Raise InvalidInput for the first of these numbers of threads or processes that is above the machine's cores."""
    for key, count in counts.items():
        if count > CORES:
            raise InvalidInput(f"{key}={count}: this machine has {CORES} cores; allowed are 1 to {CORES}")
