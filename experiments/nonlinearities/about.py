"""The reference runs of nonlinearities, the series that it logs, and its smallest run."""

from experiments.harness.about import ReferenceRun, Series

QUESTION = "Which nonlinearity leaves them how Gaussian?"
RUNS = {
    "nonlinearities": ReferenceRun(quick=("groups=4",)),
}
SMALLEST = ("depth=3", "runs=6", "fewer_runs=3", "groups=2", "channels=4")
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
