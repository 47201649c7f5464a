"""The ERF on CIFAR-10 from several starts: before and after training, and the way there."""

from __future__ import annotations

from matplotlib.figure import Figure

from experiments.cifar10.study import Study
from experiments.trainings.study_figure import draw_starts


def draw(study: Study) -> Figure:
    """Draw maps before and after, sizes and validation accuracy by epoch."""
    return draw_starts([study])
