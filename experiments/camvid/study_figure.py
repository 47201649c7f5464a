"""The ERF on CamVid from several starts: before and after training, and the way there."""

from __future__ import annotations

from matplotlib.figure import Figure

from experiments.camvid.study import Study
from experiments.trainings.study_figure import draw_starts


def draw(study: Study) -> Figure:
    """Draw maps before and after, sizes and validation mean IoU by epoch."""
    return draw_starts([study])
