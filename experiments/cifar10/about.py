"""The reference runs of cifar10, the series that it logs, and its smallest run."""

from experiments.harness.about import ReferenceRun, ReferenceStudy, Series, Sweeps
from experiments.trainings.series import ERF_IN_TRAINING

QUESTION = "Does the ERF grow in training?"
DATA = ("cifar10",)
RUNS = {
    "cifar10": ReferenceRun(quick=("width=4", "epochs=1", "images=16", "calibration=2", "bootstrap=100")),
}
SEEDS = 3  # of each start


def sweeps(first_seed: int) -> Sweeps:
    """Return the sweeps of trainings at width 16 from each start, and of the recorded one; float32 on any device."""
    seeds = f"seed=range({first_seed},{first_seed + SEEDS})"
    common = ("experiment=cifar10", "grid=1", "measure_every=4", "precision=float32", seeds)
    return (
        (*common, "width=16", "start=unit_gain"),
        (*common, "width=16", "start=small_gain", "gain=0.16"),
        (*common, "width=32", "start=unit_gain"),
    )


STUDIES = {
    "cifar10_starts": ReferenceStudy(
        sweeps,
        quick=("width=4", "seed=0,1", "epochs=1", "images=16", "calibration=2", "bootstrap=100"),
    )
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
