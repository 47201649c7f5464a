"""The reference runs of growth_controls, the series that it logs, and its smallest run."""

from experiments.harness.about import ReferenceRun, ReferenceStudy, Series, Sweeps

QUESTION = "Is that growth learning's?"
DATA = ("cifar10",)
RUNS = {
    "growth_controls_wide": ReferenceRun(
        ("arms=[batch_norm]", "width=16"), quick=("width=2", "seeds=1", "epochs=1", "images=16", "bootstrap=100")
    ),
}


def sweeps(first_seed: int) -> Sweeps:
    """Return the sweep of the controls for Figure 3, in two jobs: those with batch norm and those without."""
    arms = "arms=[batch_norm,zero_gain,random_labels],[no_batch_norm,folded]"
    return (("experiment=growth_controls", arms, f"seed={first_seed}"),)


STUDIES = {
    "growth_controls": ReferenceStudy(
        sweeps, quick=("arms=[folded]", "width=2", "seeds=1", "epochs=1", "images=16", "bootstrap=100")
    )
}
SMALLEST = (
    "partial_data=true",
    "epochs=1",
    "images=3",
    "bootstrap=20",
    "calibration=1",
    "arms=[folded]",
    "width=2",
    "batch_size=25",
    "seeds=1",
)
SERIES = (
    Series(
        "erf_size/PROBE/ARM/NUMBER", "epoch", "ERF size of one training, measured on `images` or on `noise`, pixels"
    ),
    Series("validation/accuracy/ARM/NUMBER", "epoch", "its share of validation images whose class is right"),
    Series("metrics/growth_ARM", "0", "growth of the ERF on images, pixels, mean over trainings"),
    Series("metrics/accuracy_ARM", "0", "validation accuracy at the end, mean over trainings"),
)
