"""Are ERFs Gaussian with ReLU, tanh and sigmoid, too?"""

from experiments.harness.about import Series, map_series

RUNS = ("nonlinearities",)
SERIES = (
    *map_series("map/KIND", "runs"),
    Series("r_squared/KIND", "runs", "share of the map's variance that the Gaussian fit explains, mean over groups"),
    Series("skipped_runs/KIND", "runs", "runs that were 0 everywhere"),
    Series("metrics/r_squared_KIND", "0", "r², mean over groups"),
)
