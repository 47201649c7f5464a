"""The reference runs of center_low_init, the series that it logs, and its smallest run."""

from experiments.harness.about import ReferenceStudy, Series, Sweeps

QUESTION = "Does a center-low init train faster?"
DATA = ("cifar10",)
# A test over 24 comparisons needs more than 10 pairs: of 10, all would have to agree for one of them to be significant.
PAIRS, FEWER_PAIRS = 12, 4


def sweeps(first_seed: int) -> Sweeps:
    """Return the sweeps of the study: He's init, its null of fresh weights, and Glorot's.

    Seed 100 was looked at before, to choose the levels, and is in no study.
    """
    seeds, fewer = (f"seed=range({first_seed},{first_seed + count})" for count in (PAIRS, FEWER_PAIRS))
    common = ("experiment=center_low_init", "kernel_size=3,5")
    return (
        (*common, "strength=0,0.25,0.5,0.75,1", seeds),
        (*common, "draw=1", seeds),
        (*common, "init=glorot_uniform", "strength=0,0.5,1", fewer),
    )


STUDIES = {
    "center_low_init": ReferenceStudy(
        sweeps,
        quick=(
            "kernel_size=3",
            "seed=0,1",
            "training_images=500",
            "held_out=200",
            "width=4",
            "steps=40",
            "evaluate_every=10",
            "levels=[0.11,0.13,0.15]",
            "images=4",
        ),
    )
}
SMALLEST = (
    "partial_data=true",
    "training_images=50",
    "held_out=10",
    "width=2",
    "steps=4",
    "evaluate_every=2",
    "batch_size=10",
    "images=3",
    "strength=0.5",
)
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
