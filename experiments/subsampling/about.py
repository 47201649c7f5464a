"""The reference runs of subsampling, the series that it logs, and its smallest run."""

from experiments.harness.about import ReferenceRun, Series

QUESTION = "What do strides, poolings and dilation do?"
RUNS = {
    "subsampling": ReferenceRun(quick=("runs=60", "bootstrap=200")),
}
SMALLEST = ("depth=4", "subsampled=2", "dilations=[3]", "runs=6", "channels=4", "bootstrap=20")
SERIES = (
    Series("map/VARIANT", "0", "influence map, peak 1"),
    Series("map/VARIANT/fit", "0", "the map with the TRF's box (dashed) and the fitted Gaussian's contour"),
    Series("size/VARIANT", "0", "ERF size on the map averaged over its grid's period, pixels"),
    Series("ratio/VARIANT", "0", "that / TRF size"),
    Series("sigma/VARIANT", "0", "standard deviation of the map, pixels, both axes"),
    Series("kurtosis/VARIANT", "0", "excess kurtosis, mean of both axes"),
    Series("skipped_runs/VARIANT", "0", "runs that were 0 everywhere"),
    Series("metrics/size_VARIANT", "0", "ERF size, pixels"),
)
