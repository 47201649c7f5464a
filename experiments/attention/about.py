"""The reference runs of attention, the series that it logs, and its smallest run."""

from experiments.harness.about import ReferenceRun, Series

QUESTION = "How much of a global field is used?"
RUNS = {
    "attention": ReferenceRun(quick=("runs=20", "bootstrap=200")),
    "attention_mean_square": ReferenceRun(("statistic=mean_square",), quick=("runs=20", "bootstrap=200")),
}
SMALLEST = ("depth=3", "below=[1,2]", "side=16", "runs=4", "channels=4", "bootstrap=20")
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
