"""The reference runs of attention and the series that it logs."""

from experiments.harness.about import Series

QUESTION = "How much of a global field is used?"
RUNS = ("attention", "attention_mean_square")
SERIES = (
    Series("map/BLOCK", "convolutions below the block", "influence map, peak 1"),
    Series(
        "outside/BLOCK",
        "convolutions below the block",
        "share of the map outside the TRF of the stack of convolutions alone",
    ),
    Series(
        "core/BLOCK",
        "convolutions below the block",
        "share of the map in the pixels that the ERF size of the stack's exact map counts",
    ),
    Series("size/BLOCK", "convolutions below the block", "ERF size, pixels"),
    Series("metrics/outside_BLOCK", "0", "share of the map outside the stack's TRF, at the first place"),
    Series(
        "metrics/core_BLOCK",
        "0",
        "share of the map in the pixels that the ERF size of the stack's exact map counts, at the first place",
    ),
)
