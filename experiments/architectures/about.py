"""The reference runs of architectures, the series that it logs, and its smallest run."""

from experiments.harness.about import ReferenceRun, Series

QUESTION = "How much of the field is effective in known networks?"
RUNS = {
    "architectures": ReferenceRun(quick=("networks=[resnet18,mobilenet_v2]", "draws=2", "samples=1")),
}
SMALLEST = ("networks=[shufflenet_v2_x1_0,resnet18]", "draws=2", "samples=1", "input_size=64")
SERIES = (
    Series("size/NETWORK", "depth", "ERF size, pixels, mean over draws"),
    Series("ratio/NETWORK", "depth", "ERF size / TRF size; only where the TRF is finite"),
    Series("trf/NETWORK", "depth", "TRF size, pixels; only where it is finite"),
    Series("metrics/size_NETWORK", "0", "ERF size of the last stage, pixels, mean over draws"),
)
