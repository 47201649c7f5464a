"""The reference runs of gaussian_shape, the series that it logs, and its smallest run."""

from experiments.harness.about import ReferenceRun, Series

QUESTION = "Are ERFs Gaussian, and how fast do means over runs become so?"
RUNS = {
    "gaussian_shape": ReferenceRun(quick=("group_runs=[20,100,200]", "group_total=600")),
}
SMALLEST = ("depths=[2,3]", "runs=12", "channels=4", "group_depth=3", "group_runs=[2,4,8]", "group_total=40")
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
