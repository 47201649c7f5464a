"""How far off are expected maps, for networks that people use?"""

from experiments.harness.about import Series

RUNS = ("expected_maps",)
SERIES = (
    Series("error/NETWORK/WAY", "layer, from 0", "expected sigma over the measured one, less 1"),
    Series("deviation/NETWORK/WAY", "layer, from 0", "largest difference over pixels, in standard errors"),
    Series("total/NETWORK/WAY", "layer, from 0", "sum of the expected map over that of the measured one"),
    Series("metrics/error_NETWORK", "0", "expected sigma over the measured one, less 1, of the last layer as it is"),
)
