"""Do measured maps equal the exact ones?"""

from experiments.harness.about import Series, map_series

RUNS = ("exact_theory",)
SERIES = (
    *map_series("map/KIND", "0"),
    Series("sigma/KIND", "0", "standard deviation in pixels of the map's moments, mean of both axes"),
    Series("deviation/KIND", "0", "largest difference from theory over pixels, in standard errors over runs"),
    Series("metrics/sigma_over_theory_KIND", "0", "measured sigma over the predicted one"),
)
