"""How much of a global field is used?"""

from experiments.harness.about import Series

RUNS = ("attention", "attention_mean_square")
BELOW = "convolutions below the block"
CORE = "share of the map in the pixels that the ERF size of the stack's exact map counts"
SERIES = (
    Series("map/BLOCK", BELOW, "influence map, peak 1"),
    Series("outside/BLOCK", BELOW, "share of the map outside the TRF of the stack of convolutions alone"),
    Series("core/BLOCK", BELOW, CORE),
    Series("size/BLOCK", BELOW, "ERF size, pixels"),
    Series("metrics/outside_BLOCK", "0", "share of the map outside the stack's TRF, at the first place"),
    Series("metrics/core_BLOCK", "0", f"{CORE}, at the first place"),
)
