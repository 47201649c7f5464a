"""The tables of a training on the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group

from experiments.harness.table import table
from experiments.trainings.growth_result import Growth


def in_words(metric: str) -> str:
    """Return the name of a metric as it is read."""
    return metric.replace("_", " ").replace("iou", "IoU")


def growth_tables(result: Growth) -> Group:
    """Return the tables of the trajectory, of the units and of the layers."""
    validation = (
        (f"validation {in_words(name)}", lambda at, name=name: at.validation[name], 4)
        for name in result.trajectory[0].validation
    )
    trajectory = table(
        result.trajectory, ("epoch", lambda at: f"{at.epoch}{' (best)' if at.epoch == result.best_epoch else ''}"),
        ("loss", "training_loss", 3), *validation, ("ERF size", "erf_size", 1), ("95 %", "erf_size_interval", 1),
        ("averaged", lambda at: at.measures and at.measures.averaged_size, 1),
        ("95 %", lambda at: at.measures and at.measures.averaged_size_interval, 1),
    )  # fmt: skip
    units = table(result.units, "unit", ("ERF size before", "erf_size_before", 1), ("after", "erf_size_after", 1))
    low, high = result.growth_interval
    layers = table(
        result.layers, "layer", ("TRF", "trf_size"), ("ERF size before", "erf_size_before", 1),
        ("95 %", "erf_size_before_interval", 1), ("after", "erf_size_after", 1), ("95 %", "erf_size_after_interval", 1),
    )  # fmt: skip
    line = (
        f"ERF size {result.erf_size_before:.1f} -> {result.erf_size_after:.1f}: growth {result.growth:.1f} "
        f"({low:.1f} to {high:.1f}), factor {result.growth_factor:.2f}, over {result.images} images; "
        f"TRF {result.theoretical_receptive_field}"
    )
    return Group(trajectory, units, layers, line, *_averaged_lines(result))


def _averaged_lines(result: Growth) -> Iterator[str]:
    """Yield the sizes on the map averaged over the grid's period, where a record has them."""
    before, after = result.trajectory[0].measures, result.trajectory[result.best_epoch].measures
    if before and after and result.fresh:
        yield (
            f"on the map averaged over the grid's period {before.averaged_size:.1f} -> {after.averaged_size:.1f}; "
            f"batch norm never calibrated, before training: {result.fresh.averaged_size:.1f}"
        )
