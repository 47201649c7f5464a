"""Does the ERF grow in training?"""

from experiments.harness.about import Series
from experiments.trainings.series import ERF_IN_TRAINING

DATA = ("cifar10",)
RUNS = ("cifar10",)
STUDIES = ("cifar10_starts",)
SERIES = (
    *ERF_IN_TRAINING,
    Series("validation/accuracy", "epoch", "share of the validation images whose class is right"),
    Series("test/accuracy", "best epoch", "the same on the test images, read once"),
    Series("metrics/test_accuracy", "0", "on the test images"),
)
