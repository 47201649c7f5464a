"""The controls for Figure 3 of the paper: growth of the ERF by way of training, on images and on noise."""

from __future__ import annotations

from matplotlib.figure import Figure

from experiments.growth_controls import figure as growth_controls
from experiments.growth_controls.study import Study


def draw(study: Study) -> Figure:
    """Draw what a run of all arms draws."""
    return growth_controls.draw(study)
