"""Does the ERF grow in training?"""

from experiments.harness.about import Series
from experiments.trainings.series import ERF_IN_TRAINING

DATA = ("camvid",)
RUNS = ("camvid",)
STUDIES = ("camvid_starts",)
SERIES = (
    *ERF_IN_TRAINING,
    Series(
        "validation/mean_iou", "epoch", "intersection over union, mean over classes, on validation frames without void"
    ),
    Series("validation/global_accuracy", "epoch", "share of right pixels, on the validation frames without void"),
    Series("test/mean_iou", "best epoch", "the same on the test frames, read once"),
    Series("test/global_accuracy", "best epoch", "the same on the test frames, read once"),
    Series("metrics/mean_iou", "0", "on the test frames"),
    Series("metrics/global_accuracy", "0", "on the test frames"),
)
