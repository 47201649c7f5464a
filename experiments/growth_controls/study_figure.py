"""The controls for Figure 3 of the paper: growth of the ERF by way of training, on images and on noise."""

from experiments.growth_controls.figure import draw

__all__ = ["draw"]  # a study is drawn as a run of all arms is
