"""Figure 3 of the paper, CIFAR-10."""

from __future__ import annotations

from matplotlib.figure import Figure

from experiments.cifar10.experiment import Result
from experiments.trainings.figure import draw_growth, draw_layers

OTHERS = {"layers": draw_layers}


def draw(result: Result) -> Figure:
    """Draw the maps before and after training, sizes and accuracy by epoch, and the map as it evolves."""
    return draw_growth(result, "accuracy", f"test accuracy {result.test_accuracy:.1%}")
