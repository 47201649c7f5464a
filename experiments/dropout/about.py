"""Does dropout change the shape of the ERF?"""

from experiments.harness.about import DEVIATION, Series, map_series

RUNS = ("dropout",)
SERIES = (
    *map_series("map/DROPOUT", "100 x rate", "mean_square map of the wide stacks, peak 1"),
    Series("sigma/DROPOUT/CHANNELS", "100 x rate", "standard deviation of the mean_square map by its moments, pixels"),
    Series("sigma_mean_abs/DROPOUT/CHANNELS", "100 x rate", "the same of the mean_abs map"),
    Series("zero_runs/DROPOUT/CHANNELS", "100 x rate", "runs without any influence, which count as 0"),
    Series("deviation/DROPOUT/CHANNELS", "100 x rate", f"{DEVIATION}; wide stacks only"),
    Series("metrics/sigma_over_rate_0_DROPOUT", "0", "sigma at the highest rate over that at rate 0, of wide stacks"),
)
