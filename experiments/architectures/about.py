"""How much of the field is effective in known networks?"""

from experiments.harness.about import Series

RUNS = ("architectures",)
SERIES = (
    Series("size/NETWORK", "depth", "ERF size, pixels, mean over draws"),
    Series("ratio/NETWORK", "depth", "ERF size / TRF size; only where the TRF is finite"),
    Series("trf/NETWORK", "depth", "TRF size, pixels; only where it is finite"),
    Series("metrics/size_NETWORK", "0", "ERF size of the last stage, pixels, mean over draws"),
)
