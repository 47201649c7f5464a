"""The reference runs of cifar10, the series that it logs, and its smallest run."""

from experiments.harness.about import ReferenceRun, Series
from experiments.trainings.series import ERF_IN_TRAINING

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
    *ERF_IN_TRAINING,
    Series("validation/accuracy", "epoch", "share of the validation images whose class is right"),
    Series("test/accuracy", "best epoch", "the same on the test images, read once"),
    Series("metrics/test_accuracy", "0", "on the test images"),
)
