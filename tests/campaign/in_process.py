"""Drawn cases that are tried in this process: how one that goes on is ended, and how the ends are counted and told."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager

SECONDS = 20  # within which a case must end

Ends = Iterable[tuple[str, str]]  # of each case a word for how it ended, and what else is told of it


class TooSlow(BaseException):
    """The time is up."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    def stop(*_):
        raise TooSlow

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def tallied(ends: Ends, good: Collection[str]) -> tuple[Counter[str], list[str]]:
    """Return how many cases ended in which way, and a line for each that ended in none of the good ones."""
    counts, faults = Counter(), []
    for word, text in ends:
        counts[word] += 1
        if word not in good:
            faults.append(f"{word}: {text}")
    return counts, faults


def require_a_thousand(name: str, ends: Callable[[int, int], Ends], good: Collection[str], capsys) -> None:
    """Fail unless a thousand cases of the seed that is asked for end well; print how they ended."""
    seed = int(os.environ.get("CAMPAIGN_SEED", "2026"))
    begin = time.monotonic()
    counts, faults = tallied(ends(seed, 1000), good)
    with capsys.disabled():
        print(f"\n{name}, seed {seed}: {dict(counts)} in {time.monotonic() - begin:.0f} s")
    assert faults == []
