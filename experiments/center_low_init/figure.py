"""One training of the small CNN: accuracy and ERF size by step, and the ERF before and after."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.center_low_init.config import Config
from experiments.center_low_init.experiment import Result
from experiments.harness.style import PAGE, entitle, map_row, new_figure

ACCURACY, SIZE, SIGMA = "#0072B2", "#D55E00", "#009E73"  # Okabe & Ito (2008)
CAPTION = (
    "{start}, {config.kernel_size}x{config.kernel_size} kernels, seed {config.seed}, draw {config.draw}; "
    "{config.training_images} training images, accuracy on {config.held_out} held-out ones. Middle unit of the top "
    "layer, mean_abs over {config.images} images; ERF size of the map averaged over its grid of {result.period} "
    "pixels, so up to {ceiling}. Maps: peak 1."
)


def draw(result: Result) -> Figure:
    """Draw accuracy with its levels, ERF size and sigma by step, and both maps."""
    figure = new_figure(PAGE, 2.6)
    curves, maps = figure.subfigures(1, 2, squeeze=False, width_ratios=(1.3, 1))[0]
    accuracy, size = curves.subplots(1, 2)
    _draw_accuracy(accuracy, result)
    _draw_sizes(size, result)
    pair = [result.arrays[name].astype(np.float32) for name in ("before", "after")]
    map_row(maps, pair, ("before training", "at the end"))
    values = {"start": start_of(result.config), "ceiling": result.theoretical_receptive_field + result.period - 1}
    entitle(figure, message(result), CAPTION, config=result.config, result=result, **values)
    return figure


def message(result: Result) -> str:
    """Return what the training reaches."""
    return f"{start_of(result.config)}: accuracy {result.moments[-1].accuracy:.1%} after {result.config.steps} steps"


def start_of(config: Config) -> str:
    """Return what a training starts from, in words."""
    return f"{config.init}, center-low of strength {config.strength:g}" if config.strength else f"{config.init}"


def _draw_accuracy(axes: Axes, result: Result) -> None:
    steps = [at.step for at in result.moments]
    axes.plot(steps, [at.accuracy for at in result.moments], "o-", ms=3, color=ACCURACY)
    for level, reached in zip(result.config.levels, result.steps_to, strict=True):
        axes.axhline(level, color="0.7", lw=0.8)
        if reached is not None:
            axes.plot(reached, level, "D", ms=5, color="black")
    axes.set(title="accuracy; diamonds: levels reached", xlabel="step", xlim=(0, result.config.steps))


def _draw_sizes(axes: Axes, result: Result) -> None:
    for name, value, colour in (("ERF size", "erf_size", SIZE), ("σ", "sigma", SIGMA)):
        known = [(at.step, getattr(at, value)) for at in result.moments if getattr(at, value) is not None]
        axes.plot([step for step, _ in known], [size for _, size in known], "o-", ms=3, color=colour, label=name)
    axes.set(
        title=f"ERF (TRF {result.theoretical_receptive_field} pixels)",
        xlabel="step",
        ylabel="pixels",
        xlim=(0, result.config.steps),
        ylim=(0, None),
    )
    axes.legend()
