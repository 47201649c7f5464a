"""The reference runs of sparse_connections, the series that it logs, and its smallest run."""

from experiments.harness.about import ReferenceRun, Series

QUESTION = "As many connections, spread over a larger area?"
RUNS = {
    "sparse_connections": ReferenceRun(quick=("depths=[5,10]", "runs=150", "networks=10", "bootstrap=200")),
}
SMALLEST = ("depths=[2,3]", "runs=8", "channels=4", "networks=3", "bootstrap=20")
SERIES = (
    Series("map/LAYOUT", "depth", "influence map, peak 1"),
    Series(
        "map/LAYOUT/fit",
        "depth",
        "the map with the TRF's box (dashed) and the contour of the Gaussian fitted to its average over the period",
    ),
    Series("sigma/LAYOUT", "depth", "standard deviation of the map's moments, pixels, mean of both axes"),
    Series("size/LAYOUT", "depth", "ERF size of the map averaged over the grid's period, pixels"),
    Series(
        "distance/LAYOUT",
        "depth",
        "largest difference of the distribution function of that map's marginal from the normal's, mean of both axes",
    ),
    Series("metrics/sigma_LAYOUT", "0", "sigma at the largest depth, pixels"),
    Series("metrics/distance_LAYOUT", "0", "distance to the normal at the largest depth"),
)
