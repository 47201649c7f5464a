"""What it costs to measure a claim again: CPU minutes, from the records' environment.json."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from experiments.harness.record import read_environment


@dataclass(frozen=True)
class Cost:
    """CPU minutes: seconds by the clock times threads, so no less than what the processor was busy for.

    Attributes:
        minutes: Of all runs together.
        partly: Whether parts of them are not in it: those before an interruption, and those on a GPU.
    """

    minutes: float
    partly: bool

    def __str__(self) -> str:
        """Return whole minutes."""
        return f"{'at least ' if self.partly else ''}{max(self.minutes, 1):.0f}"


def cost(runs: Iterable[str], folder: Path) -> Cost:
    """Return what the records of ``runs`` in ``folder`` cost.

    Raises:
        InvalidInput: One is missing or damaged.
    """
    environments = [read_environment(folder / run) for run in runs]
    minutes = sum(one.seconds * one.threads for one in environments) / 60
    return Cost(minutes, any(one.earlier_commits or one.earlier_devices for one in environments))
