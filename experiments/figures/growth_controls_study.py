"""The controls for Figure 3 of the paper: growth of the ERF by way of training, on images and on noise."""

from __future__ import annotations

from matplotlib.figure import Figure

from experiments.figures import growth_controls
from experiments.growth_controls_study import Study


def draw(study: Study) -> Figure:
    """Draw what a run of all arms draws."""
    return growth_controls.draw(study)
