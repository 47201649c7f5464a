"""Does a network that starts with a center-low init train faster?"""

from experiments.harness.about import Series

DATA = ("cifar10",)
STUDIES = ("center_low_init",)
SERIES = (
    Series("erf_size", "step", "ERF size of the center unit's map averaged over the grid, pixels"),
    Series("sigma", "step", "standard deviation of the center unit's map within the image, mean of both axes, pixels"),
    Series("training_loss", "step", "mean over the steps since the last, each before its update"),
    Series("validation/accuracy", "step", "share of the validation images whose class is right"),
    Series("metrics/steps_to_LEVEL", "0", "steps to a level of accuracy, where it was reached"),
    Series("metrics/accuracy", "0", "at the end"),
    Series("metrics/erf_size_before", "0", "ERF size before training, pixels"),
    Series("metrics/erf_size_after", "0", "ERF size at the end, pixels"),
)
