"""The reference runs of nonlinearities and the series that it logs."""

from experiments.harness.about import Series

QUESTION = "Which nonlinearity leaves them how Gaussian?"
RUNS = ("nonlinearities",)
SERIES = (
    Series("map/KIND", "runs", "influence map, peak 1"),
    Series(
        "map/KIND/fit",
        "runs",
        "the map with the TRF's box (dashed) and the fitted Gaussian's contour at 4.55 % of its peak",
    ),
    Series("r_squared/KIND", "runs", "share of the map's variance that the Gaussian fit explains, mean over groups"),
    Series("skipped_runs/KIND", "runs", "runs that were 0 everywhere"),
    Series("metrics/r_squared_KIND", "0", "r², mean over groups"),
)
