"""The reference runs of exact_theory, the series that it logs, and its smallest run."""

from experiments.harness.about import ReferenceRun, Series

QUESTION = "Do measured maps equal the exact ones?"
RUNS = {
    "exact_theory": ReferenceRun(quick=("runs=800", "bootstrap=200")),
}
SMALLEST = ("kernel_sizes=[2,3]", "depths=[2,5]", "depth=3", "runs=50", "bootstrap=20")
SERIES = (
    Series("map/KIND", "0", "influence map, peak 1"),
    Series(
        "map/KIND/fit",
        "0",
        "the map with the TRF's box (dashed) and the fitted Gaussian's contour at 4.55 % of its peak",
    ),
    Series("sigma/KIND", "0", "standard deviation in pixels of the map's moments, mean of both axes"),
    Series("deviation/KIND", "0", "largest difference from theory over pixels, in standard errors over runs"),
    Series("metrics/sigma_over_theory_KIND", "0", "measured sigma over the predicted one"),
)
