"""Figure 3 of the paper, CamVid."""

from __future__ import annotations

from matplotlib.figure import Figure

from experiments.camvid.experiment import Result
from experiments.trainings.figure import draw_growth, draw_layers

OTHERS = {"layers": draw_layers}


def draw(result: Result) -> Figure:
    """Draw the maps before and after training, sizes and mean IoU by epoch, and the map as it evolves."""
    tested = f"test mean IoU {result.mean_iou:.1%}, global accuracy {result.global_accuracy:.1%}"
    return draw_growth(result, "mean_iou", tested)
