"""What the jobs of a sweep know of it, in whatever process they run, and the line that each of them says."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from experiments.harness.override import key_of
from experiments.harness.record import RESULT

VARIABLE = "ERF_SWEEP"  # of a job's environment, in which Hydra hands on the sweep with any launcher
CLOCK_STEP = 0.1  # seconds by which a disk's clock may differ from the processor's


@dataclass(frozen=True)
class Sweep:
    """A sweep that runs.

    Attributes:
        jobs: How many it has.
        measured: How many of them had a record when it was started.
        started: When that was, in seconds since 1970.
        shared: The keys whose values all jobs share.
        alone: Whether its folder is that of no other sweep, so that what is shared tells none of the jobs there apart.
    """

    jobs: int
    measured: int
    started: float
    shared: tuple[str, ...]
    alone: bool

    @classmethod
    def start(cls, jobs: Sequence[Sequence[str]], measured: int, alone: bool) -> Sweep:
        """Return the sweep of these jobs, each its overrides, that starts now."""
        shared = {key_of(override) for override in jobs[0] if len(jobs) > 1 and all(override in job for job in jobs)}
        return cls(len(jobs), measured, time.time(), tuple(sorted(shared)), alone)

    @classmethod
    def running(cls) -> Sweep:
        """Return the sweep that this process runs a job of."""
        return msgspec.json.decode(os.environ[VARIABLE], type=cls)

    @property
    def variable(self) -> str:
        """The text from which :meth:`running` reads it."""
        return msgspec.json.encode(self).decode()

    @property
    def headline(self) -> str:
        """How many jobs there are, and how many are done."""
        return f"{self.jobs} jobs" + (f", {self.measured} of them measured already" if self.measured else "")


@dataclass(frozen=True)
class Job:
    """A job of a sweep, its ``number`` counted from 0, and its overrides."""

    sweep: Sweep
    number: int
    overrides: tuple[str, ...]

    def __str__(self) -> str:
        return f"job {self.number + 1} of {self.sweep.jobs}: {' '.join(self._own or self.overrides)}"

    @property
    def telling_apart(self) -> tuple[str, ...]:
        """The overrides by which it can be told from the others in its folder."""
        return self._own if self.sweep.alone else self.overrides

    @property
    def _own(self) -> tuple[str, ...]:
        return tuple(override for override in self.overrides if key_of(override) not in self.sweep.shared)

    def time_left(self, folder: Path) -> str:
        """Return about how long the sweep in ``folder`` takes from this job's start, or "" until a first job is done.

        As long for each job as those that are done since the sweep's start took: by several processes at once they
        are done so much faster.
        """
        sweep, now = self.sweep, time.time()
        done = sum(path.stat().st_mtime >= sweep.started - CLOCK_STEP for path in folder.glob(f"*/{RESULT}"))
        if not done:
            return ""
        jobs = min(sweep.jobs - self.number, sweep.jobs - sweep.measured - done)
        return f", about {duration_text((now - sweep.started) / done * jobs)} left"


def duration_text(seconds: float) -> str:
    """Return a duration in the units in which its size is seen."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{round(minutes / 60)} h"
