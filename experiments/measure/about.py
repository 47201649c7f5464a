"""How large are the fields of a network of your choice?"""

from experiments.harness.about import Series

FIT = "the map with the TRF's box (dashed) and the fitted Gaussian's contour, where r² is above 0.5"
SERIES = (
    Series("map/LAYER", "0", "influence map of the layer's unit, peak 1; none where images have one axis"),
    Series("map/LAYER/fit", "0", FIT),
    Series("size/LAYER", "0", "ERF size, pixels"),
    Series("ratio/LAYER", "0", "ERF size / TRF size; only where the TRF is finite"),
    Series("r95/LAYER", "0", "radius that holds 95 % of the map, pixels"),
    Series("r_squared/LAYER", "0", "share of the map's variance that the Gaussian fit explains"),
    Series("skipped_images/LAYER", "0", "images that were 0 everywhere"),
    Series("metrics/size_LAYER", "0", "ERF size, pixels"),
    Series("metrics/r95_LAYER", "0", "radius that holds 95 % of the map, pixels"),
)
