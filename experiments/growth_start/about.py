"""How large is an ERF before training, and does its growth depend on how it is measured?"""

from experiments.harness.about import Series

DATA = ("camvid", "cifar10")
RUNS = ("growth_start",)
BEFORE = "ERF size before training, of the map averaged over the grid's period, pixels"
SERIES = (
    Series("averaged_size/before/NETWORK/START", "seed", BEFORE),
    Series("averaged_size/fresh/NETWORK/START", "seed", "the same with batch norm as constructed; it does not count"),
    Series("metrics/averaged_size_NETWORK_START", "0", "the first of these, mean over seeds"),
    Series("metrics/share_agreeing", "0", "share of the ways to measure by which the trained networks' ERF has grown"),
)
