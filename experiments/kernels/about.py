"""What do the kernel's weights and a center-low init change?"""

from experiments.harness.about import DEVIATION, Series

RUNS = ("kernels",)
SERIES = (
    Series("map/PROFILE", "depth", "mean_square map at the smallest kernel size and the largest depth, peak 1"),
    Series("sigma/PROFILE/KERNEL", "depth", "standard deviation of the mean_square map by its moments, pixels"),
    Series("deviation/PROFILE/KERNEL", "depth", DEVIATION),
    Series("distance/PROFILE/KERNEL", "depth", "Kolmogorov's distance of the fixed kernel's marginal to the normal"),
    Series("gain/KERNEL", "100 x strength", "sigma over that at strength 0"),
    Series("size/KERNEL", "100 x strength", "ERF size of the map averaged over the corners' grid, pixels"),
    Series("metrics/gain_KERNEL", "0", "gain in sigma at the highest strength"),
    Series("metrics/distance_exponent_PROFILE", "0", "exponent of the distance to the normal against depth"),
)
