"""By how much a measurement raises the peak memory of a process that does nothing else."""

from __future__ import annotations

import multiprocessing
import re
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any


def peak_alone(warm: Callable[[], Any], measure: Callable[[], Any]) -> float | None:
    """Return the growth of peak memory in MiB in a fresh process, on as many threads as here; None if not known.

    Args:
        warm: A smaller measurement of the same kind, which loads what torch loads at first use.
        measure: The measurement; both can be pickled.
    """
    import torch  # here, as not all that is measured needs it

    return in_fresh_process(_peak_growth, warm, measure, torch.get_num_threads())


def _peak_growth(warm: Callable[[], Any], measure: Callable[[], Any], threads: int) -> float | None:
    import torch

    torch.set_num_threads(threads)
    warm()
    before = resident_peak()
    measure()
    after = resident_peak()
    return None if before is None or after is None else after - before


def in_fresh_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return ``function(*arguments)`` from a new interpreter, whose peak memory is that of this call alone."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def resident_peak() -> float | None:
    """Return this process's peak resident memory in MiB, or None where the system does not tell.

    ``resource.getrusage`` would: of a process's parent, where that was the larger.
    """
    status = Path("/proc/self/status")
    match = re.search(r"VmHWM:\s*(\d+) kB", status.read_text()) if status.exists() else None
    return int(match[1]) / 1024 if match else None
