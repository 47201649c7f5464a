"""How much smaller do skip connections make the ERF?"""

from experiments.harness.about import Series, map_series

RUNS = ("skip_connections",)
SERIES = (
    *map_series("map/DESIGN", "100 gain", "influence map of the residual stack, peak 1"),
    Series("size/DESIGN", "100 gain", "ERF size, pixels"),
    Series("sigma/DESIGN", "100 gain", "standard deviation of the map, pixels, both axes"),
    Series("skipped_runs/DESIGN", "100 gain", "runs that were 0 everywhere"),
    *map_series("plain_map/DESIGN", "0", "influence map of the stack without skips, peak 1"),
    Series("plain_size/DESIGN", "0", "its ERF size, pixels"),
    Series("plain_sigma/DESIGN", "0", "its standard deviation, pixels"),
    Series("plain_skipped_runs/DESIGN", "0", "its runs that were 0 everywhere"),
    Series("metrics/size_plain_DESIGN", "0", "ERF size without skips, pixels"),
    Series("metrics/size_DESIGN", "0", "ERF size at the largest gain, pixels"),
)
