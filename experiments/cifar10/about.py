"""The reference runs of cifar10, the series that it logs, and its smallest run."""

from experiments.harness.about import ReferenceRun, Series

QUESTION = "Does the ERF grow in training?"
DATA = ("cifar10",)
RUNS = {
    "cifar10": ReferenceRun(quick=("width=4", "epochs=1", "images=16", "calibration=2", "bootstrap=100")),
}
SMALLEST = (
    "width=2",
    "batch_size=25",
    "grid=1",
    "partial_data=true",
    "epochs=2",
    "images=3",
    "bootstrap=20",
    "calibration=1",
)
SERIES = (
    Series("map", "epoch", "influence map of the center unit, peak 1"),
    Series("erf_size", "epoch", "ERF size of the center unit, pixels"),
    Series("erf_size/other_units", "epoch", "mean ERF size of the other units, pixels"),
    Series("sigma", "epoch", "standard deviation of the center unit's map within the image, mean of both axes, pixels"),
    Series("training_loss", "epoch", "mean over the steps since the last, each before its update"),
    Series("validation/accuracy", "epoch", "share of the validation images whose class is right"),
    Series("test/accuracy", "best epoch", "the same on the test images, read once"),
    Series("figure/layers", "0", "ERF sizes and maps of every layer before and after"),
    Series(
        "averaged_size",
        "epoch",
        "ERF size of the center unit's map averaged over the period of the layer's grid, pixels",
    ),
    Series("half_height_size", "epoch", "root of the number of pixels of that map above half of the reference"),
    Series("r50", "epoch", "radius that holds half of the center unit's map within the image, pixels"),
    Series("r95", "epoch", "radius that holds 95 % of it, pixels"),
    Series(
        "sigma_rows",
        "epoch",
        "standard deviation of the center unit's map within the image along rows, from top to bottom, pixels",
    ),
    Series("sigma_columns", "epoch", "the same along columns, from left to right"),
    Series("mean_square_size", "epoch", "as `averaged_size`, of the mean_square map of the same images"),
    Series("mean_square_sigma_rows", "epoch", "as `sigma_rows`, of that map"),
    Series("mean_square_sigma_columns", "epoch", "as `sigma_columns`, of that map"),
    Series("metrics/test_accuracy", "0", "on the test images"),
    Series("metrics/erf_size_before", "0", "ERF size before training, pixels"),
    Series("metrics/erf_size_after", "0", "ERF size at the best epoch, pixels"),
    Series("metrics/validation_NAME", "0", "the best epoch's validation metrics"),
)
