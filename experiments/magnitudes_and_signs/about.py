"""When an ERF changes in training, is it by the magnitudes of the weights or by their signs?"""

from experiments.harness.about import Series

DATA = ("camvid", "cifar10")
RUNS = ("magnitudes_and_signs",)
SERIES = (
    Series("size/KIND/NETWORK/START/SEED", "epoch", "ERF size of the rms map averaged over the grid's period, pixels"),
    Series("metrics/PART_NETWORK_START", "0", "change of that size in training, mean over seeds: all, or one part"),
    Series("metrics/first_NETWORK_START", "0", "that size before training, mean over seeds, where nothing is trained"),
)
