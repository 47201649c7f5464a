"""The reference runs of cifar10, the series that it logs, and its smallest run."""

from experiments.harness.about import ReferenceRun, ReferenceStudy, Series, Sweeps
from experiments.trainings.series import ERF_IN_TRAINING

QUESTION = "Does the ERF grow in training?"
DATA = ("cifar10",)
RUNS = {
    "cifar10": ReferenceRun(quick=("width=4", "epochs=1", "images=16", "calibration=2", "bootstrap=100")),
}
SEEDS = 3  # of each start


def sweeps(first_seed: int, width: int = 16) -> Sweeps:
    """Return the sweeps of trainings from each start; in float32, so that every device trains the same."""
    seeds = f"seed=range({first_seed},{first_seed + SEEDS})"
    common = ("experiment=cifar10", f"width={width}", "grid=1", "measure_every=4", "precision=float32")
    return (
        (*common, "start=unit_gain", seeds),
        (*common, "start=small_gain", "gain=0.16", seeds),
    )


STUDIES = {
    "cifar10_starts": ReferenceStudy(
        sweeps, quick=("width=4", "seed=0,1", "epochs=1", "images=16", "calibration=2", "bootstrap=100")
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
