"""How much do strides, pooling and dilation enlarge the ERF?"""

from experiments.harness.about import Series, map_series

RUNS = ("subsampling",)
SERIES = (
    *map_series("map/VARIANT", "0"),
    Series("size/VARIANT", "0", "ERF size on the map averaged over its grid's period, pixels"),
    Series("ratio/VARIANT", "0", "that / TRF size"),
    Series("sigma/VARIANT", "0", "standard deviation of the map, pixels, both axes"),
    Series("kurtosis/VARIANT", "0", "excess kurtosis, mean of both axes"),
    Series("skipped_runs/VARIANT", "0", "runs that were 0 everywhere"),
    Series("metrics/size_VARIANT", "0", "ERF size, pixels"),
)
