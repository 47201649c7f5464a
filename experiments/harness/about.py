"""What the project knows of an experiment besides how it measures: data, reference runs and studies, series."""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass

DEVIATION = "largest difference from theory over pixels, in standard errors over runs"  # a series' meaning


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


def map_series(tag: str, step: str, meaning: str = "influence map, peak 1") -> tuple[Series, Series]:
    """Return the series of a map and of its Gaussian fit."""
    fit = "the map with the TRF's box (dashed) and the fitted Gaussian's contour at 4.55 % of its peak"
    return Series(tag, step, meaning), Series(f"{tag}/fit", step, fit)


@dataclass(frozen=True)
class About:
    """What ``experiments/<name>/about.py`` says.

    Attributes:
        question: That it answers, the module's docstring.
        data: The data sets that it needs, in the folder of data.
        runs: Those whose records are evidence, by their names in conf/experiment/ and in results/reference/.
        studies: Likewise; its sweeps are in ``study.py``.
        series: All that it logs.
    """

    question: str
    data: tuple[str, ...]
    runs: tuple[str, ...]
    studies: tuple[str, ...]
    series: tuple[Series, ...]


def about(name: str) -> About:
    """Return what ``experiments/<name>/about.py`` says; DATA, RUNS and STUDIES may be left out there."""
    module = importlib.import_module(f"experiments.{name}.about")
    return About(
        question=module.__doc__ or "",
        data=getattr(module, "DATA", ()),
        runs=getattr(module, "RUNS", ()),
        studies=getattr(module, "STUDIES", ()),
        series=module.SERIES,
    )
