"""The reference runs of growth_start, the series that it logs, and its smallest run."""

from experiments.harness.about import ReferenceRun, Series

QUESTION = "How large is an ERF before training, and does its growth hang on how it is measured?"
DATA = ("camvid", "cifar10")
RUNS = {
    "growth_start": ReferenceRun(
        quick=("seeds=1", "camvid_widths=[4]", "cifar10_widths=[8]", "camvid_images=2", "calibration=1", "trained=[]")
    ),
}
SMALLEST = (
    "starts=[unit_gain,framework_default,small_gain]",
    "gains=[0.0]",
    "seeds=2",
    "camvid_widths=[4]",
    "cifar10_widths=[2]",
    "partial_data=true",
    "camvid_images=2",
    "cifar10_images=2",
    "calibration=1",
    "batch_size=2",
    "trained=[]",
)
SERIES = (
    Series(
        "averaged_size/before/NETWORK/START",
        "seed",
        "ERF size before training, of the map averaged over the grid's period, pixels",
    ),
    Series("averaged_size/fresh/NETWORK/START", "seed", "the same with batch norm as constructed; it does not count"),
    Series("metrics/averaged_size_NETWORK_START", "0", "the first of these, mean over seeds"),
    Series("metrics/share_agreeing", "0", "share of the ways to measure by which the trained networks' ERF has grown"),
)
