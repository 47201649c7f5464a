"""The reference runs of gaussian_shape and the series that it logs."""

from experiments.harness.about import Series

QUESTION = "Are ERFs Gaussian, and how fast do means over runs become so?"
RUNS = ("gaussian_shape",)
SERIES = (
    Series("map/KIND", "depth", "influence map, peak 1"),
    Series(
        "map/KIND/fit",
        "depth",
        "the map with the TRF's box (dashed) and the fitted Gaussian's contour at 4.55 % of its peak",
    ),
    Series("r_squared/KIND", "depth", "share of the map's variance that the Gaussian fit explains"),
    Series("skipped_runs/KIND", "depth", "runs that were 0 everywhere"),
    Series("metrics/r_squared_KIND", "0", "r² at the largest depth"),
)
