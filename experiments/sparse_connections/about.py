"""Do as many connections, spread over a larger area, enlarge the ERF?"""

from experiments.harness.about import Series

RUNS = ("sparse_connections",)
FIT = "the map with the TRF's box (dashed) and the contour of the Gaussian fitted to its average over the period"
DISTANCE = "largest difference of the distribution function of that map's marginal from the normal's, mean of both axes"
SERIES = (
    Series("map/LAYOUT", "depth", "influence map, peak 1"),
    Series("map/LAYOUT/fit", "depth", FIT),
    Series("sigma/LAYOUT", "depth", "standard deviation of the map's moments, pixels, mean of both axes"),
    Series("size/LAYOUT", "depth", "ERF size of the map averaged over the grid's period, pixels"),
    Series("distance/LAYOUT", "depth", DISTANCE),
    Series("metrics/sigma_LAYOUT", "0", "sigma at the largest depth, pixels"),
    Series("metrics/distance_LAYOUT", "0", "distance to the normal at the largest depth"),
)
