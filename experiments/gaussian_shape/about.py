"""Are ERFs Gaussian, and how fast do means over runs become so?"""

from experiments.harness.about import Series, map_series

RUNS = ("gaussian_shape",)
SERIES = (
    *map_series("map/KIND", "depth"),
    Series("r_squared/KIND", "depth", "share of the map's variance that the Gaussian fit explains"),
    Series("skipped_runs/KIND", "depth", "runs that were 0 everywhere"),
    Series("metrics/r_squared_KIND", "0", "r² at the largest depth"),
)
