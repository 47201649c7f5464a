"""The reference runs of camvid, the series that it logs, and its smallest run."""

from experiments.harness.about import ReferenceRun, Series
from experiments.trainings.series import ERF_IN_TRAINING

QUESTION = "Does the ERF grow in training?"
DATA = ("camvid",)
RUNS = {
    "camvid": ReferenceRun(quick=("widths=[4,4,8,16]", "epochs=1", "images=4", "calibration=1", "bootstrap=100")),
}
SMALLEST = (
    "widths=[4,4,4,16]",
    "batch_size=2",
    "grid=2",
    "shift=4",
    "partial_data=true",
    "epochs=2",
    "images=3",
    "bootstrap=20",
    "calibration=1",
)
SERIES = (
    *ERF_IN_TRAINING,
    Series(
        "validation/mean_iou",
        "epoch",
        "intersection over union, mean over classes, on the validation frames without void",
    ),
    Series("validation/global_accuracy", "epoch", "share of right pixels, on the validation frames without void"),
    Series("test/mean_iou", "best epoch", "the same on the test frames, read once"),
    Series("test/global_accuracy", "best epoch", "the same on the test frames, read once"),
    Series("metrics/mean_iou", "0", "on the test frames"),
    Series("metrics/global_accuracy", "0", "on the test frames"),
)
