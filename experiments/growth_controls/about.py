"""Is the growth of the ERF in training due to learning?"""

from experiments.harness.about import Series

DATA = ("cifar10",)
RUNS = ("growth_controls_wide",)
STUDIES = ("growth_controls",)
SERIES = (
    Series("erf_size/PROBE/ARM/NUMBER", "epoch", "ERF size of one training on `images` or on `noise`, pixels"),
    Series("validation/accuracy/ARM/NUMBER", "epoch", "its share of validation images whose class is right"),
    Series("metrics/growth_ARM", "0", "growth of the ERF on images, pixels, mean over trainings"),
    Series("metrics/accuracy_ARM", "0", "validation accuracy at the end, mean over trainings"),
)
