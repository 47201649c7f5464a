"""What the project knows of an experiment besides how it measures: data, reference runs, series, smallest run."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Sweeps = tuple[tuple[str, ...], ...]  # each by the overrides of run.py -m


@dataclass(frozen=True)
class ReferenceRun:
    """A run whose record is evidence: its overrides of run.py, and those that make a quick run of the same claims."""

    overrides: tuple[str, ...] = ()
    quick: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReferenceStudy:
    """Sweeps whose jobs are gathered into one record, by their first seed, and the overrides of a quick study."""

    sweeps: Callable[[int], Sweeps]
    quick: tuple[str, ...] = ()


@dataclass(frozen=True)
class Series:
    """What the logbook is given under one tag, at which steps.

    A word of ``tag`` in capitals stands for one of several names: ``size/KIND`` for ``size/random``, ``size/relu``, ...
    """

    tag: str
    step: str
    meaning: str

    def holds(self, tag: str) -> bool:
        """Return whether ``tag`` is of this series."""
        return re.fullmatch(re.sub(r"[A-Z]{2,}", "[^/]+", re.escape(self.tag)), tag) is not None


@dataclass(frozen=True)
class About:
    """The names of ``experiments/<name>/about.py``.

    Attributes:
        question: That it answers.
        data: The data sets that it needs, in the folder of data.
        runs: Reference runs by the folder of their record in results/reference/.
        studies: Likewise.
        smallest: Overrides of a run that takes about a second; the tests of every experiment run it.
        series: All that it logs.
    """

    question: str
    data: tuple[str, ...]
    runs: Mapping[str, ReferenceRun]
    studies: Mapping[str, ReferenceStudy]
    smallest: tuple[str, ...]
    series: tuple[Series, ...]


def about(name: str) -> About:
    """Return what ``experiments/<name>/about.py`` says; DATA, RUNS and STUDIES may be left out there."""
    module = importlib.import_module(f"experiments.{name}.about")
    return About(
        question=module.QUESTION,
        data=getattr(module, "DATA", ()),
        runs=getattr(module, "RUNS", {}),
        studies=getattr(module, "STUDIES", {}),
        smallest=module.SMALLEST,
        series=module.SERIES,
    )
