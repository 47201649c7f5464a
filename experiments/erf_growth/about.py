"""How does the ERF grow with depth, against the theoretical field?"""

from experiments.harness.about import Series, map_series

RUNS = ("erf_growth", "erf_growth_deep")
SERIES = (
    *map_series("map/KIND", "depth"),
    Series("size/KIND", "depth", "ERF size, pixels"),
    Series("ratio/KIND", "depth", "ERF size / TRF size"),
    Series("sigma/KIND", "depth", "standard deviation in pixels of the Gaussian fit, mean of both axes"),
    Series("r_squared/KIND", "depth", "share of the map's variance that the Gaussian fit explains"),
    Series("skipped_runs/KIND", "depth", "runs that were 0 everywhere"),
    Series("metrics/size_KIND", "0", "ERF size at the largest depth, pixels"),
    Series("metrics/exponent_KIND", "0", "exponent of the ERF size against the TRF over all depths"),
)
