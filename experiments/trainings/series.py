"""What every training of Figure 3 logs of its ERF (section 3.2)."""

from experiments.harness.about import Series

ERF_IN_TRAINING = (
    Series("map", "epoch", "influence map of the center unit, peak 1"),
    Series("erf_size", "epoch", "ERF size of the center unit, pixels"),
    Series("erf_size/other_units", "epoch", "mean ERF size of the other units, pixels"),
    Series("sigma", "epoch", "standard deviation of the center unit's map within the image, mean of both axes, pixels"),
    Series("training_loss", "epoch", "mean over the steps since the last, each before its update"),
    Series("figure/layers", "0", "ERF sizes and maps of every layer before and after"),
    Series("averaged_size", "epoch", "ERF size of the center unit's map averaged over the grid's period, pixels"),
    Series("half_height_size", "epoch", "root of the number of pixels of that map above half of the reference"),
    Series("r50", "epoch", "radius that holds half of the center unit's map within the image, pixels"),
    Series("r95", "epoch", "radius that holds 95 % of it, pixels"),
    Series("sigma_rows", "epoch", "the standard deviation along rows alone, from top to bottom, pixels"),
    Series("sigma_columns", "epoch", "the same along columns, from left to right"),
    Series("mean_square_size", "epoch", "the averaged size of the mean_square map of the same images"),
    Series("mean_square_sigma_rows", "epoch", "the standard deviation of that map along rows, pixels"),
    Series("mean_square_sigma_columns", "epoch", "the same along columns"),
    Series("metrics/erf_size_before", "0", "ERF size before training, pixels"),
    Series("metrics/erf_size_after", "0", "ERF size at the best epoch, pixels"),
    Series("metrics/averaged_size_before", "0", "the same of the map averaged over the grid's period"),
    Series("metrics/averaged_size_after", "0", "that size at the best epoch, pixels"),
    Series("metrics/validation_NAME", "0", "the best epoch's validation metrics"),
)
