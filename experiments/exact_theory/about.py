"""The reference runs of exact_theory and the series that it logs."""

from experiments.harness.about import Series

QUESTION = "Do measured maps equal the exact ones?"
RUNS = ("exact_theory",)
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
